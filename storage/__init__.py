"""Where files are: in a folder of this host, or as objects in a bucket (``s3://bucket/key``).

A path is a plain string in both cases, with ``/`` between its parts; `storage_for` answers who can open it.
"""

from storage.credentials import is_loopback
from storage.errors import (
    BadCredentials,
    BadPath,
    Changed,
    Denied,
    NoBucket,
    NotSetUp,
    NotThere,
    Occupied,
    StorageError,
    Unreachable,
)
from storage.local import LocalStorage, clone_or_link, rename_without_replacing
from storage.model import FileStat, Storage
from storage.paths import SCHEME, is_remote, tidy
from storage.ranges import failure_of

__all__ = [
    "SCHEME",
    "BadCredentials",
    "BadPath",
    "Changed",
    "Denied",
    "FileStat",
    "LocalStorage",
    "NoBucket",
    "NotSetUp",
    "NotThere",
    "Occupied",
    "Storage",
    "StorageError",
    "Unreachable",
    "clone_or_link",
    "exists",
    "failure_of",
    "is_loopback",
    "is_remote",
    "is_same_file",
    "rename_without_replacing",
    "storage_for",
    "tidy",
]


def storage_for(root: str) -> Storage:
    """Return the storage bound to a folder or a file; raises NotSetUp when it cannot be used yet."""
    if not is_remote(root):
        return LocalStorage(root)
    try:
        from storage.s3 import BucketStorage  # noqa: PLC0415 (an extra: loaded by whoever names such a path)
    except ImportError as exc:
        why = "S3 needs the package obstore; install it: pip install 'dropscore[s3]'"
        raise NotSetUp(root, why) from exc
    return BucketStorage(root)


def exists(path: str) -> bool:
    """Return whether a name is taken, on this host by whatever it may be; raises StorageError."""
    return storage_for(path).exists(path)


def is_same_file(path: str, size_bytes: int, mtime_ns: int, etag: str = "") -> bool:
    """Return whether a file still is the one that was recorded: asked before it is sent, and after.

    An mtime of 0 and an ETag of "" were not recorded, and are not compared. Raises StorageError.
    """
    found = storage_for(path).stat(path)
    if found is None or found.size_bytes != size_bytes:
        return False
    if found.etag:
        return etag in ("", found.etag)
    return mtime_ns in (0, found.mtime_ns)
