"""What every kind of storage can do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from storage.paths import is_remote


@dataclass(frozen=True, slots=True)
class FileStat:
    """A file at one moment. Two are equal when size, mtime and ETag are.

    ``etag`` is an object's, "" for a file of this host; ``changed_ns`` is when the inode last changed
    (ctime), which no copying program can set back as it can the mtime.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    etag: str = ""
    changed_ns: int = field(default=0, compare=False)
    inode: int = field(default=0, compare=False)

    @property
    def is_object(self) -> bool:
        """Return whether it is an object of a bucket: nobody ever sees one that is half written."""
        return is_remote(self.path)

    def calm_s(self, wall_s: float) -> float:
        """Return for how long nothing about the file had changed at ``wall_s`` (Unix seconds)."""
        last_ns = max(self.mtime_ns, self.changed_ns)
        return max(0.0, wall_s - last_ns / 1e9) if self.changed_ns else 0.0

    def is_untouched(self, other: "FileStat") -> bool:
        """Return whether nothing happened to the file between the two, not even a change of its inode."""
        return self == other and (self.changed_ns, self.inode) == (other.changed_ns, other.inode)


class Storage(Protocol):
    """Files below one root. Every method raises StorageError or another OSError, and nothing else."""

    root: str
    is_remote: bool

    def scan(self) -> Iterator[FileStat]:
        """Yield every file at the root and below, in bounded memory."""

    def stat(self, path: str) -> FileStat | None:
        """Look at a file once; None when it is not there or is no regular file."""

    def exists(self, path: str) -> bool:
        """Return whether a name is taken, by whatever it may be."""

    def open(self, path: str, expected: FileStat | None = None) -> BufferedReader:
        """Open a file to read and seek in; with ``expected`` that very version. Raises NotThere, Changed."""

    def read(self, path: str, most_bytes: int) -> bytes:
        """Read the first bytes of a small file; raises NotThere."""

    def write(self, path: str, data: bytes, mark: str) -> None:
        """Put a small file in its place, whole or not at all; what is there is replaced.

        ``mark`` tells writers apart that write at once.
        """

    def deliver(self, part: Path, path: str, sha256: str, check: Callable[[], None]) -> None:
        """Move a finished local file into its place, whole or not at all; it is gone afterwards.

        A file that is there is never replaced: it is either the same, or it stays. ``check`` is called now
        and then, and may raise to end it. Raises Occupied.
        """

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""

    def digest(self, path: str) -> str:
        """Return the SHA-256 (hex) of a file; raises NotThere."""
