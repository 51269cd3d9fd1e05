"""Who watches the steps of a worker: metrics and traces. They hold nobody up, and break nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from jobs.model import Job, State, StepRecord

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a step that has ended: the job as it was claimed, and as the ledger has it now."""

    before: Job
    after: Job

    @property
    def record(self) -> StepRecord | None:
        """The step's line in the result, if this run ended the step: from its first claim on."""
        ended = len(self.after.steps) > len(self.before.steps)
        return self.after.steps[-1] if ended else None

    @property
    def took_s(self) -> float:
        """Seconds from the claim to the end of this run."""
        return max(0.0, self.after.updated - self.before.updated)

    @property
    def outcome(self) -> str:
        """``through, done, failed, unconfirmed, parked, retried``, or ``again`` when it only waits."""
        if self.record is not None:
            return str(self.after.state) if self.after.ended else "through"
        if self.after.state is State.PARKED:
            return "parked"
        return "retried" if self.after.problem else "again"


class Observer:
    """Hears of each run in the thread that made it, so it only notes things: no round trip, no wait."""

    def start(self) -> None:
        """Begin; raises ConfigError when a setting makes that impossible."""

    def claimed(self, job: Job) -> None:
        """A worker has taken a lease on this job."""

    def ended(self, run: Run) -> None:
        """The ledger has taken what came of a run."""

    def close(self) -> None:
        """The worker ends; to be through within a few seconds."""


class Observers(Observer):
    """Several at once; what one of them raises is logged once, and the work goes on."""

    def __init__(self, *observers: Observer) -> None:
        """Nothing is started yet."""
        self._observers = observers
        self._said: set[tuple[type, type]] = set()

    def start(self) -> None:
        """Start each; raises ConfigError."""
        for observer in self._observers:
            observer.start()

    def claimed(self, job: Job) -> None:
        """Tell each. Never raises."""
        self._each(lambda observer: observer.claimed(job))

    def ended(self, run: Run) -> None:
        """Tell each. Never raises."""
        self._each(lambda observer: observer.ended(run))

    def close(self) -> None:
        """Close each. Never raises."""
        self._each(lambda observer: observer.close())

    def _each(self, tell: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                tell(observer)
            except Exception as broken:  # the boundary: watching never breaks the work
                fault = (type(observer), type(broken))
                if fault not in self._said:  # once: it will break at the next step too
                    self._said.add(fault)
                    log.exception("an observer broke", observer=type(observer).__name__)
