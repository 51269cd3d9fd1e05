"""Stable files in batches: passes over what is known, prepares on threads, submits in order."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import structlog

from jobs.ledger import Ledger
from jobs.sources import NO_JOB, Sources
from producer import hooks
from producer.errors import ProducerError, Refused, SourceBusy, SourceGone, printable
from producer.fingerprint import open_source
from producer.instructions import Defaults, InstructionResolver
from producer.outputs import Naming
from producer.preflight import DENIED, extension, inspect
from producer.prepare import Place, Prepared, note_of, prepare, refuse_prepared
from producer.roots import Roots
from producer.sidecars import SidecarIndex
from producer.submit import Seen, SubmissionOutcome, Submitted, Submitter
from producer.transcode import transcode
from storage import FileStat, StorageError, is_remote

BATCH = 256
SUBMITTED_AT_ONCE = 128
THREADS = 4
REMOTE_THREADS = 16
"""For objects of a bucket, each of which is a dozen short requests."""

UNFINISHED_WAITS = 15
"""A container that ends too soon is refused after so many times the settling time without a change."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """How files are taken: the settling time (seconds), the names of outputs by outbox, the first hook.

    ``near`` are the roots on file systems of this host, whose kernel knows who writes a file.
    """

    settle_s: float
    naming: dict[str, Naming] = field(default_factory=dict)
    near: frozenset[str] = frozenset()
    hook_before: str = ""


class TranscodeQueue:
    """The files that are being transcoded, one at a time, in a thread of its own."""

    def __init__(self, work: Callable[[Prepared, threading.Event], Prepared]) -> None:
        """Take what is done with each; nothing runs before `add`."""
        self._work = work
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="transcode")
        self._stop = threading.Event()
        self._working: dict[str, Future[Prepared]] = {}
        self.failed: set[str] = set()

    def __contains__(self, source: str) -> bool:
        """Return whether a source is being transcoded, or was and is not submitted yet."""
        return source in self._working

    def __len__(self) -> int:
        """Return how many sources are."""
        return len(self._working)

    def add(self, source: str, prepared: Prepared) -> None:
        """Transcode a source after those that are waiting."""
        if source not in self._working:
            self._working[source] = self._pool.submit(self._work, prepared, self._stop)

    def pop_finished(self) -> Iterator[Prepared]:
        """Yield those that can be submitted; each is forgotten when the next is asked for.

        What could not be transcoded (no room, say) is in ``failed`` until it can.
        """
        for source, future in list(self._working.items()):
            if not future.done():
                continue
            try:
                yield future.result()
            except (ProducerError, OSError) as exc:
                self.failed.add(source)
                log.warning("not transcoded; it is looked at again later", source=source, why=str(exc))
            else:
                self.failed.discard(source)
            del self._working[source]

    def close(self) -> None:
        """End at once; what is half done begins again in the next run."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


