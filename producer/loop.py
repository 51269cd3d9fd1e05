"""The producer's loop: what is dropped goes before what was there already; observers only hint."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import islice, takewhile
from queue import Empty, SimpleQueue

import structlog

from jobs.errors import LedgerUnreachable
from producer.errors import printable
from producer.instructions import InstructionResolver, media_of_sidecar
from producer.pipeline import BATCH, UNFINISHED_WAITS, Pipeline
from producer.scan import IGNORE_FILE, Rules, Walk, look_at
from producer.sidecars import FOLDER_FILE
from producer.stability import StabilityTracker
from producer.upkeep import Upkeep
from producer.watch import Event, Hint, Watcher
from storage import FileStat, is_remote

LEDGER_WAITS_S = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)  # for one that is away; the last again and again

ONCE_WAITS = 2 * UNFINISHED_WAITS
"""With ``--once`` a file that does not become whole is waited for so many times the settling time."""

SOME_LEFT_OUT, HELD = 1, 4
"""Exit codes: files were left out, or are not whole; they wait for the hours of work, or for the outbox."""

_SLICE = 1000
_MOST_EVENTS = 10_000  # at a time: a storm of them must not keep the rest waiting
_LONGEST_WAIT_S = 0.25  # so that a stop is seen in time
_BEAT_EVERY_S = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds between two scans of a watched root and of one that is polled, and until ``--once`` gives up.

    ``wall`` is the clock by which the times of files are given (Unix seconds).
    """

    rescan_s: float
    poll_s: float
    give_up_s: float = 60.0
    wall: Callable[[], float] = time.time


@dataclass(slots=True)
class _Scan:
    """A look at a root, or at a folder ``below`` it, in slices: what is dropped meanwhile does not wait."""

    watcher: Watcher
    below: str | None
    walk: Walk
    found: Iterator[FileStat]
    resolver: InstructionResolver
    slice: list[FileStat] = field(default_factory=list)
    files: int = 0
    took_s: float = 0.0


