"""Turn a draft into an MP4."""

from studio.render.render import render

__all__ = ["render"]
