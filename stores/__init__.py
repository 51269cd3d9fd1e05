"""Where files lie: in a folder of this host, or as objects in a bucket (``s3://bucket/key``).

A path is a plain string in both cases, and ``/`` parts it; `store_of` answers who can open it.
"""

import os

from stores.errors import (
    BadCredentials,
    BadPath,
    Changed,
    Denied,
    NoBucket,
    NotSetUp,
    NotThere,
    Occupied,
    StoreError,
    Unreachable,
)
from stores.local import LocalStore
from stores.model import Seen, Store
from stores.paths import SCHEME, is_remote, tidy
from stores.ranged import failure_of

__all__ = [
    "SCHEME",
    "BadCredentials",
    "BadPath",
    "Changed",
    "Denied",
    "LocalStore",
    "NoBucket",
    "NotSetUp",
    "NotThere",
    "Occupied",
    "Seen",
    "Store",
    "StoreError",
    "Unreachable",
    "exists",
    "failure_of",
    "is_remote",
    "store_of",
    "tidy",
]

_LOCAL = LocalStore()


def store_of(path: str) -> Store:
    """The store that holds a path; raises NotSetUp when it cannot be used as things are."""
    if not is_remote(path):
        return _LOCAL
    try:
        from stores.s3 import S3  # noqa: PLC0415 (an extra: loaded by whoever names such a path)
    except ImportError as missing:
        raise NotSetUp(
            path, "S3 needs the package obstore; install it: pip install 'dropscore[s3]'"
        ) from missing
    return S3


def exists(path: str) -> bool:
    """Whether a name is taken, on this host by whatever it may be; raises StoreError when nobody can tell."""
    return store_of(path).stat(path) is not None if is_remote(path) else os.path.lexists(path)
