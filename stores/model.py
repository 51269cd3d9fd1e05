"""What every store can do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as one look showed it; ``tag`` is an object's ETag, "" for a file of this host."""

    path: str
    size_bytes: int
    mtime_ns: int
    tag: str = ""


class Store(Protocol):
    """Files by their paths. Every method raises StoreError or another OSError, and nothing else."""

    def list(self, folder: str) -> Iterator[Seen]:
        """Every file in a folder and below, in bounded memory."""

    def stat(self, path: str) -> Seen | None:
        """One look at a file; None when it is not there."""

    def open(self, path: str, seen: Seen | None = None) -> BufferedReader:
        """A file to read and to seek in; with ``seen`` that very version. Raises NotThere, Changed."""

    def read(self, path: str, most_bytes: int) -> bytes:
        """The first bytes of a small file; raises NotThere."""

    def write(self, path: str, data: bytes, mark: str) -> None:
        """Put a small file in its place, whole or not at all; what is there is replaced.

        ``mark`` tells writers apart that write at once.
        """

    def put(self, part: Path, path: str, sha256: str, check: Callable[[], None]) -> None:
        """Move a finished local file into its place, whole or not at all; it is gone afterwards.

        A file that is there is never replaced: it is either the same, or it stays. ``check`` is called now
        and then, and may raise to end it. Raises Occupied.
        """

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""

    def digest(self, path: str) -> str:
        """The SHA-256 (hex) of a file; raises NotThere."""
