"""A full look at a root: the truth, of which events are hints (expectations, "missed files").

Paths are plain strings here: a backlog has 100,000 of them.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from producer.media import is_media_name
from producer.settle import Reading
from stores import Seen, StoreError, is_remote, store_of

IGNORED_FOLDERS = frozenset({".stfolder", ".stversions", "@eaDir", "__MACOSX", ".Trashes", ".Spotlight-V100"})
IGNORED_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".download")

FileId = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file or object that is media by its name, as one look showed it."""

    path: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class Rules:
    """What a scan leaves out.

    ``excluded`` are folders, by absolute path (the outbox, the state folder); ``ignore`` are globs on
    names or on paths relative to the root; ``follow`` allows links that leave the root.
    """

    excluded: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    follow: bool = False
    unreadable: Callable[[str, OSError], None] = field(default=lambda _path, _why: None)

    def takes_name(self, name: str) -> bool:
        """Whether a file or folder of that name is looked at, at all."""
        if name.startswith((".", "~$")) or name in IGNORED_FOLDERS:
            return False
        if name.lower().endswith(IGNORED_SUFFIXES):
            return False
        return not any(fnmatchcase(name, pattern) for pattern in self.ignore)

    def takes_path(self, root: str, path: str) -> bool:
        """Whether a path below a root, known from an event, is one a scan would come to."""
        inside = path[len(root) :].strip("/")
        if not inside or not path.startswith(root.rstrip("/") + "/"):
            return False
        if not all(self.takes_name(part) for part in inside.split("/")) or self.ignores(inside):
            return False
        excluded = self.excluded_ids()
        parents = inside.split("/")
        folders = (f"{root}/{'/'.join(parents[:depth])}" for depth in range(1, len(parents) + 1))
        return not any(folder in self.excluded or identify(folder) in excluded for folder in folders)

    def takes_folder(self, root: str, inside: str) -> bool:
        """Whether a folder of a bucket, relative to the root ("" = the root), is looked into."""
        parts = inside.split("/") if inside else []
        folders = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        if not all(map(self.takes_name, parts)) or any(map(self.ignores, folders)):
            return False
        return not any(f"{root}/{folder}" in self.excluded for folder in folders)

    def ignores(self, inside: str) -> bool:
        """Whether a glob with a slash in it matches a path relative to the root."""
        return any("/" in pattern and fnmatchcase(inside, pattern) for pattern in self.ignore)

    def excluded_ids(self) -> frozenset[FileId]:
        """The excluded folders by device and inode, as they are now: a link may lead to them too."""
        ids = (identify(folder) for folder in self.excluded)
        return frozenset(known for known in ids if known is not None)


def identify(path: str) -> FileId | None:
    """Device and inode of a folder; None when it is not there."""
    try:
        at = os.stat(path)  # noqa: PTH116 (plain strings, see above)
    except (OSError, ValueError):
        return None
    return (at.st_dev, at.st_ino)


def read(path: str) -> Reading | None:
    """One look at a file; None when it is not there, is no regular file, or nobody can tell."""
    if is_remote(path):
        return _read_object(path)
    try:
        at = os.stat(path, follow_symlinks=False)  # noqa: PTH116 (plain strings, see above)
    except OSError:
        return None
    return reading_of_file(at) if stat.S_ISREG(at.st_mode) else None


def reading_of_file(at: os.stat_result) -> Reading:
    """What a look at a file showed."""
    return Reading(at.st_size, at.st_mtime_ns, changed_ns=at.st_ctime_ns)


def reading_of(seen: Seen) -> Reading:
    """What a store saw, in the words of the producer."""
    return Reading(seen.size_bytes, seen.mtime_ns, seen.tag)


def _read_object(path: str) -> Reading | None:
    try:
        seen = store_of(path).stat(path)
    except StoreError:
        return None  # the next listing tells
    return reading_of(seen) if seen else None


def walk(root: str, rules: Rules, below: str | None = None) -> Iterator[Found]:
    """Every media file below a root (or below one of its folders), in the order of their names.

    Links inside the root are passed over (what they point at is found by itself); links that leave it are
    followed only where the rules allow, and a file is then found under its real path. FIFOs, devices and
    sockets are passed over.

    Raises:
        OSError: the first folder itself cannot be listed; those further down go to ``rules.unreadable``.
    """
    if is_remote(root):
        yield from _objects(root, rules)
        return
    look = _Walk(root, rules)
    start = below or root
    look.folders.append(start)
    while look.folders:
        folder = look.folders.pop()
        try:
            entries = _listing(folder)
        except OSError as why:
            if folder == start:
                raise
            rules.unreadable(folder, why)
            continue
        deeper = len(look.folders)
        yield from filter(None, map(look.at, entries))
        look.folders[deeper:] = reversed(look.folders[deeper:])


def _objects(root: str, rules: Rules) -> Iterator[Found]:
    """The media objects below a root in a bucket, a page at a time."""
    last, taken = "", True
    for seen in store_of(root).list(root):
        inside = seen.path[len(root) + 1 :]
        folder, _slash, name = inside.rpartition("/")
        if folder != last:
            last, taken = folder, rules.takes_folder(root, folder)
        if taken and is_media_name(name) and rules.takes_name(name) and not rules.ignores(inside):
            yield Found(seen.path, reading_of(seen))


def _listing(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


class _Walk:
    """One walk: what is left out, the folders still to be listed, the linked ones already listed."""

    def __init__(self, root: str, rules: Rules) -> None:
        self.folders: list[str] = []
        self._root, self._rules = root, rules
        self._real_root = os.path.realpath(root)
        self._excluded = rules.excluded_ids()
        self._inodes = {inode for _device, inode in self._excluded}
        self._linked: set[FileId] = set()

    def at(self, entry: os.DirEntry[str]) -> Found | None:
        """Look at an entry: a file that is found, or None; folders are kept for later."""
        rules = self._rules
        if not rules.takes_name(entry.name) or rules.ignores(entry.path[len(self._root) + 1 :]):
            return None
        try:
            if entry.is_symlink():
                return self._follow(entry) if rules.follow else None
            if entry.is_dir(follow_symlinks=False):
                self._keep(entry)
                return None
            if not is_media_name(entry.name) or not entry.is_file(follow_symlinks=False):
                return None
            at = entry.stat(follow_symlinks=False)
        except OSError:
            return None  # gone between listing and look
        return Found(entry.path, reading_of_file(at))

    def _keep(self, entry: os.DirEntry[str]) -> None:
        if entry.path in self._rules.excluded:
            return
        if entry.inode() in self._inodes and identify(entry.path) in self._excluded:
            return
        self.folders.append(entry.path)

    def _follow(self, entry: os.DirEntry[str]) -> Found | None:
        target = os.path.realpath(entry.path)
        if target == self._real_root or target.startswith(self._real_root + "/"):
            return None
        at = os.stat(target)  # noqa: PTH116 (plain strings, see above)
        identity = (at.st_dev, at.st_ino)
        if stat.S_ISDIR(at.st_mode) and identity not in self._linked | self._excluded:
            self._linked.add(identity)
            self.folders.append(entry.path)
        if stat.S_ISREG(at.st_mode) and is_media_name(entry.name):
            return Found(target, reading_of_file(at))  # sources are opened without links
        return None
