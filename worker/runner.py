"""Claim → step → outcome: what surrounds every step (design, "How a job moves")."""

from dataclasses import replace
from pathlib import Path

import structlog

from jobs.errors import LeaseLost, LedgerUnreachable
from jobs.gates import Closed, blocking
from jobs.lease import Lease
from jobs.ledger import Move
from jobs.model import Gate, Job, Problem, State, Step, StepRecord
from jobs.result import ResultNotWritten, write
from nemo import Attribution
from nemo.errors import SessionNotFound, Stopped
from worker.context import Context
from worker.errors import Crashed, InternalError, StepError
from worker.observe import Run
from worker.outbox import part_path
from worker.outcome import Advance, Again, Done, Outcome, Unconfirmed, in_line
from worker.policy import MAX_CRASHES, gate_of, problem_of, retry_of
from worker.recovery import without_session
from worker.shared import in_turn
from worker.shop import Shop
from worker.steps import STEPS

log = structlog.get_logger()

PARKED_S = 3600.0
"""A parked job is looked at this often even if its gate's opening was missed."""


class Runner:
    """Runs one step of one job at a time per thread; holds nothing of a job itself."""

    def __init__(self, shop: Shop) -> None:
        """Take what the worker process shares."""
        self._shop = shop

    def run(self, job_id: str, step: Step) -> None:
        """Carry out a message; whatever happens is in the ledger afterwards, and nothing is raised."""
        shop = self._shop
        try:
            job = shop.ledger.claim(job_id, step, shop.owner, shop.settings.lease_s)
            if job is None:
                return  # delivered twice, or the job has moved on: the ledger knows better
            shop.observe.claimed(job)
            lease = Lease(job, shop.ledger, shop.settings.lease_s)
            shop.heartbeat.hold(lease)
            try:
                self._carry_out(lease)
            finally:
                shop.heartbeat.drop(lease)
        except LeaseLost as stale:
            log.warning("stale write refused", job=job_id, step=step, reason=str(stale))
        except LedgerUnreachable as gone:
            log.error("ledger away; the clock brings the job back", job=job_id, step=step, reason=str(gone))

    def _carry_out(self, lease: Lease) -> None:
        job = lease.job
        ctx = self._context(lease)
        closed = self._blocked(job)
        try:
            if closed is not None:
                self._park(lease, closed)
                return
            if job.crashes >= MAX_CRASHES:
                raise Crashed(f"{job.crashes} workers ended while they held this file")
            outcome = self._attempt(ctx)
        except (LeaseLost, LedgerUnreachable):
            raise
        except Exception as error:  # noqa: BLE001  (the boundary: any error of a step must end in the ledger)
            self._on_error(ctx, error)
            return
        self._on_outcome(ctx, outcome)

    def _attempt(self, ctx: Context) -> Outcome:
        try:
            return self._step(ctx)
        except Stopped:
            ctx.lease.ensure_fresh()  # a lost lease stops a step too
            return Again(0.0, "the worker stops")  # nothing was paid, and no attempt is used up

    def _step(self, ctx: Context) -> Outcome:
        try:
            if not in_turn(ctx):
                return in_line("the session")
            return STEPS[ctx.job.step](ctx)
        except SessionNotFound as lost:
            return without_session(ctx, lost)

    def _context(self, lease: Lease) -> Context:
        shop = self._shop
        skill = shop.skills.get(lease.job.spec.skill) or shop.settings.chosen_skill()
        return Context(
            lease=lease,
            client=shop.client.with_skill(Attribution(skill.name, skill.version, shop.platform)),
            settings=shop.settings,
            limits=shop.limits,
            waits=shop.waits,
            now=shop.ledger.now,
            should_stop=lambda: shop.stopping.is_set() or lease.lost,
            rng=shop.rng,
        )

    # --- gates ------------------------------------------------------------------------------------

    def _blocked(self, job: Job) -> Closed | None:
        closed = self._shop.gates.recent()
        if job.reason.startswith("trial:"):
            closed.pop(Gate(job.reason.removeprefix("trial:")), None)
        return blocking(closed, job.step)

    def _park(self, lease: Lease, closed: Closed) -> None:
        problem = Problem(kind=f"gate:{closed.gate}", message=closed.message, advice=closed.advice)
        now = self._shop.ledger.now()
        move = Move(State.PARKED, lease.job.step, due=now + PARKED_S, reason=closed.gate, problem=problem)
        self._end(lease, replace(move, attempts=lease.job.attempts, started=lease.job.started))

    def _close(self, gate: Gate, step: Step, error: Exception) -> Closed:
        shop = self._shop
        if gate is Gate.RATE:
            self._slow_down(step)
        wait_s = getattr(error, "retry_after_s", None) or self._probe_after_s(gate)
        now = shop.ledger.now()
        problem = problem_of(error)
        if shop.gates.close(gate, probe_at=now + wait_s, message=problem.message, advice=problem.advice):
            log.warning("gate closed", gate=gate, reason=problem.message, advice=problem.advice)
        return Closed(gate, now, now + wait_s, problem.message, problem.advice)

    def _slow_down(self, step: Step) -> None:
        limits = self._shop.limits
        kinds = {
            Step.UPLOAD: limits.transfers,
            Step.EDIT: limits.edits,
            Step.RENDER: limits.renders,
            Step.DOWNLOAD: limits.transfers,
        }
        if step in kinds:  # a look that is refused says nothing about how much is done at once
            log.info("slowing down", step=step, at_once=kinds[step].slow_down())

    def _probe_after_s(self, gate: Gate) -> float:
        settings = self._shop.settings
        return settings.rate_limit_wait_s if gate is Gate.RATE else settings.gate_probe_s

    # --- what came of it --------------------------------------------------------------------------

    def _on_outcome(self, ctx: Context, outcome: Outcome) -> None:
        lease, job, now = ctx.lease, ctx.job, ctx.now()
        if job.reason.startswith("trial:"):
            self._shop.gates.open(Gate(job.reason.removeprefix("trial:")))
        match outcome:
            case Advance(step, after_s):
                self._advance(lease, step, now, after_s)
            case Again(after_s, reason, stands_in_line):
                until = now + after_s
                move = Move(State.WAITING, job.step, until, until, reason, job.attempts, job.started)
                self._end(lease, replace(move, came="line" if stands_in_line else ""))
            case Unconfirmed(message, advice, kind):
                problem = Problem(kind=kind, message=message, advice=advice)
                self._end(lease, Move(State.UNCONFIRMED, job.step, problem=problem), ended=now)
            case Done():
                self._end(lease, Move(State.DONE, job.step, came="through"), ended=now)

    def _advance(self, lease: Lease, step: Step, now: float, after_s: float) -> None:
        until = now + after_s
        state = State.WAITING if after_s else State.QUEUED
        due = until if after_s else now + self._shop.settings.lease_s
        letter = None if after_s else self._shop.letter(lease.job.id, step)
        move = Move(state, step, until if after_s else 0.0, due, letter=letter, came="through")
        self._end(lease, move, ended=now)

    def _on_error(self, ctx: Context, error: Exception) -> None:
        gate = gate_of(error)
        if gate is not None:
            self._park(ctx.lease, self._close(gate, ctx.job.step, error))
            return
        if not isinstance(error, StepError) and not hasattr(error, "advice"):
            log.exception("unforeseen error", job=ctx.job.id, step=ctx.job.step)
            error = InternalError(f"{type(error).__name__} in step {ctx.job.step}; the log has the details")
        attempt = ctx.job.attempts + 1
        retry = retry_of(error)
        if retry.exhausted(attempt):
            self._fail(ctx, error, attempt)
            return
        wait_s = retry.wait_s(attempt, ctx.rng, getattr(error, "retry_after_s", None) or 0.0)
        log.warning("trying again", job=ctx.job.id, step=ctx.job.step, attempt=attempt, reason=str(error))
        until = ctx.now() + wait_s
        problem = problem_of(error)
        reason = f"trying again: {problem.kind}"
        move = Move(State.WAITING, ctx.job.step, until, until, reason, attempt, ctx.job.started, problem)
        self._end(ctx.lease, move)

    def _fail(self, ctx: Context, error: Exception, attempt: int) -> None:
        log.error("failed", job=ctx.job.id, step=ctx.job.step, reason=str(error))
        part_path(ctx.job, ctx.settings).unlink(missing_ok=True)
        move = Move(State.FAILED, ctx.job.step, attempts=attempt, problem=problem_of(error))
        self._end(ctx.lease, move, ended=ctx.now())

    def _end(self, lease: Lease, move: Move, ended: float | None = None) -> None:
        """Write the result a person looks for, then the ledger: killed in between, the step runs again."""
        job = lease.job
        steps = job.steps
        if ended is not None:
            steps = (
                *steps,
                StepRecord(step=job.step, started=job.started, ended=ended, attempts=job.attempts + 1),
            )
        after = job.evolve(
            state=move.state,
            step=move.step,
            steps=steps,
            problem=move.problem,
            checkpoint=lease.checkpoint,
            updated=self._shop.ledger.now(),
        )
        if after.ended or after.state is State.PARKED:
            lease.ensure_fresh()
            self._put_result(after)
        if after.state is State.DONE:
            lease.checkpoint = lease.checkpoint.evolve(draft=None)  # delivered: a job stays about 1 KB
        lease.move(move, steps)
        self._shop.observe.ended(Run(job, after))
        if after.state is State.DONE and job.spec.prepared:
            Path(job.spec.prepared).unlink(missing_ok=True)  # what was sent in the source's place
        if after.ended and job.spec.session_group:
            self._shop.limits.groups.leave(job.spec.session_group, job.id)
        log.info(after.state, job=job.id, file=job.spec.name, step=move.step)

    def _put_result(self, job: Job) -> None:
        try:
            write(job)
        except ResultNotWritten as broken:
            log.error("result not written", job=job.id, reason=str(broken))
