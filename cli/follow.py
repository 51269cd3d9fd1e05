"""Follows the ledger: what changed since the last look, what is in work, how many there are of each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.gates import Closed, Gates
from jobs.ledger import Ledger
from jobs.model import ACTIVE, ENDED, PERSONAL, Gate, Job, State

OVERLAP_S = 2.0  # each look goes back a little, for hosts whose clocks differ and writes on their way
FRESH_LIMIT = 200  # newly queued jobs looked at; a backlog of 100,000 is counted, not read
REFRESHED = 60  # jobs in work read anew each look, for their progress: more fit no screen
PAGE = 500


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look; ``now`` is seconds since the epoch by the ledger's clock."""

    now: float
    changed: tuple[Job, ...]
    in_work: tuple[Job, ...]  # begun and not ended, the first taken in first
    counts: dict[State, int]  # of the whole ledger
    ended: dict[State, int]  # of this run
    gates: dict[Gate, Closed]

    @property
    def waiting(self) -> int:
        """How many jobs have not begun."""
        return max(0, sum(self.counts[state] for state in ACTIVE) - len(self.in_work))


class Follower:
    """Looks at the ledger for one run that began at ``since``."""

    def __init__(self, ledger: Ledger, gates: Gates, since: float) -> None:
        self._ledger = ledger
        self._gates = gates
        self._since = since
        self._first = True
        self._seen: dict[str, tuple[float, int, State]] = {}
        self._ended: dict[str, State] = {}
        self._in_work: dict[str, Job] = {}

    def look(self) -> Snapshot:
        """What is true now; raises LedgerUnreachable, and the next look misses nothing."""
        now = self._ledger.now()
        changed = [job for job in self._recent() if self._seen.get(job.id) != _version(job)]
        counts, gates = self._ledger.counts(), self._gates.closed()
        for job in changed:
            self._take(job)
        self._since, self._first = max(self._since, now - OVERLAP_S), False
        in_work = self._refreshed()
        changed.sort(key=lambda job: job.updated)
        return Snapshot(
            now, tuple(changed), tuple(in_work), counts, dict(Counter(self._ended.values())), gates
        )

    def _recent(self) -> Iterator[Job]:
        for state in State:
            if state is State.QUEUED:
                ids = self._ledger.ids(state, since=self._since, newest_first=True, limit=FRESH_LIMIT)
                yield from self._ledger.many(ids)
            else:
                begin = 0.0 if self._first and state in ACTIVE else self._since
                yield from pages(self._ledger, state, begin)

    def _take(self, job: Job) -> None:
        self._seen[job.id] = _version(job)
        if job.ended:
            self._ended[job.id] = job.state
        else:
            self._ended.pop(job.id, None)
        if job.begun and job.state in ACTIVE:
            self._in_work[job.id] = job
        else:
            self._in_work.pop(job.id, None)

    def _refreshed(self) -> list[Job]:
        """What is in work, the first taken in first; those that a screen shows are read anew."""
        jobs = sorted(self._in_work.values(), key=lambda job: (job.spec.created, job.id))
        anew = self._ledger.many(job.id for job in jobs[:REFRESHED])
        self._in_work.update((job.id, job) for job in anew if job.state in ACTIVE)
        return [self._in_work[job.id] for job in jobs]


def _version(job: Job) -> tuple[float, int, State]:
    return job.updated, job.epoch, job.state


def pages(ledger: Ledger, state: State, since: float) -> Iterator[Job]:
    """Every job in a state that changed at ``since`` or later, each once."""
    known: set[str] = set()
    while found := ledger.ids(state, since=since, limit=PAGE):
        jobs = ledger.many(job_id for job_id in found if job_id not in known)
        known.update(found)
        yield from (job for job in jobs if job.state is state)
        if len(found) < PAGE or not jobs:
            return
        since = max(job.updated for job in jobs)


def nothing_left(ledger: Ledger, gates: Gates) -> bool:
    """Whether every job has ended, or waits behind a gate that only a person opens."""
    counts = ledger.counts()
    if any(counts[state] for state in ACTIVE):
        return False
    return counts[State.PARKED] <= sum(gates.parked(gate) for gate in PERSONAL)


def ended_since(ledger: Ledger, since: float) -> list[Job]:
    """The jobs that ended since then, the first to end first."""
    jobs = [job for state in sorted(ENDED) for job in pages(ledger, state, since)]
    return sorted(jobs, key=lambda job: job.updated)
