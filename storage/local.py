"""Files of this host."""

import ctypes
import errno
import fcntl
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from storage.errors import Changed, NotThere, Occupied
from storage.model import FileStat

_NOT_SUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK}
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_CLONE = 0x40049409  # FICLONE: the copy shares its blocks with the original until one of them is written to


class LocalStorage:
    """Folders; what is written is on the disk when a method returns."""

    is_remote = False

    def __init__(self, root: str) -> None:
        """Bind to a folder, which need not be there yet."""
        self.root = root

    def scan(self) -> Iterator[FileStat]:
        """Yield every regular file at the root and below, by their names."""
        for at, folders, names in os.walk(self.root, onerror=_raise):
            folders.sort()
            for name in sorted(names):
                if (found := self.stat(f"{at}/{name}")) is not None:
                    yield found

    def stat(self, path: str) -> FileStat | None:
        """Look at a regular file once; a link is none."""
        try:
            at = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return file_stat(path, at) if stat.S_ISREG(at.st_mode) else None

    def exists(self, path: str) -> bool:
        """Return whether anything has that name, a broken link too."""
        return os.path.lexists(path)

    def open(self, path: str, expected: FileStat | None = None) -> BufferedReader:
        """Open a file to read and to seek in."""
        try:
            file = Path(path).open("rb")  # noqa: SIM115 (the caller closes it)
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise NotThere(path, "not there any more") from exc
        if expected is not None and file_stat(path, os.fstat(file.fileno())) != expected:
            file.close()
            raise Changed(path, "it has changed")
        return file

    def read(self, path: str, most_bytes: int) -> bytes:
        """Read the first bytes of a file."""
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

    def deliver(self, part: Path, path: str, sha256: str, _check: Callable[[], None]) -> None:
        """Rename a file of the same file system into its place, by an operation that cannot replace."""
        try:
            rename_without_replacing(str(part), path)
        except FileExistsError as exc:
            if Path(path).is_dir() or self.digest(path) != sha256:
                raise Occupied(
                    path, "a file of that name is there already, and it is not this job's"
                ) from exc
            part.unlink(missing_ok=True)
        sync_folder(Path(path).parent)

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""
        Path(path).unlink(missing_ok=True)

    def digest(self, path: str) -> str:
        """Return the file's SHA-256."""
        with self.open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def file_stat(path: str, at: os.stat_result) -> FileStat:
    """Return what the system says of a file in our own words."""
    return FileStat(path, at.st_size, at.st_mtime_ns, changed_ns=at.st_ctime_ns, inode=at.st_ino)


def clone_or_link(source: str, target: str) -> None:
    """Make `target` the same file as `source` without copying a byte: a clone if it can be, else a link.

    Raises OSError where neither can be made, as between two file systems.
    """
    with (
        suppress(OSError),
        open(source, "rb", opener=_open_no_link) as original,
        Path(target).open("xb") as clone,
    ):
        try:
            fcntl.ioctl(clone, _CLONE, original.fileno())
        except OSError:
            Path(target).unlink()
            raise
        return
    os.link(source, target, follow_symlinks=False)


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def rename_without_replacing(source: str, target: str) -> None:
    """Give a file another name on its file system; a file that has that name already is never replaced.

    By ``renameat2``, else by a second link; a file system that has neither (exFAT by way of FUSE) gets a look
    and a rename.

    Raises:
        FileExistsError: the name is taken.
        OSError: anything else.
    """
    if _renameat2(source, target):
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in _NOT_SUPPORTED:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from exc
        os.rename(source, target)  # noqa: PTH104 (plain strings)
    else:
        os.unlink(source)  # noqa: PTH108 (plain strings)


def _renameat2(source: str, target: str) -> bool:
    """Return whether the kernel renamed the file; False where it, or the file system, cannot do so safely."""
    if sys.platform != "linux":
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_SUPPORTED:
        return False
    raise OSError(number, os.strerror(number), target)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system lets a folder be opened."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _raise(error: OSError) -> None:
    raise error
