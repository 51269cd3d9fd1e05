"""Roots and their observers: events are hints, put into one queue; a dead observer is started again."""

import importlib
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import structlog
from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from config.roots import Watch
from producer.scan import FileId, identify

inotify: Any = None
if sys.platform == "linux":
    inotify = importlib.import_module("watchdog.observers.inotify")

_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]

log = structlog.get_logger(__name__)


_NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb2",
    "smb3",
    "smbfs",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "davfs",
    "9p",
)
_VIRTUAL = ("vboxsf", "vmhgfs", "drvfs", "virtiofs", "prl_fs", "grpcfuse", "osxfs")
DEAF = frozenset(_NETWORK + _VIRTUAL)
_OCTAL = re.compile(r"\\([0-7]{3})")


def hears_no_events(path: str, table: Path = Path("/proc/self/mounts")) -> tuple[bool, str]:
    """Return whether the file system of a path misses events, and its type ("" where it is not known)."""
    kind = file_system_of(path, table)
    return kind in DEAF or kind.startswith("fuse"), kind


def file_system_of(path: str, table: Path) -> str:
    """Return the type of the file system that holds a path, from a mount table; "" without a table."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    real = str(Path(path).resolve())
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[1])
        if len(point) >= len(best) and (real == point or real.startswith(point.rstrip("/") + "/")):
            best, kind = point, fields[2]
    return kind


class Hint(StrEnum):
    """What an event says of a path: it is never more than a reason to look."""

    FILE = "file"  # something happened to a file
    FOLDER = "folder"  # a folder is there, with whatever it holds


class Event(NamedTuple):
    """A hint on a path below a root."""

    root: str
    path: str
    hint: Hint


class _Handler(FileSystemEventHandler):
    def __init__(self, root: str, events: "SimpleQueue[Event]") -> None:
        self._root, self._events = root, events

    def on_any_event(self, event: FileSystemEvent) -> None:
        moved = isinstance(event, (FileMovedEvent, DirMovedEvent))
        path = event.dest_path if moved else event.src_path
        if path:
            hint = Hint.FOLDER if event.is_directory else Hint.FILE
            self._events.put(Event(self._root, str(path), hint))


def choose_mode(root: str, mode: Watch) -> Watch:
    """Return ``native`` or ``poll`` for a root, and log which and why."""
    if mode != "auto":
        log.info("watching", root=root, watch=mode, why="as set")
        return mode
    deaf, kind = hears_no_events(root)
    chosen: Watch = "poll" if deaf else "native"
    log.info("watching", root=root, watch=chosen, why=f"file system is {kind or 'not known'}")
    return chosen


class Watcher:
    """One root, watched: `check` says whether it is there, and keeps its observer alive.

    ``away`` is "" or the reason why nothing is concluded from what the root shows; ``near``: the times of its
    files are this host's.
    """

    def __init__(self, root: str, mode: Watch, events: "SimpleQueue[Event]", *, near: bool = False) -> None:
        """Nothing is watched before the first `check`; ``poll`` needs no observer at all."""
        self.root = root
        self.polls = mode == "poll"
        self.near = near
        self.away = ""
        self._events = events
        self._observer: BaseObserver | None = None
        self._identity: FileId | None = None
        self._identity_with_files: FileId | None = None
        self._folders = 0
        self._lacked_watches = False

    def check(self) -> bool:
        """Look after the root; True when it was opened, or opened again, so that it must be scanned."""
        identity = identify(self.root) if Path(self.root).is_dir() else None
        if identity is None:
            self._identity = None
            self.mark_away("it is not there")
            return False
        emitters = list(self._observer.emitters) if self._observer and self._observer.is_alive() else []
        is_alive = self.polls or (bool(emitters) and all(emitter.is_alive() for emitter in emitters))
        if self._identity == identity and is_alive:
            return False
        self.stop()
        self._identity = identity
        self._start()
        return True

    def finish_scan(self, files: int, folders: int = 0) -> None:
        """Take in what a scan showed.

        A root that shows nothing, and is another folder than the one that held files, is away: its mount is
        gone, and nothing is concluded. One that was emptied is empty.
        """
        self._folders = folders
        if files:
            self._identity_with_files = self._identity
        elif self._identity_with_files not in (None, self._identity):
            self.mark_away("it is suddenly empty, and another folder than before: is it mounted?")
            return
        if self.away:
            log.info("root is back", root=self.root)
            self.away = ""

    def lacks_watches(self, watchers: "Sequence[Watcher]") -> bool:
        """Return whether the system watches fewer folders than the native roots have; then scan again soon.

        The system has a limit (fs.inotify.max_user_watches), and the observer says nothing when a sub-folder
        goes beyond it. Folders that are being made are a moment ahead of their watches: only a second scan
        with too few of them makes this root one that is polled.
        """
        watched = count_inotify_watches()
        wanted = sum(one._folders for one in watchers if not one.polls)
        lacked, self._lacked_watches = self._lacked_watches, False
        if self.polls or watched is None or watched >= wanted:
            return False
        self._lacked_watches = True
        if lacked:
            self._poll_instead(
                f"the system watches {watched} of {wanted} folders; see fs.inotify.max_user_watches"
            )
        return True

    def _poll_instead(self, why: str) -> None:
        log.warning("cannot watch natively; the folder is scanned often instead", root=self.root, why=why)
        self.polls = True
        self.stop()

    def mark_away(self, why: str) -> None:
        """Nothing is concluded from the root until it shows files again; the reason is said once."""
        if self.away != why:
            log.warning("root is away; waiting for it", root=self.root, why=why)
        self.away = why

    def _start(self) -> None:
        if self.polls:
            return
        handler = _Handler(self.root, self._events)
        try:
            observer = _observer()
            observer.schedule(handler, self.root, recursive=True, event_filter=_EVENTS)
            observer.start()
        except OSError as exc:
            # Too few watches or instances, most likely (sysctl fs.inotify): the scans go on, more often.
            if Path(self.root).is_dir():
                self._poll_instead(exc.strerror or type(exc).__name__)
            return
        self._observer = observer

    def stop(self) -> None:
        """End watching."""
        observer, self._observer = self._observer, None
        if observer is not None and observer.is_alive():
            observer.stop()
            observer.join(2)


class Lister(Watcher):
    """A root in a bucket: its listing alone tells what is there, and an empty one is the truth."""

    def __init__(self, root: str, events: "SimpleQueue[Event]") -> None:
        """It is listed when the first `check` says so."""
        super().__init__(root, "native", events)
        self._is_new = True

    def check(self) -> bool:
        """Return True the first time."""
        was_new, self._is_new = self._is_new, False
        if was_new:
            log.info("watching", root=self.root, watch="poll", why="a bucket is listed again and again")
        return was_new

    def finish_scan(self, files: int, folders: int = 0) -> None:
        """Take in that a listing went through."""
        super().finish_scan(max(files, 1))


def _observer() -> BaseObserver:
    if inotify is not None:
        # Full events tell a file renamed into the root (whole) from one that was created (growing).
        full: BaseObserver = inotify.InotifyObserver(generate_full_events=True)
        return full
    return Observer()


def count_inotify_watches() -> int | None:
    """Return how many folders the system watches for this process; None where it does not say."""
    count = 0
    try:
        for info in Path("/proc/self/fdinfo").iterdir():
            with suppress(OSError):  # closed meanwhile
                count += info.read_text().count("inotify wd:")
    except OSError:
        return None
    return count