class Pipeline:
    """From stable files to jobs."""

    def __init__(
        self,
        ledger: Ledger,
        submitter: Submitter,
        roots: Roots,
        defaults: Defaults,
        policy: Policy,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Take the ledger to ask, the submitter to tell, the roots, and what holds for every file."""
        self._ledger, self._sources, self._submitter = ledger, Sources(ledger), submitter
        self._roots, self._defaults, self._policy, self._wall = roots, defaults, policy, wall
        self._transcodes: TranscodeQueue = TranscodeQueue(
            lambda prepared, stop: transcode_source(prepared, self._place(prepared.spec.source), stop)
        )
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="prepare")
        self._remote_pool = ThreadPoolExecutor(REMOTE_THREADS, thread_name_prefix="prepare-remote")
        self._index = SidecarIndex()
        self._dealt_with: dict[str, tuple[str, str]] = {}
        self._seen: dict[str, Seen] = {}
        self._backlog = False  # whether this batch is one
        self._ignored: dict[str, FileStat] = {}
        self._places: dict[str, Place] = {}  # by root, for one batch
        self._told: set[tuple[str, str]] = set()
        self.busy: list[FileStat] = []
        self.tally: Counter[str] = Counter()  # what a run came to, by fate

    def close(self) -> None:
        """Let go of the threads."""
        self._transcodes.close()
        for pool in (self._pool, self._remote_pool):
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def is_transcoding(self) -> bool:
        """Return whether files are being transcoded that are submitted later (`submit_transcoded`)."""
        return len(self._transcodes) > 0

    @property
    def has_left_out(self) -> bool:
        """Return whether a file could not be transcoded for a reason that is not its own, such as no room."""
        return bool(self._transcodes.failed)

    def ignore(self, stats: Iterable[FileStat]) -> None:
        """Leave files alone as long as they are what they are now."""
        self._ignored.update((stat.path, stat) for stat in stats)

    def unseen(self, stats: Iterable[FileStat], resolver: InstructionResolver) -> dict[FileStat, Seen]:
        """Return those that the ledger has not seen as they are now, with what it has; no file is read.

        Raises:
            LedgerUnreachable: nothing is known.
        """
        wanted = [
            stat
            for stat in stats
            if stat.path not in self._transcodes and self._ignored.get(stat.path) != stat
        ]
        found: dict[FileStat, Seen] = {}
        for stat, seen in zip(wanted, self._sources.seen(stat.path for stat in wanted), strict=True):
            root = self._roots.of(stat.path).path
            if seen is None or seen[0] != note_of(stat, resolver.stamp(stat.path, root)):
                found[stat] = seen
        return found

    def prepare(self, stats: Iterable[FileStat], *, backlog: bool = False) -> Iterator[Prepared]:
        """Prepare what is new among stable files, several at a time and in their order.

        They come as they are ready, so that one is submitted while the next is looked at. What went away or
        changed is left out: the next event or scan brings it back; what is busy is in ``busy`` afterwards.
        The jobs of a ``backlog`` wait behind those of files that are dropped. Raises LedgerUnreachable.
        """
        self.busy.clear()
        self._places.clear()
        resolver = self.resolver()
        unseen = self.unseen(stats, resolver)
        self._backlog, self._seen = backlog, {stat.path: seen for stat, seen in unseen.items()}
        pool = self._remote_pool if any(stat.is_object for stat in unseen) else self._pool
        return iter(filter(None, pool.map(partial(self._prepare, resolver=resolver), unseen)))

    def submit(self, prepared: Iterable[Prepared]) -> int:
        """Submit what is prepared, some at a time, or have it transcoded before; returns how many there were.

        Raises LedgerUnreachable, and then nothing is lost by submitting them again.
        """
        count = 0
        while some := list(islice(prepared, SUBMITTED_AT_ONCE)):
            count += len(some)
            ready = []
            for one in some:
                source = one.spec.source
                if one.problem is None and not hooks.run_before(self._policy.hook_before, source):
                    continue
                to_transcode = False
                with suppress(StorageError):  # submitting it says why not, and it is found again
                    to_transcode = bool(one.spec.prepared) and not self._submitter.is_known(one)
                if to_transcode:
                    self._transcodes.add(source, one)
                else:
                    ready.append(one)
            self._submit(ready)
        return count

    def submit_transcoded(self) -> None:
        """Submit what has been transcoded meanwhile; raises LedgerUnreachable, and then it waits."""
        for prepared in self._transcodes.pop_finished():
            self._submit([prepared])

    def remember(self) -> None:
        """Mark what was dealt with, so that it is not read again; raises LedgerUnreachable (then it is)."""
        self._submitter.remember(self._dealt_with)
        self._dealt_with.clear()

    def resolver(self) -> InstructionResolver:
        """Return what finds the sidecars and folder files as they are from now on."""
        return InstructionResolver(
            self._defaults, index=self._index, settle_s=self._policy.settle_s, wall=self._wall
        )

    def refresh_sidecars(self, root: str) -> None:
        """List the sidecars of a root again, if it is in a bucket; raises StorageError."""
        if is_remote(root):
            self._index.refresh(root)

    def _submit(self, prepared: list[Prepared]) -> None:
        sources = [one.spec.source for one in prepared]
        entries = [
            (one, self._place(source), self._seen.get(source))
            for one, source in zip(prepared, sources, strict=True)
        ]
        for one, source, answer in zip(prepared, sources, self._submitter.submit_many(entries), strict=True):
            if not isinstance(answer, Submitted):
                report = log.warning if isinstance(answer, StorageError) else log.debug
                report("not submitted; it is looked at again later", source=source, why=str(answer))
                continue
            self.tally[answer.fate.value] += 1
            denied = one.problem is not None and one.problem.code == DENIED
            if (
                answer.fate is not SubmissionOutcome.MOVING and not denied
            ):  # rights may change and leave no trace
                self._dealt_with[source] = (one.note, answer.job_id)

    def _prepare(self, stat: FileStat, resolver: InstructionResolver) -> Prepared | None:
        place = self._place(stat.path)
        try:
            prepared = prepare(stat, place, resolver)
        except SourceBusy as exc:
            self.busy.append(stat)
            if (stat.path, str(exc)) not in self._told:
                self._told.add((stat.path, str(exc)))
                log.info("not taken yet", source=printable(stat.path), why=str(exc))
            return None
        except SourceGone as exc:
            log.debug("went away", source=stat.path, why=str(exc))
            return None
        except Exception:
            log.exception("this file cannot be looked at; it is left alone", source=printable(stat.path))
            self.tally[SubmissionOutcome.MISSED.value] += 1
            return None
        if prepared is None:
            log.debug("no media after all", source=stat.path)
            self._dealt_with[stat.path] = (note_of(stat, resolver.stamp(stat.path, place.root)), NO_JOB)
        return prepared

    def _place(self, path: str) -> Place:
        root, defaults, policy = self._roots.of(path), self._defaults, self._policy
        if root.path in self._places:
            return self._places[root.path]
        place = self._places[root.path] = Place(
            root=root.path,
            outbox=root.outbox,
            created=self._ledger.now(),
            again=defaults.again,
            skill=defaults.skill,
            session=root.session,
            transcoding=defaults.transcoding,
            preview=defaults.preview,
            backlog=self._backlog,
            exports=defaults.exports,
            naming=policy.naming.get(root.outbox, Naming()),
            is_near=root.path in policy.near,
            unfinished_wait_s=UNFINISHED_WAITS * policy.settle_s,
            wall_s=self._wall(),
        )
        return place


def transcode_source(prepared: Prepared, place: Place, stop: threading.Event) -> Prepared:
    """Return the job with its ``spec.prepared`` made and checked; with its problem where that cannot be.

    What an earlier run made is used again.

    Raises:
        SourceGone, SourceChanged: the source went away, or changed meanwhile; it is found again.
        TranscodingStopped: ``stop`` was set.
        OSError: there is no room.
    """
    spec, target = prepared.spec, prepared.spec.prepared
    try:
        if not Path(target).exists():
            transcode(spec.source, target, stop)
        expected = FileStat(spec.source, spec.size_bytes, spec.mtime_ns)
        with open_source(spec.source, expected), Path(target).open("rb") as file:
            media = inspect(file, spec.source.rpartition("/")[2], extension(target))
    except Refused as exc:
        return refuse_prepared(prepared, place, exc.problem)
    return prepared.with_duration(media.duration_s)
