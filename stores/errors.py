"""What can go wrong with a file, wherever it lies.

StoreError            an OSError: who reads or writes a file has to expect those in any case
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


class StoreError(OSError):
    """Root: ``str()`` is one line with the path and the reason; ``strerror`` is the reason alone."""

    number: ClassVar[int] = errno.EIO

    def __init__(self, path: str, why: str) -> None:
        """Name the path, and say what is wrong in a few words."""
        super().__init__(self.number, why, path)

    def __str__(self) -> str:
        """Path and reason, without a number."""
        return f"{self.filename}: {self.strerror}"


class NotThere(StoreError):
    """No such file."""

    number = errno.ENOENT


class Changed(StoreError):
    """The file was replaced by another version."""

    number = errno.ESTALE


class Occupied(StoreError):
    """The name is taken by a file that is not ours."""

    number = errno.EEXIST


class Denied(StoreError):
    """Access is refused."""

    number = errno.EACCES


class BadCredentials(Denied):
    """The credentials are unknown, have expired, or are missing."""


class NoBucket(StoreError):
    """The bucket of the path does not exist."""

    number = errno.ENOENT


class Unreachable(StoreError):
    """The store does not answer as it should."""


class BadPath(StoreError):
    """A name that cannot be used."""

    number = errno.EINVAL


class NotSetUp(StoreError):
    """Something is missing on our side."""

    number = errno.EINVAL
