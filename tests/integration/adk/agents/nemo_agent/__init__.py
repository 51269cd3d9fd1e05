"""The app `nemo_agent`, as ADK's loader finds it."""

from . import agent as agent
