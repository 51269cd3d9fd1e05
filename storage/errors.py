"""What can go wrong with a file, wherever it lies.

StorageError            an OSError: who reads or writes a file has to expect those in any case
├── NotThere          there is no such file or object
├── Changed           it is not the version that was asked for
├── Occupied          a file of that name is there, and it is another
├── Denied            access is refused
│   └── BadCredentials    whoever asks: it says nothing about the file
├── NoBucket          the bucket does not exist
├── Unreachable       nobody answers, or not as they should; later it may work
├── BadPath           no store can have a file of that name
└── NotSetUp          the extra, the credentials or the address is missing
"""

import errno
from typing import ClassVar


class StorageError(OSError):
    """Root: ``str()`` is one line with the path and the reason; ``strerror`` is the reason alone."""

    code: ClassVar[str] = "storage_error"
    number: ClassVar[int] = errno.EIO

    def __init__(self, path: str, why: str) -> None:
        """Name the path, and say what is wrong in a few words."""
        super().__init__(self.number, why, path)

    def __str__(self) -> str:
        """Path and reason, without a number."""
        return f"{self.filename}: {self.strerror}"


class NotThere(StorageError):
    """No such file."""

    code: ClassVar[str] = "not_there"
    number = errno.ENOENT


class Changed(StorageError):
    """The file was replaced by another version."""

    code: ClassVar[str] = "changed"
    number = errno.ESTALE


class Occupied(StorageError):
    """The name is taken by a file that is not ours."""

    code: ClassVar[str] = "occupied"
    number = errno.EEXIST


class Denied(StorageError):
    """Access is refused."""

    code: ClassVar[str] = "denied"
    number = errno.EACCES


class BadCredentials(Denied):
    """The credentials are unknown, have expired, or are missing."""

    code: ClassVar[str] = "bad_credentials"


class NoBucket(StorageError):
    """The bucket of the path does not exist."""

    code: ClassVar[str] = "no_bucket"
    number = errno.ENOENT


class Unreachable(StorageError):
    """The store does not answer as it should."""

    code: ClassVar[str] = "unreachable"


class BadPath(StorageError):
    """A name that cannot be used."""

    code: ClassVar[str] = "bad_path"
    number = errno.EINVAL


class NotSetUp(StorageError):
    """Something is missing on our side."""

    code: ClassVar[str] = "not_set_up"
    number = errno.EINVAL
