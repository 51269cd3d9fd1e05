"""Claim → step → outcome: what surrounds every step."""

from pathlib import Path

import structlog

from jobs.errors import LeaseLost, LedgerUnreachable, NoSuchJob, ResultNotWritten
from jobs.lease import Lease
from jobs.ledger import Claim, StepResult
from jobs.limits import ConcurrencyLimiter
from jobs.model import LIMITED, Gate, Job, Problem, State, Step, StepRecord
from jobs.result import write_result
from nemovideo import Attribution
from nemovideo.errors import RateLimited, SessionNotFound, Stopped
from storage.mounts import find_unmounted
from worker.context import Context
from worker.credits import record_spending
from worker.delivery import part_path
from worker.errors import Crashed, InternalError, StepError
from worker.gates import close_gate
from worker.middleware import StepRun
from worker.outcome import Advance, Done, Outcome, Reschedule, Unconfirmed
from worker.retry import MAX_CRASHES, WHILE_AWAY, describe_error, gate_of, retry_of
from worker.runtime import Runtime
from worker.sessions import check_timeline_owner, recover_session
from worker.steps import STEPS

log = structlog.get_logger()


SHORT_STEPS = frozenset({Step.VERIFY, Step.RENDER, Step.DOWNLOAD})
"""Steps that the worker which ended the one before runs at once, without a message, when they may run."""


