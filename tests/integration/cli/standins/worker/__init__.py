"""Only ``python -m worker`` is stood in for: the rest of the room is the real one."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
