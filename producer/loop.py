"""The loop of the producer: one thread that listens, looks, and takes what is settled."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue

import structlog

from jobs.errors import LedgerUnreachable
from producer.instructions import sidecar_for
from producer.media import is_media_name
from producer.scan import Found, Rules, read, walk
from producer.settle import Settler
from producer.shelf import FOLDER_FILE, is_sidecar_name
from producer.take import BATCH, Taker
from producer.watch import Event, Hint, Watcher
from stores import is_remote

_CHUNK = 1000
_MOST_EVENTS = 10_000  # at a time: a storm of them must not keep the rest waiting
_LONGEST_WAIT_S = 0.25  # so that a stop is seen in time
_LONGEST_PAUSE_S = 10.0
_BEAT_EVERY_S = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds between two full scans of a watched root, and of one that is polled.

    ``wall`` is the clock that the times of files are told by (Unix seconds).
    """

    rescan_s: float
    poll_s: float
    wall: Callable[[], float] = time.time


class Producer:
    """Everything between the watchers and the taker."""

    def __init__(
        self,
        watchers: list[Watcher],
        rules: Rules,
        settler: Settler,
        taker: Taker,
        events: "SimpleQueue[Event]",
        timing: Timing,
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the parts; nothing is looked at before `run`. `beat` is called now and then if all is well."""
        self._watchers, self._rules, self._settler, self._taker = watchers, rules, settler, taker
        self._events, self._timing, self._clock = events, timing, clock
        self._ready: dict[str, Found] = {}
        self._folders: dict[str, str] = {}  # to be looked at again → their root
        self._scan_at = {watcher.root: clock() for watcher in watchers}
        self._pause = Pause()
        self._beat, self._beat_at = beat, clock()
        self._stop = threading.Event()

    def run(self, stop: threading.Event, *, once: bool) -> int:
        """Go on until ``stop``, or with ``once`` until nothing is left; answers the exit code."""
        self._stop = stop
        while not stop.is_set():
            try:
                self.turn()
                self._say_alive()
                self._pause.reset()
            except LedgerUnreachable as away:
                wait_s = self._pause.next_s()
                log.warning(
                    "the ledger is away; nothing is lost", reason=str(away), again_in_s=round(wait_s, 1)
                )
                stop.wait(wait_s)
                continue
            if once and any(watcher.away for watcher in self._watchers):
                return 1
            if once and self._is_idle():
                return 0
            self._listen(self._wait_s())
        return 0

    def _say_alive(self) -> None:
        if self._clock() >= self._beat_at:
            self._beat()
            self._beat_at = self._clock() + _BEAT_EVERY_S

    def close(self) -> None:
        """Stop the observers and let go of the threads."""
        for watcher in self._watchers:
            watcher.stop()
        self._taker.close()

    def turn(self) -> None:
        """One round of looking and taking, without waiting; raises LedgerUnreachable."""
        self._scan_due()
        self._look_at_folders()
        self._look_again()
        self._take()

    def _is_idle(self) -> bool:
        return not (self._ready or len(self._settler) or self._folders or self._taker.busy)

    def _wait_s(self) -> float:
        if self._ready or self._folders:
            return 0.0
        due = self._settler.next_due()
        at = min([*self._scan_at.values(), *([due] if due is not None else [])])
        return min(max(at - self._clock(), 0.0), _LONGEST_WAIT_S)

    # --- hints ------------------------------------------------------------------------------------

    def _listen(self, wait_s: float) -> None:
        try:
            event = self._events.get(timeout=wait_s) if wait_s > 0 else self._events.get_nowait()
            self._heed(event)
            for _ in range(_MOST_EVENTS):
                self._heed(self._events.get_nowait())
        except Empty:
            return

    def _heed(self, event: Event) -> None:
        if not self._rules.takes_path(event.root, event.path):
            return
        name = event.path.rpartition("/")[2]
        if event.hint is Hint.FOLDER:
            self._folders[event.path] = event.root
        elif name == FOLDER_FILE:
            self._folders[event.path.rpartition("/")[0]] = event.root
        elif is_media_name(name):
            self._note(event.path, event.hint is Hint.WHOLE)
        elif is_sidecar_name(name):
            self._heed_sidecar(event.path)

    def _note(self, path: str, whole: bool) -> None:
        reading = read(path)
        if reading is None:
            self._settler.forget(path)
        elif whole:
            self._settler.closed(path, reading, self._clock())
        else:
            self._consider(Found(path, reading), self._clock())

    def _heed_sidecar(self, path: str) -> None:
        for media in sidecar_for(path):
            if media not in self._settler and media not in self._ready:
                self._note(media, whole=False)

    # --- looks ------------------------------------------------------------------------------------

    def _scan_due(self) -> None:
        for watcher in self._watchers:
            if watcher.check():
                self._scan_at[watcher.root] = self._clock()
            if self._clock() >= self._scan_at[watcher.root]:
                self._scan(watcher)

    def _scan(self, watcher: Watcher) -> None:
        begun = self._clock()
        try:
            files = self._look(watcher.root, None)
        except OSError as broken:
            files = None
            watcher.leave(f"it cannot be listed ({broken.strerror})")
        took_s = self._clock() - begun
        every_s = max(self._timing.poll_s, 10 * took_s) if watcher.polls else self._timing.rescan_s
        self._scan_at[watcher.root] = self._clock() + min(max(every_s, 0.1), self._timing.rescan_s)
        if files is not None:
            log.debug("scanned", root=watcher.root, files=files, seconds=round(took_s, 2))
            watcher.looked(files)

    def _look_at_folders(self) -> None:
        while self._folders:
            folder, root = next(iter(self._folders.items()))
            with suppress(OSError):  # gone again
                self._look(root, folder)
            del self._folders[folder]

    def _look(self, root: str, below: str | None) -> int | None:
        self._taker.list_sidecars(root)
        files, nearby = 0, self._taker.nearby()
        # A file system of another host has another clock: its times are not ours to trust.
        near = any(watcher.near for watcher in self._watchers if watcher.root == root)
        for chunk in _chunks(walk(root, self._rules, below)):
            files += len(chunk)
            now, wall_s = self._clock(), self._timing.wall()
            for found in self._taker.unseen(chunk, nearby):
                self._consider(found, now, found.reading.calm_s(wall_s) if near else 0.0)
            while is_remote(root) and len(self._ready) > _CHUNK and not self._stop.is_set():
                self._take()  # a bucket is larger than our memory
            if self._stop.is_set():
                return None
        return files

    def _consider(self, found: Found, now: float, calm_s: float = 0.0) -> None:
        whole = is_remote(found.path)
        if found.path not in self._ready and self._settler.see(
            found.path, found.reading, now, calm_s, whole=whole
        ):
            self._ready[found.path] = found

    def _look_again(self) -> None:
        for path in self._settler.due(self._clock()):
            reading = read(path)
            if reading is None:
                self._settler.forget(path)
            else:
                self._consider(Found(path, reading), self._clock())

    # --- taking -----------------------------------------------------------------------------------

    def _take(self) -> None:
        batch = list(islice(self._ready.values(), BATCH))
        for prepared in self._taker.prepare(batch) if batch else ():
            if self._stop.is_set():
                return
            spec = prepared.spec
            found = self._ready[spec.source]
            if prepared.problem is None or not self._settler.doubt(spec.source, found.reading, self._clock()):
                self._taker.submit(prepared)
        self._taker.submit_transcoded()
        self._taker.remember()
        for found in batch:
            del self._ready[found.path]
            self._see_changed(found)

    def _see_changed(self, found: Found) -> None:
        if is_remote(found.path):
            return  # the next listing shows it
        reading = read(found.path)
        if reading is not None and reading != found.reading:
            self._settler.see(found.path, reading, self._clock())


class Pause:
    """How long to wait for a ledger that is away: 0.2 s, doubled up to 10 s."""

    def __init__(self) -> None:
        """Start short."""
        self._next_s = 0.2

    def next_s(self) -> float:
        """The next wait."""
        now_s, self._next_s = self._next_s, min(self._next_s * 2, _LONGEST_PAUSE_S)
        return now_s

    def reset(self) -> None:
        """It is back."""
        self._next_s = 0.2


def _chunks(found: Iterator[Found]) -> Iterator[list[Found]]:
    while chunk := list(islice(found, _CHUNK)):
        yield chunk