class Producer:
    """Everything between the watchers and the pipeline."""

    def __init__(
        self,
        watchers: list[Watcher],
        rules: Rules,
        tracker: StabilityTracker,
        pipeline: Pipeline,
        events: "SimpleQueue[Event]",
        timing: Timing,
        upkeep: Upkeep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the parts; nothing is looked at before `run`."""
        self._watchers = {watcher.root: watcher for watcher in watchers}
        self._rules, self._tracker, self._pipeline = rules, tracker, pipeline
        self._events, self._timing, self._upkeep, self._monotonic = events, timing, upkeep, monotonic
        self._dropped: dict[str, FileStat] = {}  # stable, and came since: these go first
        self._ready: dict[str, FileStat] = {}  # stable, and found by the first scan of a root
        self._came: set[str] = set()  # those of the files that are not stable yet that came since
        self._folders: dict[str, str] = {}  # to be scanned again → their root
        self._scans: list[_Scan] = []  # begun; a folder's before its root's
        self._scan_at = {watcher.root: monotonic() for watcher in watchers}
        self._scanned: set[str] = set()
        self._tick_at = monotonic()
        self._stop = threading.Event()

    def run(self, stop: threading.Event, *, once: bool) -> int:
        """Go on until ``stop``, or with ``once`` until nothing is left; returns the exit code."""
        self._stop, attempt = stop, 0
        give_up_at = self._monotonic() + self._timing.give_up_s
        while not stop.is_set():
            try:
                progressed = self.step()
                if self._monotonic() >= self._tick_at:
                    self._upkeep.tick()
                    self._tick_at = self._monotonic() + _BEAT_EVERY_S
                else:
                    self._upkeep.handle_delivered()
                attempt = 0
            except LedgerUnreachable as exc:
                attempt += 1
                wait_s = LEDGER_WAITS_S[min(attempt, len(LEDGER_WAITS_S)) - 1]
                log.warning(
                    "the ledger is away; nothing is lost", reason=str(exc), again_in_s=round(wait_s, 1)
                )
                stop.wait(wait_s)
                continue
            if once:
                waits = self._is_idle() and self._upkeep.waits_for_results()
                is_new = len(self._scanned) < len(self._watchers)
                if progressed or waits or is_new or self._pipeline.is_transcoding:
                    give_up_at = self._monotonic() + self._timing.give_up_s
                code = self._exit_code(give_up=self._monotonic() >= give_up_at)
                if code is not None:
                    return code
            wait_s = 0.0
            is_scanning = self._folders or (self._scans and not self._is_full())
            if not is_scanning and (not (self._dropped or self._ready) or self._upkeep.why_held()):
                due = self._tracker.next_due()
                at = min([*self._scan_at.values(), *([due] if due is not None else [])])
                wait_s = min(max(at - self._monotonic(), 0.0), _LONGEST_WAIT_S)
            with suppress(Empty):
                self._heed(self._events.get(timeout=wait_s) if wait_s > 0 else self._events.get_nowait())
                for _ in range(_MOST_EVENTS):
                    self._heed(self._events.get_nowait())
        return 0

    def _exit_code(self, *, give_up: bool) -> int | None:
        """Return how a run with ``--once`` ends, or None when it goes on; raises LedgerUnreachable."""
        if any(watcher.away for watcher in self._watchers.values()):
            return SOME_LEFT_OUT
        waiting = len(self._dropped) + len(self._ready)
        if waiting and (why := self._upkeep.why_held()):
            log.warning("nothing was submitted", files=waiting, why=why)
            return HELD
        if self._is_idle() and not self._upkeep.waits_for_results():
            return SOME_LEFT_OUT if self._upkeep.left_out or self._pipeline.has_left_out else 0
        if not give_up:
            return None
        for path in self._tracker.waiting():
            why = "it is not whole yet: still being written, or cut short; run again when it is"
            log.warning("left out", path=printable(path), why=why)
        return SOME_LEFT_OUT

    def close(self) -> None:
        """Stop the observers and let go of the threads."""
        for watcher in self._watchers.values():
            watcher.stop()
        self._pipeline.close()
        with suppress(LedgerUnreachable):
            self._upkeep.handle_delivered()

    def step(self) -> bool:
        """Scan, look and take once, without waiting; True when a file was taken. Raises LedgerUnreachable."""
        for root, watcher in self._watchers.items():
            if watcher.check():
                self._scans = [scan for scan in self._scans if scan.watcher is not watcher]
                self._scan_at[root] = self._monotonic()
        room = _SLICE
        while room > 0 and not self._stop.is_set() and (scan := self._current_scan()) is not None:
            room -= 1 + self._scan_slice(scan)
        for path in self._tracker.due(self._monotonic()):
            self._look_at(path)
        return self._take()

    def _is_idle(self) -> bool:
        waits = self._dropped or self._ready or len(self._tracker) or self._pipeline.is_transcoding
        return not waits and not self._folders and len(self._scanned) == len(self._watchers)

    # --- hints ------------------------------------------------------------------------------------

    def _heed(self, event: Event) -> None:
        folder, _slash, name = event.path.rpartition("/")
        if name == IGNORE_FILE and folder == event.root:
            self._scan_at[folder] = self._monotonic()
        elif not self._rules.takes_path(event.root, event.path):
            return
        elif event.hint is Hint.FOLDER:
            self._folders[event.path] = event.root
        elif self._rules.takes_media(name):
            self._look_at(event.path, came=True)
        elif name.casefold().startswith(FOLDER_FILE.partition(".")[0]):
            if folder == event.root:
                self._scan_at[folder] = self._monotonic()
            else:
                self._folders[folder] = event.root
        else:
            for media in media_of_sidecar(event.path):
                if media not in self._tracker and media not in self._ready and media not in self._dropped:
                    self._look_at(media, came=True)

    def _look_at(self, path: str, *, came: bool = False) -> None:
        stat = look_at(path)
        if stat is None:
            self._tracker.forget(path)
            self._came.discard(path)
            return
        if came and path in self._ready:
            self._dropped[path] = self._ready.pop(path)
        self._consider(stat, came=came)

    # --- looks ------------------------------------------------------------------------------------

    def _current_scan(self) -> _Scan | None:
        """Return the scan to go on with, a folder's before a root's; None when there is nothing to scan."""
        at_root = not self._scans or self._scans[-1].below is None
        if self._folders and at_root:
            below = next(iter(self._folders))
            self._begin_scan(self._watchers[self._folders.pop(below)], below)
        elif not self._scans:
            now = self._monotonic()
            root = next((root for root, at in self._scan_at.items() if at <= now), None)
            if root is None:
                return None
            self._scan_at[root] = math.inf
            self._begin_scan(self._watchers[root], None)
        return None if self._is_full() else self._scans[-1]

    def _begin_scan(self, watcher: Watcher, below: str | None) -> None:
        walk = Walk(watcher.root, self._rules, below)
        self._scans.append(_Scan(watcher, below, walk, iter(walk), self._pipeline.resolver()))

    def _is_full(self) -> bool:
        """Return whether the current scan waits for what it has found: a bucket is larger than our memory."""
        return is_remote(self._scans[-1].watcher.root) and len(self._ready) > _SLICE

    def _scan_slice(self, scan: _Scan) -> int:
        """Take in some more files of a scan; returns how many. Raises LedgerUnreachable, and then again."""
        began, root, why = self._monotonic(), scan.watcher.root, ""
        try:
            if not scan.files and not scan.slice:
                self._pipeline.refresh_sidecars(root)
            scan.slice = scan.slice or list(islice(scan.found, _SLICE))
        except OSError as exc:  # a folder is gone again; a root is waited for
            why = f"it cannot be listed ({exc.strerror})"
        is_first = scan.below is None and root not in self._scanned
        unseen = self._pipeline.unseen(scan.slice, scan.resolver)
        if is_first and self._upkeep.ignore_existing:
            self._pipeline.ignore(stat for stat in unseen if stat.path not in self._came)
        else:
            # A file system of another host has another clock: its times are not ours to trust.
            near, wall_s = scan.watcher.near, self._timing.wall()
            for stat in unseen:
                self._consider(stat, stat.calm_s(wall_s) if near else 0.0, came=not is_first)
        count, scan.slice = len(scan.slice), []
        scan.files += count
        scan.took_s += self._monotonic() - began
        if why or count < _SLICE:
            self._scans.remove(scan)
            if scan.below is None:
                self._end_root_scan(scan, why)
        return count

    def _end_root_scan(self, scan: _Scan, why_not: str) -> None:
        watcher, timing = scan.watcher, self._timing
        wait_s = max(timing.poll_s, 10 * scan.took_s) if watcher.polls else timing.rescan_s
        wait_s = min(max(wait_s, 0.1), timing.rescan_s)
        if why_not:
            watcher.mark_away(why_not)
        else:
            self._scanned.add(watcher.root)
            log.debug("scanned", root=watcher.root, files=scan.files, seconds=round(scan.took_s, 2))
            watcher.finish_scan(scan.files, scan.walk.folders_listed)
            if watcher.lacks_watches(list(self._watchers.values())):
                wait_s = timing.poll_s
        at = self._monotonic() + wait_s
        self._scan_at[watcher.root] = min(self._scan_at[watcher.root], at)  # or sooner, as asked meanwhile

    def _consider(self, stat: FileStat, calm_s: float = 0.0, *, came: bool = False) -> None:
        path = stat.path
        if path in self._ready or path in self._dropped:
            return
        if came and path not in self._tracker:
            self._came.add(path)
        if self._tracker.observe(stat, self._monotonic(), calm_s, whole=stat.is_object):
            stable = self._dropped if path in self._came else self._ready
            stable[path] = stat
            self._came.discard(path)

    # --- taking -----------------------------------------------------------------------------------

    def _take(self) -> bool:
        self._pipeline.submit_transcoded()
        stable = self._dropped or self._ready
        is_listing = stable is self._ready and len(self._scanned) < len(self._watchers)
        newest_first = self._upkeep.newest_first
        if not stable or (is_listing and newest_first) or self._upkeep.why_held():
            self._pipeline.remember()
            return False
        batch = list(islice(stable.values(), BATCH))
        if newest_first:
            batch = nlargest(BATCH, stable.values(), key=lambda stat: stat.mtime_ns)
        prepared = self._pipeline.prepare(batch, backlog=stable is self._ready)
        taken = self._pipeline.submit(takewhile(lambda _prepared: not self._stop.is_set(), prepared))
        if self._stop.is_set():
            return False
        self._pipeline.remember()
        busy = {stat.path for stat in self._pipeline.busy}
        for stat in batch:
            del stable[stat.path]
            # One that changed while it was taken is looked at again; the next listing of a bucket shows it.
            now = None if stat.is_object else look_at(stat.path)
            if now is not None and now != stat:
                self._tracker.observe(now, self._monotonic())
            elif stat.path in busy:
                self._tracker.postpone(stat, self._monotonic())
            if stable is self._dropped and stat.path in self._tracker:
                self._came.add(stat.path)
        return taken > 0
