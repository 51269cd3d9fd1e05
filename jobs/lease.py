"""Leases and their heartbeat.

A `Lease` is what a running step holds. A `Heartbeat` is one thread for all the leases of a process; it renews
them every third of their length, and marks those that are lost.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from jobs.errors import LeaseLost, LedgerUnreachable
from jobs.ledger import Claim, Commit, Ledger, StepResult, pack_checkpoint
from jobs.model import Checkpoint, Job, State, Step, StepRecord

log = structlog.get_logger()

PATIENCE_S = 120.0
"""How long a write waits for a Redis server that is away; the work it records is already done."""


@dataclass(slots=True)
class Lease:
    """The right to write a job, until another worker claims it.

    ``checkpoint`` is what the step has reached in memory. `save` writes it, and so does `commit`; only what
    changed since the last write is sent.
    """

    job: Job
    ledger: Ledger
    lease_s: float
    checkpoint: Checkpoint = field(init=False)
    renewed: float = field(init=False)
    lost: bool = False
    ending: bool = False
    """Whether the step has begun to end: the job no longer runs then, which is no loss."""
    sending: bool = False
    """Whether a paid message is on its way or its stream is open."""
    sleep: Callable[[float], None] = time.sleep
    _saved: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.checkpoint = self.job.checkpoint
        self.renewed = self.ledger.monotonic()
        self._saved = pack_checkpoint(self.job.checkpoint)

    @property
    def fresh(self) -> bool:
        """Whether nobody else can have the job now: renewed lately, by this host's own clock."""
        return not self.lost and self.ledger.monotonic() - self.renewed <= self.lease_s * 0.9

    def ensure_fresh(self) -> None:
        """Make sure that nobody else can have the job now; asked right before anything outside is changed.

        Raises:
            LeaseLost: another worker holds it, or this process was frozen for longer than the lease.
        """
        if not self.fresh:
            raise LeaseLost(f"job {self.job.id}: its lease has ended")

    def save(self, checkpoint: Checkpoint, *, durable: bool = False) -> None:
        """Save what the step has reached; waits for a server that is away.

        Raises:
            LeaseLost: the fencing token is stale, and nothing was written.
            LedgerUnreachable: the server stayed away for `PATIENCE_S`.
            NotDurable: ``durable`` was asked for, and no replica confirmed the write.
        """
        changed = self._changed_fields(checkpoint)
        self.checkpoint = checkpoint
        for name in changed:  # until it is answered, nobody knows whether it was written
            self._saved.pop(name, None)
        self._write(lambda: self.ledger.save(self.job, changed, durable=durable))
        self._saved |= changed

    def commit(
        self, result: StepResult, steps: tuple[StepRecord, ...], claim: Claim | None = None
    ) -> Job | None:
        """End the step; with a ``claim``, answers the job as it was claimed for the next one, if it was.

        Raises LeaseLost and LedgerUnreachable as `save`.
        """
        self.ending = True
        changed = self._changed_fields(self.checkpoint)
        job = self.job.evolve(checkpoint=self.checkpoint)
        answer = self._write(lambda: self.ledger.commit(job, result, changed, steps, claim))
        if claim is None or answer != Commit.CLAIMED:
            return None
        now = self.ledger.now()
        return job.evolve(
            state=State.RUNNING,
            step=result.step,
            fence=claim.fence,
            attempts=0,
            crashes=0,
            until=now + claim.lease_s,
            reason="",
            steps=steps,
            problem=None,
            started=now,
            updated=now,
        )

    def _changed_fields(self, checkpoint: Checkpoint) -> dict[str, str]:
        return {
            name: text for name, text in pack_checkpoint(checkpoint).items() if self._saved.get(name) != text
        }

    def _write(self, write: Callable[[], int]) -> int:
        gives_up = self.ledger.monotonic() + PATIENCE_S
        while True:
            try:
                if answer := write():
                    return answer
            except LedgerUnreachable:
                if self.ledger.monotonic() > gives_up:
                    raise
                self.sleep(1.0)
                continue
            self.lost = True
            raise LeaseLost(f"job {self.job.id}: a write was refused, another worker holds the job")


class Heartbeat:
    """Renews every lease of this process, from a thread of its own."""

    def __init__(self, ledger: Ledger, lease_s: float, on_lost: Callable[[Lease], None]) -> None:
        """``on_lost`` is called with a lease that another worker took over, or that the ledger has lost."""
        self._ledger = ledger
        self._lease_s = lease_s
        self._on_lost = on_lost
        self._held: dict[str, Lease] = {}
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to renew; it goes on for as long as the process lives."""
        self._thread.start()

    def hold(self, lease: Lease) -> None:
        """Renew this lease from now on."""
        with self._guard:
            self._held[lease.job.id] = lease

    def drop(self, lease: Lease) -> None:
        """Stop renewing this lease."""
        with self._guard:
            if self._held.get(lease.job.id) is lease:
                del self._held[lease.job.id]

    def count_held(self) -> Counter[Step]:
        """Count the leases that this process holds on each step."""
        with self._guard:
            return Counter(lease.job.step for lease in self._held.values())

    def renew_all(self) -> None:
        """Renew all leases once; a server that is away is no reason to give one up."""
        with self._guard:
            leases = dict(self._held)
        if not leases:
            return
        at = self._ledger.monotonic()
        try:
            lost = set(
                self._ledger.renew(
                    {job_id: lease.job.fence for job_id, lease in leases.items()}, self._lease_s
                )
            )
        except LedgerUnreachable:
            return
        for job_id, lease in leases.items():
            if job_id not in lost:
                lease.renewed = at
            elif not lease.ending and self._is_held(lease):
                lease.lost = True
                self._on_lost(lease)

    def _is_held(self, lease: Lease) -> bool:
        with self._guard:
            return self._held.get(lease.job.id) is lease

    def _run(self) -> None:
        while True:
            time.sleep(self._lease_s / 3)
            try:
                self.renew_all()
            except Exception:  # without this thread the worker would lose every lease from now on
                log.exception("leases not renewed")
