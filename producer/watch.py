"""Roots and their observers: events are hints, put into one queue; a dead observer is started again."""

import importlib
import sys
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
from producer.mounts import is_deaf
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


class Hint(StrEnum):
    """What an event says of a path."""

    BEGUN = "begun"  # a file is there: it may still grow
    WHOLE = "whole"  # its writer closed it, or it was renamed into the folder
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
            self._events.put(Event(self._root, str(path), _hint(event)))


def _hint(event: FileSystemEvent) -> Hint:
    if event.is_directory:
        return Hint.FOLDER
    return Hint.BEGUN if isinstance(event, FileCreatedEvent) else Hint.WHOLE


def choose(root: str, mode: Watch) -> Watch:
    """``native`` or ``poll`` for a root, and the log says which and why."""
    if mode != "auto":
        log.info("watching", root=root, watch=mode, why="as set")
        return mode
    deaf, kind = is_deaf(root)
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
        self._held_files = False

    def check(self) -> bool:
        """Look after the root; True when it was opened, or opened again, so that it must be scanned."""
        identity = identify(self.root) if Path(self.root).is_dir() else None
        if identity is None:
            self._identity = None
            self.leave("it is not there")
            return False
        if self._identity == identity and self._is_alive():
            return False
        self._stop()
        self._identity = identity
        self._start()
        return True

    def looked(self, files: int) -> None:
        """A scan showed so many files; a root that is suddenly empty is away, and nothing is concluded."""
        if files == 0 and self._held_files:
            self.leave("it is suddenly empty")
            return
        self._held_files = self._held_files or files > 0
        if self.away:
            log.info("root is back", root=self.root)
            self.away = ""

    def leave(self, why: str) -> None:
        """Nothing is concluded from the root until it shows files again; the reason is said once."""
        if self.away != why:
            log.warning("root is away; waiting for it", root=self.root, why=why)
        self.away = why

    def stop(self) -> None:
        """End watching."""
        self._stop()

    def _is_alive(self) -> bool:
        if self.polls:
            return True
        observer = self._observer
        if observer is None or not observer.is_alive():
            return False
        emitters = list(observer.emitters)
        return bool(emitters) and all(emitter.is_alive() for emitter in emitters)

    def _start(self) -> None:
        if self.polls:
            return
        observer = _observer()
        handler = _Handler(self.root, self._events)
        try:
            observer.schedule(handler, self.root, recursive=True, event_filter=_EVENTS)
            observer.start()
        except OSError as broken:
            # Too few watches, most likely (fs.inotify.max_user_watches): the scans go on, more often.
            self.polls = Path(self.root).is_dir()
            log.warning("cannot watch natively", root=self.root, why=broken.strerror, polls=self.polls)
            return
        self._observer = observer

    def _stop(self) -> None:
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
        """True the first time."""
        was_new, self._is_new = self._is_new, False
        if was_new:
            log.info("watching", root=self.root, watch="poll", why="a bucket is listed again and again")
        return was_new

    def looked(self, files: int) -> None:
        """A listing went through."""
        super().looked(max(files, 1))


def _observer() -> BaseObserver:
    if inotify is not None:
        # Full events tell a file renamed into the root (whole) from one that was created (growing).
        full: BaseObserver = inotify.InotifyObserver(generate_full_events=True)
        return full
    return Observer()
