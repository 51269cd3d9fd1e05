"""Leases and their heartbeat (design, invariant 2).

A `Lease` is what a running step holds. A `Heartbeat` is one thread for all the leases of a process; it renews
them every third of their length, and marks those that another worker has taken over.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from jobs.errors import LeaseLost, LedgerUnreachable
from jobs.ledger import Ledger, Move
from jobs.model import Checkpoint, Job, Step, StepRecord

log = structlog.get_logger()

PATIENCE_S = 120.0
"""How long a write waits for a Redis server that is away; the work it records is already done."""


@dataclass(slots=True)
class Lease:
    """The right to write a job, until another epoch begins."""

    job: Job
    ledger: Ledger
    lease_s: float
    checkpoint: Checkpoint = field(init=False)
    renewed: float = field(init=False)
    lost: bool = False
    ending: bool = False
    """Whether the step has begun to end; it is no loss when the job runs no more then."""
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self.checkpoint = self.job.checkpoint
        self.renewed = self.monotonic()

    @property
    def fresh(self) -> bool:
        """Whether nobody else can have the job now: renewed lately, by this process's own clock."""
        return not self.lost and self.monotonic() - self.renewed <= self.lease_s * 0.9

    def ensure_fresh(self) -> None:
        """Make sure that nobody else can have the job now; asked right before anything is paid for.

        Raises:
            LeaseLost: another holds it, or this process was frozen for longer than the lease.
        """
        if not self.fresh:
            raise LeaseLost(f"job {self.job.id}: the lease of epoch {self.job.epoch} has ended")

    def keep(self, checkpoint: Checkpoint) -> None:
        """Keep what the step has reached; waits for a server that is away.

        Raises:
            LeaseLost: the epoch is stale, nothing was written.
            LedgerUnreachable: the server stayed away for `PATIENCE_S`.
        """
        self._written(lambda: self.ledger.checkpoint(self.job, checkpoint))
        self.checkpoint = checkpoint

    def move(self, move: Move, steps: tuple[StepRecord, ...]) -> None:
        """End the step; raises as `keep`."""
        self.ending = True
        self._written(lambda: self.ledger.move(self.job, move, self.checkpoint, steps))

    def _written(self, write: Callable[[], bool]) -> None:
        gives_up = self.monotonic() + PATIENCE_S
        while True:
            try:
                if write():
                    return
            except LedgerUnreachable:
                if self.monotonic() > gives_up:
                    raise
                self.sleep(1.0)
                continue
            self.lost = True
            raise LeaseLost(f"job {self.job.id}: the write of epoch {self.job.epoch} was refused as stale")


class Heartbeat:
    """Renews every lease of this process, from a thread of its own."""

    def __init__(self, ledger: Ledger, lease_s: float, on_lost: Callable[[Lease], None]) -> None:
        """``on_lost`` is told of a lease that another worker took over."""
        self._ledger = ledger
        self._lease_s = lease_s
        self._on_lost = on_lost
        self._held: dict[str, Lease] = {}
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Stop beating; leases still held end by themselves."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def hold(self, lease: Lease) -> None:
        """Renew this lease from now on."""
        with self._guard:
            self._held[lease.job.id] = lease

    def drop(self, lease: Lease) -> None:
        """Renew this lease no more."""
        with self._guard:
            if self._held.get(lease.job.id) is lease:
                del self._held[lease.job.id]

    def held(self) -> int:
        """How many leases this process holds."""
        return len(self._held)

    def steps(self) -> Counter[Step]:
        """How many leases this process holds on each step."""
        with self._guard:
            return Counter(lease.job.step for lease in self._held.values())

    def beat(self) -> None:
        """Renew all leases once; a server that is away is no reason to give one up."""
        with self._guard:
            leases = dict(self._held)
        if not leases:
            return
        asked = {job_id: lease.job.epoch for job_id, lease in leases.items()}
        at = next(iter(leases.values())).monotonic()
        try:
            lost = set(self._ledger.renew(asked, self._lease_s))
        except LedgerUnreachable:
            return
        for job_id, lease in leases.items():
            if job_id not in lost:
                lease.renewed = at
            elif not lease.ending and self._still_held(lease):
                lease.lost = True
                self._on_lost(lease)

    def _still_held(self, lease: Lease) -> bool:
        with self._guard:
            return self._held.get(lease.job.id) is lease

    def _run(self) -> None:
        while not self._stop.wait(self._lease_s / 3):
            try:
                self.beat()
            except Exception:  # without this thread the worker would lose every lease from now on
                log.exception("leases not renewed")
