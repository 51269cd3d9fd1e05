"""Follows the ledger for one run: what changed since the last look, what is in work, how many of each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.gates import HOLDS, ClosedGate, Gates
from jobs.ledger import Ledger
from jobs.model import ACTIVE, ENDED, PERSONAL, Gate, InstructionStatus, Job, State, Step, StepRecord
from jobs.sources import Sources
from jobs.stats import Stats, read_stats

OVERLAP_S = 2.0  # each look goes back a little, for hosts whose clocks differ and writes on their way
FRESH_LIMIT = 200  # newly queued jobs looked at; a backlog of 100,000 is counted, not read
REFRESHED = 60  # jobs in work read at each look, for their progress: more fit no screen
PAGE = 500
DUPLICATES_EVERY = 8  # looks


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look; ``now`` is seconds since the epoch by the ledger's clock."""

    now: float
    changed: tuple[Job, ...]
    in_work: tuple[Job, ...]  # begun and not ended, the first taken in first
    counts: dict[State, int]  # of the whole ledger
    ended: dict[State, int]  # of this run
    gates: dict[Gate, ClosedGate]
    duplicates: tuple[tuple[str, str], ...] = ()  # new ones: (source, id of the job it repeats)

    @property
    def waiting(self) -> int:
        """How many jobs have not begun."""
        return max(0, sum(self.counts[state] for state in ACTIVE) - len(self.in_work))

    @property
    def all_held(self) -> bool:
        """Whether everything in work waits behind gates that only a person opens."""
        held = {step for gate in PERSONAL & set(self.gates) for step in HOLDS[gate]}
        idle = all(job.state is not State.RUNNING and job.step in held for job in self.in_work)
        return bool(self.in_work) and idle


class Follower:
    """Looks at the ledger for one run that began at ``since``."""

    def __init__(self, ledger: Ledger, gates: Gates, since: float) -> None:
        self._ledger = ledger
        self._gates = gates
        self._sources = Sources(ledger)
        self._since = since
        self._looks = 0
        self._seen: dict[str, tuple[float, str, State]] = {}
        self._ended: dict[str, State] = {}
        self._in_work: dict[str, Job] = {}
        self._duplicates: set[str] = set()

    def take_snapshot(self) -> Snapshot:
        """Look at what is true now; raises LedgerUnreachable, and the next look misses nothing."""
        now = self._ledger.now()
        found = [job for job in self._read_recent() if self._seen.get(job.id) != _version(job)]
        counts, gates = self._ledger.counts(), self._gates.closed()
        changed = [self._note(job) for job in found]
        duplicates = self._read_duplicates()
        self._since, self._looks = max(self._since, now - OVERLAP_S), self._looks + 1
        in_work = sorted(self._in_work.values(), key=lambda job: (job.spec.created, job.id))
        # Those that a screen shows are read again, for their progress.
        again = self._ledger.many(job.id for job in in_work[:REFRESHED])
        self._in_work.update((job.id, job) for job in again if job.state in ACTIVE)
        in_work = [self._in_work[job.id] for job in in_work]
        changed.sort(key=lambda job: job.updated)
        ended = dict(Counter(self._ended.values()))
        return Snapshot(now, tuple(changed), tuple(in_work), counts, ended, gates, duplicates)

    def count_open_edits(self) -> int:
        """Count the edits that were sent and not yet confirmed; raises LedgerUnreachable."""
        ids = [job.id for job in self._in_work.values() if job.step is Step.EDIT]
        count = 0
        for job in self._ledger.many(ids):
            point = job.checkpoint
            sent = [one.status is InstructionStatus.SENDING for one in point.instructions[point.current :]]
            count += job.state is State.RUNNING and sent[:1] == [True]
        return count

    def count_lost(self) -> int:
        """Count the jobs this run has seen that the ledger no longer knows: it was emptied meanwhile."""
        ids = list(self._seen)
        found = sum(len(self._ledger.many(ids[at : at + PAGE])) for at in range(0, len(ids), PAGE))
        return len(ids) - found

    def _read_recent(self) -> Iterator[Job]:
        for state in State:
            if state is State.QUEUED:
                ids = self._ledger.ids(state, since=self._since, newest_first=True, limit=FRESH_LIMIT)
                yield from self._ledger.many(ids)
            else:
                begin = 0.0 if self._looks == 0 and state in ACTIVE else self._since
                found = self._ledger.changed_since(state, begin)
                yield from (job for job in found if job.state is state)

    def _note(self, job: Job) -> Job:
        """Remember a job that changed; one that is done gets back the steps that the ledger lets go of."""
        before = self._in_work.get(job.id)
        if job.state is State.DONE and not job.steps and before is not None:
            job = job.evolve(steps=_complete_steps(before, job), started=before.started)
        self._seen[job.id] = _version(job)
        if job.ended:
            self._ended[job.id] = job.state
        else:
            self._ended.pop(job.id, None)
        if has_begun(job) and job.state in ACTIVE:
            self._in_work[job.id] = job
        else:
            self._in_work.pop(job.id, None)
        return job

    def _read_duplicates(self) -> tuple[tuple[str, str], ...]:
        if self._looks % DUPLICATES_EVERY:
            return ()
        found = dict(self._sources.duplicates())
        new = tuple((path, job_id) for path, job_id in found.items() if path not in self._duplicates)
        self._duplicates.update(found)
        return () if self._looks == 0 else new  # those of earlier runs are no news


def _complete_steps(before: Job, done: Job) -> tuple[StepRecord, ...]:
    """Return the steps of a job that is done: those recorded when it was last seen, and those since."""
    order = [Step.RENDER, Step.POLL, Step.DOWNLOAD] if before.checkpoint.restored else [*Step]
    recorded = {record.step for record in before.steps}
    unseen = [step for step in order[: order.index(done.step) + 1] if step not in recorded]
    starts = {before.step: before.started or before.updated}
    return before.steps + tuple(
        StepRecord(step=step, started=starts.get(step, done.updated), ended=done.updated, attempts=1)
        for step in unseen
    )


def has_begun(job: Job) -> bool:
    """Tell whether a worker has taken the job up."""
    return job.state in (State.RUNNING, State.WAITING) or job.step is not Step.UPLOAD or bool(job.steps)


def _version(job: Job) -> tuple[float, str, State]:
    return job.updated, job.fence, job.state


def count_held(stats: Stats) -> int:
    """Count the files behind gates that only a person opens, each once."""
    held, covered = 0, set[Step]()
    closed = sorted(PERSONAL & set(stats.gates), key=lambda gate: (-len(HOLDS[gate]), gate))
    for gate in closed:
        if not HOLDS[gate] <= covered:
            held += stats.waiting[gate]
            covered |= HOLDS[gate]
    return held


def nothing_left(ledger: Ledger) -> bool:
    """Tell whether every job has ended, or waits behind a gate that only a person opens."""
    stats = read_stats(ledger)
    left = sum(count for state, count in stats.jobs.items() if state not in ENDED)
    return left == 0 or (stats.jobs[State.RUNNING] == 0 and left <= count_held(stats))


def jobs_ended_since(ledger: Ledger, since: float) -> list[Job]:
    """Read the jobs that ended since then, the first to end first."""
    jobs = [job for state in sorted(ENDED) for job in ledger.changed_since(state, since)]
    return sorted(jobs, key=lambda job: job.updated)
