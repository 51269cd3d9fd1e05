"""The producer's process: one thread listens, scans, and takes what is stable; observers only hint."""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest
from itertools import islice, takewhile
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from config.errors import ConfigError
from config.hours import Hours
from config.roots import Watch
from config.settings import Settings
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from jobs.model import ACTIVE
from jobs.redis import connect
from jobs.sources import Sources
from producer.errors import printable
from producer.hooks import AfterDelivery, DeliveryWatcher
from producer.instructions import Defaults, InstructionSpec, media_of_sidecar
from producer.outputs import absolute, check_mounted, hold_outbox, is_unmounted, naming_for, remember_mount
from producer.pipeline import BATCH, UNFINISHED_WAITS, Pipeline, Policy
from producer.roots import Roots, WatchedRoot
from producer.scan import IGNORE_FILE, LeftOut, Rules, Walk, look_at
from producer.sidecars import FOLDER_FILE
from producer.stability import StabilityTracker
from producer.submit import Submitter
from producer.transcode import Transcoding, remove_leftovers
from producer.watch import Event, Hint, Lister, Watcher, choose_mode, hears_no_events
from storage import FileStat, is_remote

_LEDGER_WAITS_S = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)  # for one that is away; the last again and again

ONCE_WAITS = 2 * UNFINISHED_WAITS
"""With ``--once`` a file that does not become whole is waited for so many times the settling time."""

SOME_LEFT_OUT, HELD = 1, 4
"""Exit codes: files were left out, or are not whole; they wait for the hours of work, or for the outbox."""

_CHUNK = 1000
_MOST_EVENTS = 10_000  # at a time: a storm of them must not keep the rest waiting
_LONGEST_WAIT_S = 0.25  # so that a stop is seen in time
_BEAT_EVERY_S = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What a run of the producer is asked besides the settings.

    ``follow_links`` follows links that leave a root; ``again`` is a word that makes every file new work.
    """

    once: bool = False
    follow_links: bool = False
    again: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds between two scans of a watched root and of one that is polled, and until ``--once`` gives up.

    ``wall`` is the clock by which the times of files are given (Unix seconds).
    """

    rescan_s: float
    poll_s: float
    give_up_s: float = 60.0
    wall: Callable[[], float] = time.time


def produce(
    settings: Settings, roots: Sequence[WatchedRoot], stop: threading.Event, options: Options = Options()
) -> int:
    """Find files below the roots and submit them until ``stop``, or with ``once`` until all are submitted.

    Returns the exit code: 0; with ``once`` also 1 when something was left out or a root is away, and 4
    outside the hours of work.

    Raises:
        ConfigError: no ledger is named, or an outbox belongs to another one.
    """
    ledger, mounts = _connect(settings, stop), dict[str, str]()
    with ExitStack() as stack:
        stack.callback(ledger.client.close)
        for outbox in dict.fromkeys(root.outbox for root in roots):
            if not stop.is_set():
                stack.callback(hold_outbox(outbox, ledger, absolute(settings.state_dir)).release)
                mounts[outbox] = remember_mount(outbox, settings.state_dir)
        if settings.move_done:
            check_mounted(absolute(settings.move_done), settings.state_dir)
            mounts[absolute(settings.move_done)] = remember_mount(
                absolute(settings.move_done), settings.state_dir
            )
        left_out = LeftOut()
        near = frozenset(
            root.path for root in roots if root.watch != "poll" and not hears_no_events(root.path)[0]
        )
        policy = Policy(
            settings.settle_s,
            {root.outbox: naming_for(root.outbox, settings.output_template) for root in roots},
            frozenset(root.path for root in roots if not hears_no_events(root.path)[0]),
            settings.hook_before or "",
        )
        submitter = Submitter(ledger, versions=settings.on_change == "version")
        run = {"instructions": settings.instruction, "language": settings.language}
        defaults = Defaults(
            InstructionSpec.model_validate(run),
            settings.skill,
            settings.all_skills(),
            options.again,
            Transcoding.from_settings(settings),
            settings.preview,
            settings.exports,
        )
        pipeline = Pipeline(ledger, submitter, Roots(roots), defaults, policy)
        events: SimpleQueue[Event] = SimpleQueue()
        watchers: list[Watcher] = []
        for root in roots:
            if is_remote(root.path):
                watchers.append(Lister(root.path, events))
            else:
                mode: Watch = "poll" if options.once else choose_mode(root.path, root.watch)
                watchers.append(Watcher(root.path, mode, events, near=root.path in near))
        producer = Producer(
            watchers,
            rules_for(settings, roots, options, left_out),
            StabilityTracker(settings.settle_s, settings.sidecar_wait_s),
            pipeline,
            events,
            Timing(settings.rescan_s, settings.settle_s, ONCE_WAITS * max(settings.settle_s, 0.1)),
            Service(settings, ledger, roots, left_out, mounts),
        )
        stack.callback(lambda: log.info("producer ended", **pipeline.tally.counts))
        stack.callback(producer.close)
        return producer.run(stop, once=options.once)


