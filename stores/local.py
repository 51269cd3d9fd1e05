"""Files of this host."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path

from stores.errors import Changed, NotThere, Occupied
from stores.model import Seen


class LocalStore:
    """Folders; what is written is on the disk when a method returns."""

    def list(self, folder: str) -> Iterator[Seen]:
        """Every regular file in a folder and below, by their names."""
        for at, folders, names in os.walk(folder, onerror=_raise):
            folders.sort()
            for name in sorted(names):
                if (seen := self.stat(f"{at}/{name}")) is not None:
                    yield seen

    def stat(self, path: str) -> Seen | None:
        """One look at a regular file; a link is none."""
        try:
            at = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Seen(path, at.st_size, at.st_mtime_ns) if stat.S_ISREG(at.st_mode) else None

    def open(self, path: str, seen: Seen | None = None) -> BufferedReader:
        """A file to read and to seek in."""
        try:
            file = Path(path).open("rb")  # noqa: SIM115 (the caller closes it)
        except (FileNotFoundError, NotADirectoryError) as gone:
            raise NotThere(path, "not there any more") from gone
        at = os.fstat(file.fileno())
        if seen is not None and (at.st_size, at.st_mtime_ns) != (seen.size_bytes, seen.mtime_ns):
            file.close()
            raise Changed(path, "it has changed")
        return file

    def read(self, path: str, most_bytes: int) -> bytes:
        """The first bytes of a file."""
        with self.open(path) as file:
            return file.read(most_bytes)

    def write(self, path: str, data: bytes, mark: str) -> None:
        """Put a small file in its place by atomic rename."""
        target = Path(path)
        part = target.with_name(f".{target.name}.{mark}"[:200] + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
            sync_folder(target.parent)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def put(self, part: Path, path: str, sha256: str, _check: Callable[[], None]) -> None:
        """Rename a file of the same file system into its place."""
        target = Path(path)
        if target.exists() and self.digest(path) != sha256:
            raise Occupied(path, "a file of that name is there already, and it is not this job's")
        part.replace(target)
        sync_folder(target.parent)

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""
        Path(path).unlink(missing_ok=True)

    def digest(self, path: str) -> str:
        """The file's SHA-256."""
        with self.open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system lets a folder be opened."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _raise(error: OSError) -> None:
    raise error
