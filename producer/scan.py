"""A full look at a root: the truth, of which events are hints.

Paths are plain strings here: a backlog has 100,000 of them.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache

import structlog
from pathspec import GitIgnoreSpec

from producer.errors import printable
from producer.preflight import extension, is_media_name, kind_of_extension
from storage import FileStat, is_remote, storage_for
from storage.local import file_stat

IGNORED_FOLDERS = frozenset(
    {
        *("@eadir", "@recycle", "#recycle", "#snapshot", "@recently-snapshot", "$recycle.bin"),
        *("__macosx", "system volume information", "lost+found", "recycler", "found.000"),
    }
)
IGNORED_SUFFIXES = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".aria2", ".ytdl", "~")
IGNORE_FILE = ".dropscoreignore"

_CONFLICT = re.compile(
    r".*(\.sync-conflict-\d{8}-\d{6}(-\w+)?"  # Syncthing
    r"| \([^)]*conflicted copy[^)]*\)"  # Dropbox, Nextcloud
    r"|\.temp|\.tmp)(\.\w+)?",  # what yt-dlp and others merge into, before it gets its name
    re.IGNORECASE,
)
_IGNORE_FILE_BYTES = 256 * 1024

FileId = tuple[int, int]
"""Device and inode."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a scan leaves out.

    ``excluded`` are folders, by absolute path (the outbox, the state folder); ``ignore`` are globs on
    names or on paths relative to the root; ``only`` are kinds of media (none = all); ``follow`` allows
    links that leave the root. ``report`` is called with a path and why it is left out, where a person
    should know.
    """

    excluded: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    follow: bool = False
    report: Callable[[str, str], None] = field(default=lambda _path, _why: None)

    def takes_name(self, name: str) -> bool:
        """Return whether a file or folder of that name is looked at, at all."""
        lower = name.lower()
        if name.startswith((".", "~$")) or lower in IGNORED_FOLDERS or lower.endswith(IGNORED_SUFFIXES):
            return False
        if _CONFLICT.fullmatch(name):
            return False
        return not any(fnmatchcase(name, pattern) for pattern in self.ignore)

    def takes_media(self, name: str) -> bool:
        """Return whether a file is media of a kind that is wanted, by its name."""
        return is_media_name(name) and (not self.only or kind_of_extension(extension(name)) in self.only)

    def takes_path(self, root: str, path: str) -> bool:
        """Return whether a path below a root, known from an event, is one a scan would come to."""
        inside = path[len(root) :].strip("/")
        if not inside or not path.startswith(root.rstrip("/") + "/"):
            return False
        parts = inside.split("/")
        if not all(self.takes_name(part) for part in parts) or self.ignores(root, inside):
            return False
        excluded = self.excluded_ids()
        folders = (f"{root}/{'/'.join(parts[:depth])}" for depth in range(1, len(parts) + 1))
        return not any(folder in self.excluded or identify(folder) in excluded for folder in folders)

    def takes_folder(self, root: str, inside: str) -> bool:
        """Return whether a folder of a bucket, relative to the root ("" = the root), is looked into."""
        parts = inside.split("/") if inside else []
        folders = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        if not all(map(self.takes_name, parts)) or any(self.ignores(root, folder) for folder in folders):
            return False
        return not any(f"{root}/{folder}" in self.excluded for folder in folders)

    def ignores(self, root: str, inside: str, *, is_folder: bool = False) -> bool:
        """Return whether a glob with a slash in it, or the root's ignore file, matches a path in the root."""
        if any("/" in pattern and fnmatchcase(inside, pattern) for pattern in self.ignore):
            return True
        spec = _ignore_spec(root)
        return spec is not None and spec.match_file(f"{inside}/" if is_folder else inside)

    def excluded_ids(self) -> frozenset[FileId]:
        """Return the excluded folders by device and inode, as they are now: a link may lead to them too."""
        ids = (identify(folder) for folder in self.excluded)
        return frozenset(known for known in ids if known is not None)


def _ignore_spec(root: str) -> GitIgnoreSpec | None:
    """Return the patterns of a root's ``.dropscoreignore`` as they are now; None without one."""
    if is_remote(root):
        return None
    try:
        at = os.stat(f"{root}/{IGNORE_FILE}")  # noqa: PTH116 (plain strings)
    except (OSError, ValueError):
        return None
    return _read_ignore_file(f"{root}/{IGNORE_FILE}", at.st_mtime_ns, at.st_size)


@lru_cache(64)
def _read_ignore_file(path: str, _mtime_ns: int, _size_bytes: int) -> GitIgnoreSpec | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (plain strings)
            lines = file.read(_IGNORE_FILE_BYTES).decode("utf-8-sig", "replace").splitlines()
    except OSError as exc:
        log.warning("cannot be read; it ignores nothing", file=path, why=exc.strerror)
        return None
    good = []
    for number, line in enumerate(lines, 1):
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError as exc:
            log.warning("a pattern that is none is left out", file=path, line=number, why=str(exc)[:200])
        else:
            good.append(line)
    return GitIgnoreSpec.from_lines(good)


def identify(path: str) -> FileId | None:
    """Return device and inode of a folder; None when it is not there."""
    try:
        at = os.stat(path)  # noqa: PTH116 (plain strings, see above)
    except (OSError, ValueError):
        return None
    return (at.st_dev, at.st_ino)