def report_alive(ledger: Ledger, host: str) -> None:
    """Tell that this host's producer lives, and look at the server's clock again: ours may have been set.

    Raises:
        LedgerUnreachable: nobody heard it.
    """
    ledger.sync_clock()
    Sources(ledger).beat(host)


def rules_for(settings: Settings, roots: Sequence[WatchedRoot], options: Options, left_out: LeftOut) -> Rules:
    """Return what is left out of scans of these roots."""
    kept = [root.outbox for root in roots] + [absolute(settings.state_dir)]
    if settings.move_done:
        kept.append(absolute(settings.move_done))
    return Rules(
        excluded=tuple(dict.fromkeys(kept)),
        ignore=settings.ignore,
        only=settings.only,
        follow=options.follow_links,
        report=left_out.report,
    )


def _connect(settings: Settings, stop: threading.Event) -> Ledger:
    """Return the ledger, once it answers (or ``stop``): nothing is submitted by a clock that may be wrong."""
    if settings.redis_url is None:
        raise ConfigError("DROPSCORE_REDIS_URL is not set; 'dropscore run' starts a ledger by itself")
    ledger = Ledger(connect(settings.redis_url.get_secret_value(), master_name=settings.redis_master))
    prepared = Path(Transcoding.from_settings(settings).folder)
    attempt = 0
    while not stop.is_set():
        try:
            ledger.sync_clock()
            remove_leftovers(ledger, prepared, time.time())
            break
        except LedgerUnreachable as exc:
            attempt += 1
            log.warning("waiting for the ledger", reason=str(exc))
            stop.wait(_LEDGER_WAITS_S[min(attempt, len(_LEDGER_WAITS_S)) - 1])
    return ledger


