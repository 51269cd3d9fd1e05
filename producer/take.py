"""Takes settled files in batches: passes over what is known, prepares on threads, submits in order."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from jobs.intake import NO_JOB
from jobs.ledger import Ledger
from producer.errors import SourceChanged, SourceGone
from producer.instructions import Defaults, Nearby
from producer.prepare import Place, Prepared, note_of, prepare
from producer.roots import Homes
from producer.scan import Found
from producer.shelf import Shelf
from producer.submit import Fate, Submitter, Taken
from producer.transcoder import Transcoder
from stores import StoreError, is_remote

BATCH = 256
THREADS = 4
FAR_THREADS = 16
"""For objects of a bucket, each of which is a dozen short requests."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """What a run of the producer came to, by fate."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, taken: Taken) -> None:
        """Count one."""
        self.counts[taken.fate.value] = self.counts.get(taken.fate.value, 0) + 1


class Taker:
    """From settled files to jobs."""

    def __init__(self, ledger: Ledger, submitter: Submitter, homes: Homes, defaults: Defaults) -> None:
        """Take the ledger to ask, the submitter to tell, the roots, and what holds for every file."""
        self._ledger, self._submitter = ledger, submitter
        self._homes, self._defaults = homes, defaults
        self._transcoder = Transcoder()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="prepare")
        self._far_pool = ThreadPoolExecutor(FAR_THREADS, thread_name_prefix="prepare-far")
        self._shelf = Shelf()
        self._warned: set[str] = set()
        self._dealt_with: dict[str, tuple[str, str]] = {}
        self.tally = Tally()

    def close(self) -> None:
        """Let go of the threads."""
        self._transcoder.close()
        for pool in (self._pool, self._far_pool):
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def busy(self) -> bool:
        """Whether files are being transcoded that are submitted later (`submit_transcoded`)."""
        return len(self._transcoder) > 0

    def unseen(self, found: Iterable[Found], nearby: Nearby) -> list[Found]:
        """Those that the ledger has not seen as they are now; one round trip, no file is read.

        Raises:
            LedgerUnreachable: nothing is known.
        """
        usable = [one for one in found if one.path not in self._transcoder and self._is_usable(one.path)]
        known = self._ledger.seen(one.path for one in usable)
        return [
            one
            for one, seen in zip(usable, known, strict=True)
            if seen is None or seen[0] != note_of(one, nearby.stamp(one.path, self._homes.of(one.path).path))
        ]

    def prepare(self, found: Iterable[Found]) -> Iterator[Prepared]:
        """Prepare what is new among settled files, several at a time and in their order.

        They come as they are ready, so that one is submitted while the next is looked at.

        What went away or changed is left out: the next event or scan brings it back.
        Raises LedgerUnreachable.
        """
        nearby = self.nearby()
        unseen = self.unseen(found, nearby)
        pool = self._far_pool if any(is_remote(one.path) for one in unseen) else self._pool
        return filter(None, pool.map(lambda one: self._prepare(one, nearby), unseen))

    def submit(self, prepared: Prepared) -> None:
        """Submit one, or have it transcoded before.

        Raises LedgerUnreachable, and then nothing is lost by submitting it again.
        """
        if prepared.spec.prepared and not self._is_known(prepared):
            self._transcoder.add(prepared, self._place(prepared.spec.source))
        else:
            self._submit(prepared)

    def _is_known(self, prepared: Prepared) -> bool:
        try:
            return self._submitter.knows(prepared)
        except StoreError:
            return True  # submitting it says why not, and it is found again

    def submit_transcoded(self) -> None:
        """Submit what has been transcoded meanwhile; raises LedgerUnreachable, and then it waits."""
        for prepared in self._transcoder.ready():
            self._submit(prepared)

    def _submit(self, prepared: Prepared) -> None:
        try:
            taken = self._submitter.submit(prepared, self._place(prepared.spec.source))
        except (SourceGone, SourceChanged, OSError) as away:
            say = log.warning if isinstance(away, StoreError) else log.debug
            say("not submitted; looked at again later", source=prepared.spec.source, why=str(away))
            return
        self.tally.add(taken)
        if taken.fate is not Fate.MOVING:
            self._dealt_with[prepared.spec.source] = (prepared.note, taken.job_id)

    def remember(self) -> None:
        """What was dealt with is not read again; raises LedgerUnreachable, and then it is, harmlessly."""
        self._submitter.remember(self._dealt_with)
        self._dealt_with.clear()

    def nearby(self) -> Nearby:
        """Sidecars and folder files as they are from now on; those of a bucket, as last listed."""
        return Nearby(self._defaults, shelf=self._shelf)

    def list_sidecars(self, root: str) -> None:
        """List the sidecars of a root, if it is in a bucket; raises StoreError."""
        if is_remote(root):
            self._shelf.look(root)

    def _prepare(self, found: Found, nearby: Nearby) -> Prepared | None:
        place = self._place(found.path)
        try:
            prepared = prepare(found, place, nearby)
        except (SourceGone, SourceChanged) as away:
            log.debug("went away", source=found.path, why=str(away))
            return None
        if prepared is None:
            log.debug("no media after all", source=found.path)
            note = note_of(found, nearby.stamp(found.path, place.root))
            self._dealt_with[found.path] = (note, NO_JOB)
        return prepared

    def _place(self, path: str) -> Place:
        home, defaults = self._homes.of(path), self._defaults
        return Place(
            root=home.path,
            outbox=home.outbox,
            created=self._ledger.now(),
            again=defaults.again,
            skill=defaults.skill,
            session=home.session,
            transcoding=defaults.transcoding,
        )

    def _is_usable(self, path: str) -> bool:
        try:
            path.encode()
        except UnicodeEncodeError:
            if path not in self._warned:
                self._warned.add(path)
                log.warning("name is not UTF-8; rename it, it is left alone", source=ascii(path))
            return False
        return True