class Runner:
    """Runs one step of one job at a time per thread; holds nothing of a job itself."""

    def __init__(self, runtime: Runtime) -> None:
        """Take what the worker process shares."""
        self._runtime = runtime

    def run(self, job_id: str, step: Step) -> None:
        """Carry out a message; whatever happens is in the ledger afterwards, and nothing is raised."""
        runtime = self._runtime
        try:
            job = runtime.ledger.claim(job_id, step, runtime.owner, runtime.settings.lease_s)
            if job is None:
                return  # delivered twice, or the job has moved on: the ledger knows better
            try:
                while job is not None:
                    step = job.step
                    job = self._run_claimed(job)
            finally:
                runtime.wake()
        except LeaseLost as exc:
            log.warning("stale write refused", job=job_id, step=step, reason=str(exc))
            self._restore_result(job_id)
        except LedgerUnreachable as exc:
            log.warning("ledger away; the job goes on later", step=step, reason=str(exc), at_most_each_s=60)

    def _run_claimed(self, job: Job) -> Job | None:
        """Run the step a job was claimed for; answers the job when it was claimed for the next one too."""
        runtime = self._runtime
        runtime.middleware.before_step(job)
        lease = Lease(job, runtime.ledger, runtime.settings.lease_s)
        runtime.heartbeat.hold(lease)
        try:
            return self._run_step(self._make_context(lease))
        finally:
            runtime.heartbeat.drop(lease)

    def _make_context(self, lease: Lease) -> Context:
        runtime = self._runtime
        skill = runtime.skills.get(lease.job.spec.skill) or runtime.settings.chosen_skill()
        attribution = Attribution(skill.name, skill.version, runtime.platform)

        def should_stop() -> bool:
            return runtime.stopping.is_set() or lease.lost

        return Context(
            lease=lease,
            client=runtime.client.with_skill(attribution, should_stop=should_stop),
            settings=runtime.settings,
            limits=runtime.limits,
            now=runtime.ledger.now,
            should_stop=should_stop,
            rng=runtime.rng,
        )

    def _run_step(self, ctx: Context) -> Job | None:
        try:
            if ctx.job.crashes >= MAX_CRASHES:
                raise Crashed(f"{ctx.job.crashes} workers ended while they held this file")
            try:
                check_timeline_owner(ctx)
                outcome = STEPS[ctx.job.step](ctx)
            except SessionNotFound as exc:
                outcome = recover_session(ctx, exc)
        except (LeaseLost, LedgerUnreachable):
            raise
        except Stopped:
            ctx.lease.ensure_fresh()  # a lost lease stops a step too
            outcome = Reschedule(0.0, "the worker stops")  # nothing was paid, and no attempt is used up
        except Exception as exc:  # noqa: BLE001 - the boundary: any error of a step must end in the ledger
            self._on_error(ctx, exc)
            return None
        return self._on_outcome(ctx, outcome)

    # --- what came of it --------------------------------------------------------------------------

    def _on_outcome(self, ctx: Context, outcome: Outcome) -> Job | None:
        job, now, runtime = ctx.job, ctx.now(), self._runtime
        accepted = (
            LIMITED.get(job.step) if job.step not in {Step.EDIT, Step.POLL} else None
        )  # an edit: on its stream
        match outcome:
            case Advance(step, after_s, paid):
                state = State.WAITING if after_s else State.QUEUED
                result = StepResult(state, step, now + after_s, accepted=accepted, passed=True, paid=paid)
                claim = None
                if step in SHORT_STEPS and not after_s and not runtime.stopping.is_set():
                    claim = Claim(runtime.owner, runtime.settings.lease_s)
                return self._end(ctx, result, finished=True, claim=claim)
            case Reschedule(after_s, reason):
                state = State.WAITING if after_s else State.QUEUED
                self._end(ctx, StepResult(state, job.step, now + after_s, reason, job.attempts, job.started))
            case Unconfirmed(message, advice, code):
                problem = Problem(code=code, message=message, advice=advice)
                self._end(ctx, StepResult(State.UNCONFIRMED, job.step, problem=problem), finished=True)
            case Done():
                self._end(
                    ctx, StepResult(State.DONE, job.step, accepted=accepted, passed=True), finished=True
                )
        return None

    def _on_error(self, ctx: Context, error: Exception) -> None:
        job, now, runtime = ctx.job, ctx.now(), self._runtime
        if isinstance(error, RateLimited):
            self._on_rate_limited(ctx, error)
            return
        gate = gate_of(error)
        # A source is read before its upload, and once more where a session was lost: that job waits alone.
        if gate is not None and (gate is not Gate.SOURCE or job.step is Step.UPLOAD):
            closed = close_gate(runtime.gates, gate, error, now, runtime.settings.gate_probe_s)
            problem = Problem(code=f"gate_{gate}", message=closed.message, advice=closed.advice)
            self._end(ctx, StepResult(State.PARKED, job.step, now, gate, job.attempts, job.started, problem))
            return
        if not isinstance(error, StepError) and not hasattr(error, "advice"):
            log.error("unforeseen error", job=job.id, step=job.step, exc_info=error)
            error = InternalError(f"{type(error).__name__} in step {job.step}; the log has the details")
        attempt, retry, problem = job.attempts + 1, retry_of(error), describe_error(error)
        if retry.is_exhausted(attempt):
            log.error("failed", job=job.id, file=job.spec.name, step=job.step, reason=problem.message)
            part_path(job, ctx.settings).unlink(missing_ok=True)
            record_spending(ctx)
            result = StepResult(State.FAILED, job.step, attempts=attempt, problem=problem)
            self._end(ctx, result, finished=True)
            return
        wait_s = retry.wait_s(attempt, ctx.rng, getattr(error, "retry_after_s", None) or 0.0)
        if retry is WHILE_AWAY:
            log.warning("storage away; waiting for it", reason=problem.message, at_most_each_s=60)
        else:
            log.warning("trying again", job=job.id, step=job.step, attempt=attempt, reason=problem.message)
        reason = f"trying again: {problem.code}"
        self._end(
            ctx, StepResult(State.WAITING, job.step, now + wait_s, reason, attempt, job.started, problem)
        )

    def _on_rate_limited(self, ctx: Context, error: RateLimited) -> None:
        """A 429 slows its own kind of work; one that says for how long holds everybody (api-contract 6)."""
        job, runtime = ctx.job, self._runtime
        kind = LIMITED.get(job.step)
        if (
            kind is not None and job.step is not Step.POLL
        ):  # a poll that is refused tells nothing of what is in flight
            limit = ConcurrencyLimiter(runtime.ledger, kind).back_off()
            log.info("slowing down", kind=kind, limit=limit)
        wait_s = runtime.settings.rate_limit_wait_s
        if error.retry_after_s is not None:
            close_gate(runtime.gates, Gate.RATE, error, ctx.now(), wait_s)
            wait_s = min(error.retry_after_s, 600.0)
        until = ctx.now() + wait_s
        problem = describe_error(error)
        reason = "the service asked to slow down"
        self._end(ctx, StepResult(State.WAITING, job.step, until, reason, job.attempts, job.started, problem))

    def _end(
        self, ctx: Context, result: StepResult, *, finished: bool = False, claim: Claim | None = None
    ) -> Job | None:
        """Write the result a person looks for, then the ledger: killed in between, the step runs again.

        Answers the job when it was claimed for the next step too.
        """
        lease, job = ctx.lease, ctx.job
        steps = job.steps
        if finished:
            record = StepRecord(
                step=job.step, started=job.started, ended=ctx.now(), attempts=job.attempts + 1
            )
            steps = (*steps, record)
        after = job.evolve(
            state=result.state,
            step=result.step,
            steps=steps,
            problem=result.problem,
            checkpoint=lease.checkpoint,
            updated=ctx.now(),
        )
        if after.ended:
            lease.ensure_fresh()
            if after.state is not State.DONE:  # a job that was cancelled may have lost its name to another
                lease.save(lease.checkpoint)
            self._write_result(after)
        claimed = lease.commit(result, steps, claim)
        self._runtime.middleware.after_step(StepRun(job, after))
        if after.state is State.PARKED:
            self._write_result(after)
            self._restore_result(job.id)  # nobody holds it any more: it may have been cancelled meanwhile
        if after.state is State.DONE and job.spec.prepared:
            Path(job.spec.prepared).unlink(missing_ok=True)  # what was sent in the source's place
        write_line = (
            log.debug if after.state is State.WAITING else log.info
        )  # a render is polled again and again
        write_line(after.state, job=job.id, file=job.spec.name, step=result.step)
        return claimed

    def _restore_result(self, job_id: str) -> None:
        """Whoever ended the job meanwhile wrote its result before ours; the ledger knows what is true."""
        try:
            job = self._runtime.ledger.get(job_id)
            if job.ended and job.state is not State.DONE and self._runtime.ledger.owns_output(job):
                self._write_result(job)
        except (LedgerUnreachable, NoSuchJob):
            pass

    def _write_result(self, job: Job) -> None:
        if find_unmounted(job.spec.result, self._runtime.settings.state_dir):
            return  # nothing is made in its place; the ledger knows what is true
        try:
            write_result(job)
        except ResultNotWritten as exc:
            log.error("result not written", reason=str(exc), at_most_each_s=60)