class Service:
    """What the producer does now and then besides looking for files."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        roots: Sequence[WatchedRoot],
        left_out: LeftOut,
        mounts: Mapping[str, str],
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        """Take what it tells and asks; ``mounts`` are those of the outboxes, ``now`` is the local time."""
        self.newest_first = settings.order == "newest"
        self.ignore_existing = settings.ignore_existing
        self.left_out = left_out
        self._ledger, self._host = ledger, socket.gethostname()
        self._hours, self._now, self._mounts = Hours.parse(settings.hours), now, mounts
        self._why_held = ""
        move_done = absolute(settings.move_done) if settings.move_done else ""
        after = AfterDelivery(settings.hook_after or "", move_done, mounts.get(move_done, "/"))
        cursor = settings.state_dir / "delivered.cursor"
        self._deliveries = DeliveryWatcher(ledger, tuple(roots), after, cursor)

    def tick(self) -> None:
        """Tell that the producer lives, and look for what was delivered; raises LedgerUnreachable."""
        report_alive(self._ledger, self._host)
        self.handle_delivered()

    def handle_delivered(self) -> None:
        """Run the hook for, and move the originals of, what was delivered; raises LedgerUnreachable."""
        self._deliveries.handle_delivered()

    def waits_for_results(self) -> bool:
        """Return whether something is to be done with results that are still to come."""
        if not self._deliveries.is_needed:
            return False
        counts = self._ledger.counts()
        return any(counts[state] for state in ACTIVE)

    def why_held(self) -> str:
        """Return why no files may be submitted now, or ""; the log says when that changes."""
        at, why = self._now(), ""
        if not self._hours.is_open(at):
            change = self._hours.next_change(at)
            why = "outside the hours of work" + (f", until {change:%a %H:%M}" if change else "")
        for folder, point in self._mounts.items():
            if is_unmounted(folder, point):
                why = f"{folder} is away: {point} is not mounted"
        if why != self._why_held:
            if why:
                log.warning("files wait", why=why)
            else:
                log.info("files are submitted again")
        self._why_held = why
        return why


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
        service: Service,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the parts; nothing is looked at before `run`."""
        self._watchers, self._rules, self._tracker, self._pipeline = watchers, rules, tracker, pipeline
        self._events, self._timing, self._service, self._monotonic = events, timing, service, monotonic
        self._ready: dict[str, FileStat] = {}
        self._folders: dict[str, str] = {}  # to be scanned again → their root
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
                    self._service.tick()
                    self._tick_at = self._monotonic() + _BEAT_EVERY_S
                else:
                    self._service.handle_delivered()
                attempt = 0
            except LedgerUnreachable as exc:
                attempt += 1
                wait_s = _LEDGER_WAITS_S[min(attempt, len(_LEDGER_WAITS_S)) - 1]
                log.warning(
                    "the ledger is away; nothing is lost", reason=str(exc), again_in_s=round(wait_s, 1)
                )
                stop.wait(wait_s)
                continue
            if once:
                waits = self._is_idle() and self._service.waits_for_results()
                if progressed or waits or self._pipeline.is_transcoding:
                    give_up_at = self._monotonic() + self._timing.give_up_s
                code = self._exit_code(give_up=self._monotonic() >= give_up_at)
                if code is not None:
                    return code
            wait_s = 0.0
            if not self._folders and not (self._ready and not self._service.why_held()):
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
        if any(watcher.away for watcher in self._watchers):
            return SOME_LEFT_OUT
        if self._ready and (why := self._service.why_held()):
            log.warning("nothing was submitted", files=len(self._ready), why=why)
            return HELD
        if self._is_idle() and not self._service.waits_for_results():
            return SOME_LEFT_OUT if self._service.left_out or self._pipeline.has_left_out else 0
        if not give_up:
            return None
        for path in self._tracker.waiting():
            why = "it is not whole yet: still being written, or cut short; run again when it is"
            log.warning("left out", path=printable(path), why=why)
        return SOME_LEFT_OUT

    def close(self) -> None:
        """Stop the observers and let go of the threads."""
        for watcher in self._watchers:
            watcher.stop()
        self._pipeline.close()
        with suppress(LedgerUnreachable):
            self._service.handle_delivered()

    def step(self) -> bool:
        """Scan, look and take once, without waiting; True when a file was taken. Raises LedgerUnreachable."""
        for watcher in self._watchers:
            if watcher.check():
                self._scan_at[watcher.root] = self._monotonic()
            if self._monotonic() >= self._scan_at[watcher.root]:
                self._scan(watcher)
        while self._folders:
            folder, root = next(iter(self._folders.items()))
            with suppress(OSError):  # gone again
                self._scan_folder(root, folder)
            del self._folders[folder]
        for path in self._tracker.due(self._monotonic()):
            self._look_at(path)
        return self._take()

    def _is_idle(self) -> bool:
        return not (self._ready or len(self._tracker) or self._folders or self._pipeline.is_transcoding)

    # --- hints ------------------------------------------------------------------------------------

    def _heed(self, event: Event) -> None:
        folder, _slash, name = event.path.rpartition("/")
        if name == IGNORE_FILE and folder == event.root:
            self._folders[folder] = event.root
        elif not self._rules.takes_path(event.root, event.path):
            return
        elif event.hint is Hint.FOLDER:
            self._folders[event.path] = event.root
        elif self._rules.takes_media(name):
            self._look_at(event.path)
        elif name.casefold().startswith(FOLDER_FILE.partition(".")[0]):
            self._folders[folder] = event.root
        else:
            for media in media_of_sidecar(event.path):
                if media not in self._tracker and media not in self._ready:
                    self._look_at(media)

    def _look_at(self, path: str) -> None:
        stat = look_at(path)
        if stat is None:
            self._tracker.forget(path)
        else:
            self._consider(stat)

    # --- looks ------------------------------------------------------------------------------------

    def _scan(self, watcher: Watcher) -> None:
        began = self._monotonic()
        try:
            scanned = self._scan_folder(watcher.root, None)
        except OSError as exc:
            scanned = None
            watcher.mark_away(f"it cannot be listed ({exc.strerror})")
        took_s = self._monotonic() - began
        every_s = max(self._timing.poll_s, 10 * took_s) if watcher.polls else self._timing.rescan_s
        self._scan_at[watcher.root] = self._monotonic() + min(max(every_s, 0.1), self._timing.rescan_s)
        if scanned is not None:
            files, folders = scanned
            self._scanned.add(watcher.root)
            log.debug("scanned", root=watcher.root, files=files, seconds=round(took_s, 2))
            watcher.finish_scan(files, folders)
            if watcher.lacks_watches(self._watchers):
                self._scan_at[watcher.root] = self._monotonic() + self._timing.poll_s

    def _scan_folder(self, root: str, below: str | None) -> tuple[int, int] | None:
        """Return how many files and folders were seen; None when the producer ends."""
        self._pipeline.refresh_sidecars(root)
        files, resolver = 0, self._pipeline.resolver()
        # A file system of another host has another clock: its times are not ours to trust.
        near = any(watcher.near for watcher in self._watchers if watcher.root == root)
        walk = Walk(root, self._rules, below)
        is_first = root not in self._scanned and below is None
        found = iter(walk)
        while chunk := list(islice(found, _CHUNK)):
            files += len(chunk)
            if is_first and self._service.ignore_existing:
                self._pipeline.ignore(self._pipeline.unseen(chunk, resolver))
                continue
            wall_s = self._timing.wall()
            for stat in self._pipeline.unseen(chunk, resolver):
                self._consider(stat, stat.calm_s(wall_s) if near else 0.0)
            while is_remote(root) and len(self._ready) > _CHUNK and not self._stop.is_set():
                if not self._take():  # a bucket is larger than our memory
                    break
            if self._stop.is_set():
                return None
        return files, walk.folders_listed

    def _consider(self, stat: FileStat, calm_s: float = 0.0) -> None:
        whole = is_remote(stat.path)
        if stat.path in self._ready:
            return
        if self._tracker.observe(stat, self._monotonic(), calm_s, whole=whole):
            self._ready[stat.path] = stat

    # --- taking -----------------------------------------------------------------------------------

    def _take(self) -> bool:
        self._pipeline.submit_transcoded()
        if not self._ready or self._service.why_held():
            self._pipeline.remember()
            return False
        if self._service.newest_first:
            batch = nlargest(BATCH, self._ready.values(), key=lambda stat: stat.mtime_ns)
        else:
            batch = list(islice(self._ready.values(), BATCH))
        going_on = takewhile(lambda _prepared: not self._stop.is_set(), self._pipeline.prepare(batch))
        taken = self._pipeline.submit(going_on)
        if self._stop.is_set():
            return False
        self._pipeline.remember()
        for stat in batch:
            del self._ready[stat.path]
            # One that changed while it was taken is looked at again; the next listing of a bucket shows it.
            now = None if is_remote(stat.path) else look_at(stat.path)
            if now is not None and now != stat:
                self._tracker.observe(now, self._monotonic())
        for stat in self._pipeline.busy:
            if stat.path not in self._tracker:
                self._tracker.postpone(stat, self._monotonic())
        return taken > 0
