"""What is done around each step besides the step: metrics today. It holds nobody up, and breaks nothing."""

from dataclasses import dataclass

import structlog

from jobs.model import Job, State, StepRecord

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StepRun:
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


class Middleware:
    """Called around each run in the thread that makes it: no round trip, no wait."""

    def before_step(self, job: Job) -> None:
        """A worker has claimed this job."""

    def after_step(self, run: StepRun) -> None:
        """The ledger has taken what came of a run."""


class MiddlewareStack(Middleware):
    """Several at once; what one of them raises is logged once, and the work goes on."""

    def __init__(self, *middleware: Middleware) -> None:
        """Call them in this order."""
        self._middleware = list(middleware)
        self._reported: set[tuple[type, type]] = set()

    def add(self, one: Middleware) -> None:
        """Call this one too, from now on."""
        self._middleware.append(one)

    def before_step(self, job: Job) -> None:
        """Call each. Never raises."""
        for one in self._middleware:
            try:
                one.before_step(job)
            except Exception as exc:  # noqa: BLE001 - the boundary: watching never breaks the work
                self._report(one, exc)

    def after_step(self, run: StepRun) -> None:
        """Call each. Never raises."""
        for one in self._middleware:
            try:
                one.after_step(run)
            except Exception as exc:  # noqa: BLE001 - as above
                self._report(one, exc)

    def _report(self, one: Middleware, exc: Exception) -> None:
        fault = (type(one), type(exc))
        if fault not in self._reported:  # once: it will break at the next step too
            self._reported.add(fault)
            log.error("middleware failed", middleware=type(one).__name__, exc_info=exc)
