"""Turn a draft into an MP4."""

from studio.render.film import render

__all__ = ["render"]
