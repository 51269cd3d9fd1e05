"""What a store says that says nothing about a file: it is left alone, and looked at again later."""

from collections.abc import Iterator
from contextlib import contextmanager

from producer.errors import SourceChanged, SourceGone
from stores import BadCredentials, Changed, Denied, StoreError


@contextmanager
def passing() -> Iterator[None]:
    """Raise SourceGone or SourceChanged for what passes; a file that is denied to us stays an OSError."""
    try:
        yield
    except Changed as changed:
        raise SourceChanged(str(changed)) from changed
    except StoreError as broken:
        if isinstance(broken, Denied) and not isinstance(broken, BadCredentials):
            raise
        raise SourceGone(str(broken)) from broken