def look_at(path: str) -> FileStat | None:
    """Look at a file once; None when it is not there, is no regular file, or nobody can tell."""
    try:
        return storage_for(path).stat(path)
    except (OSError, ValueError):
        return None  # the next listing tells


def walk(root: str, rules: Rules, below: str | None = None) -> Iterator[FileStat]:
    """Yield every media file below a root (or below one of its folders), in the order of their names.

    Links inside the root are passed over (what they point at is found by itself); links that leave it are
    followed only where the rules allow, and a file is then found under its real path. FIFOs, devices and
    sockets are passed over.

    Raises:
        OSError: the first folder itself cannot be listed; those further down go to ``rules.report``.
    """
    return iter(Walk(root, rules, below))


class Walk:
    """One walk: what is left out, the folders still to be listed, the linked ones already listed.

    ``folders_listed`` counts them as they come.
    """

    def __init__(self, root: str, rules: Rules, below: str | None = None) -> None:
        """Nothing is listed before the first file is asked for."""
        self.folders_listed = 0
        self._start = below or root
        self._folders: list[str] = []
        self._root, self._rules = root, rules
        self._real_root = os.path.realpath(root)
        self._excluded = rules.excluded_ids()
        self._inodes = {inode for _device, inode in self._excluded}
        self._linked: set[FileId] = set()
        self._spec = _ignore_spec(root)

    def __iter__(self) -> Iterator[FileStat]:
        """Yield what `walk` does."""
        root, rules = self._root, self._rules
        if is_remote(root):
            last, taken = "", True
            for found in storage_for(root).scan():
                inside = found.path[len(root) + 1 :]
                folder, _slash, name = inside.rpartition("/")
                if folder != last:
                    last, taken = folder, rules.takes_folder(root, folder)
                is_wanted = taken and rules.takes_media(name) and rules.takes_name(name)
                if is_wanted and not rules.ignores(root, inside):
                    yield found
            return
        self._folders.append(self._start)
        while self._folders:
            folder = self._folders.pop()
            try:
                with os.scandir(folder) as listed:
                    entries = sorted(listed, key=lambda entry: entry.name, reverse=True)
            except OSError as exc:
                if folder == self._start:
                    raise
                self._rules.report(folder, f"the folder cannot be read ({exc.strerror})")
                continue
            self.folders_listed += 1
            deeper = len(self._folders)
            while entries:  # one that was looked at is let go of: 100,000 of them keep what they show
                if (file := self._examine(entries.pop())) is not None:
                    yield file
            self._folders[deeper:] = reversed(self._folders[deeper:])

    def _examine(self, entry: os.DirEntry[str]) -> FileStat | None:
        """Look at an entry: a file that is found, or None; folders are kept for later."""
        rules = self._rules
        if not rules.takes_name(entry.name):
            return None
        try:
            is_folder = entry.is_dir(follow_symlinks=False)
            inside = entry.path[len(self._root) + 1 :]
            is_ignored = any("/" in pattern and fnmatchcase(inside, pattern) for pattern in rules.ignore)
            if is_ignored or (
                self._spec is not None and self._spec.match_file(f"{inside}/" if is_folder else inside)
            ):
                return None
            if entry.is_symlink():
                return self._follow(entry)
            if is_folder:
                may_be_excluded = entry.inode() in self._inodes
                if entry.path not in rules.excluded and not (
                    may_be_excluded and identify(entry.path) in self._excluded
                ):
                    self._folders.append(entry.path)
            elif rules.takes_media(entry.name) and entry.is_file(follow_symlinks=False):
                return self._usable(entry.path, entry.stat(follow_symlinks=False))
        except OSError:
            return None  # gone between listing and look
        return None

    def _usable(self, path: str, at: os.stat_result) -> FileStat | None:
        try:
            path.encode()
        except UnicodeEncodeError:
            self._rules.report(path, "its name is not UTF-8; rename it and it is taken")
            return None
        return file_stat(path, at)

    def _follow(self, entry: os.DirEntry[str]) -> FileStat | None:
        target = os.path.realpath(entry.path)
        if target == self._real_root or target.startswith(self._real_root + "/"):
            return None
        at = os.stat(target)  # noqa: PTH116 (plain strings, see above)
        is_media = stat.S_ISREG(at.st_mode) and self._rules.takes_media(entry.name)
        if not self._rules.follow:
            if is_media or stat.S_ISDIR(at.st_mode):
                why = "a link that leads out of the folder; copy what it points at, or say --follow-links"
                self._rules.report(entry.path, why)
            return None
        identity = (at.st_dev, at.st_ino)
        if stat.S_ISDIR(at.st_mode) and identity not in self._linked | self._excluded:
            self._linked.add(identity)
            self._folders.append(entry.path)
        return self._usable(target, at) if is_media else None  # sources are opened without links


class LeftOut:
    """What a run leaves out though a person may have meant it: each is named once, in one line."""

    def __init__(self) -> None:
        """Nothing was named yet."""
        self._named: set[str] = set()

    def __len__(self) -> int:
        """Return how many were named."""
        return len(self._named)

    def report(self, path: str, why: str) -> None:
        """Name a file or folder that is left out, the first time."""
        if path not in self._named:
            self._named.add(path)
            log.warning("left out", path=printable(path), why=why)
