"""What surrounds every step: however one ends, it is in the ledger afterwards, and in the result."""

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest
from structlog.testing import capture_logs

import nemovideo
from config.settings import Settings
from jobs.errors import LedgerUnreachable
from jobs.gates import Gates
from jobs.lease import Heartbeat
from jobs.ledger import Ledger
from jobs.limits import ConcurrencyLimiter, CreditBudget
from jobs.model import Gate, InstructionState, InstructionStatus, Job, JobSpec, State, Step
from jobs.sessions import SharedSessions
from tests.conftest import LIMITS, Wall
from worker import errors
from worker.context import Context, Limits
from worker.middleware import Middleware, MiddlewareStack, StepRun
from worker.outcome import Advance, Done, Outcome, Reschedule, Unconfirmed
from worker.retry import MAX_CRASHES
from worker.runner import Runner
from worker.runtime import Runtime

Act = Callable[[Context], Outcome]


class Steps:
    """A runner whose upload step is what a test makes of it."""

    def __init__(self, folder: Path, wall: Wall, patch: pytest.MonkeyPatch) -> None:
        self.ledger = Ledger(fakeredis.FakeRedis(decode_responses=True), wall, limits=LIMITS)
        self.settings = Settings(DROPSCORE_BACKEND="local", DROPSCORE_STATE_DIR=folder / "state")
        self.runs: list[StepRun] = []
        self.woken = 0
        self.wall = wall
        self._patch = patch
        self.result = folder / "a.result.json"
        watch = Middleware()
        watch.after_step = self.runs.append  # type: ignore[method-assign]  # what it is told is looked at
        self.runtime = Runtime(
            ledger=self.ledger,
            gates=Gates(self.ledger),
            heartbeat=Heartbeat(self.ledger, 30, lambda _lease: None),
            client=SimpleNamespace(with_skill=lambda *_, **__: None),  # type: ignore[arg-type]  # nothing is asked
            settings=self.settings,
            skills=self.settings.all_skills(),
            limits=Limits(
                ConcurrencyLimiter(self.ledger, "edit"),
                None,
                CreditBudget(self.ledger),
                SharedSessions(self.ledger),
            ),
            platform="test",
            owner="w",
            stopping=threading.Event(),
            rng=random.Random(1),
            middleware=MiddlewareStack(watch),
            wake=self._wake,
        )
        self.ledger.submit("j1", JobSpec(source="/in/a.mp4"), [str(folder / "a.mp4")])

    def _wake(self) -> None:
        self.woken += 1

    def run(self, act: Act) -> Job:
        """Let the step be this, and run it once."""
        self.set({Step.UPLOAD: act})
        with capture_logs() as self.logs:
            Runner(self.runtime).run(self.admit(), Step.UPLOAD)
        return self.ledger.get("j1")

    def set(self, steps: dict[Step, Act]) -> None:
        """Let the steps be these."""
        self._patch.setattr("worker.runner.STEPS", steps)

    def admit(self) -> str:
        """Admit the job; answers its id."""
        (due,) = self.ledger.fetch_due(9, 30)
        return due.job_id

    def fail(self, error: Exception) -> Job:
        def act(_ctx: Context) -> Outcome:
            raise error

        return self.run(act)

    def read_result(self) -> dict[str, Any]:
        return dict(json.loads(self.result.read_text()))


@pytest.fixture
def steps(tmp_path: Path, wall: Wall, monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(tmp_path, wall, monkeypatch)


@pytest.mark.parametrize(
    ("outcome", "state", "step", "due_s"),
    [
        (Advance(Step.EDIT), State.QUEUED, Step.EDIT, -3600),  # dropped by hand: ahead of the backlog
        (Advance(Step.POLL, after_s=7), State.WAITING, Step.POLL, 7),
        (Reschedule(0.0, "stopping"), State.QUEUED, Step.UPLOAD, -3600),
        (Reschedule(9.0, "reading back"), State.WAITING, Step.UPLOAD, 9),
        (Unconfirmed("m", "a"), State.UNCONFIRMED, Step.UPLOAD, None),
        (Done(), State.DONE, Step.DOWNLOAD, None),  # of what is done, the result file knows the step
    ],
    ids=lambda value: (
        type(value).__name__ if isinstance(value, Advance | Reschedule | Unconfirmed | Done) else ""
    ),
)
def test_each_outcome_is_in_the_ledger(
    steps: Steps, outcome: Outcome, state: State, step: Step, due_s: float | None
) -> None:
    job = steps.run(lambda _ctx: outcome)
    assert (job.state, job.step, job.fence) == (state, step, "")
    due_set = "upload" if step is Step.UPLOAD else step
    due = steps.ledger.client.zscore(f"dropscore:due:{due_set}", "j1")
    assert due == (None if due_s is None else pytest.approx(steps.ledger.now() + due_s, abs=1))
    assert steps.result.exists() is job.ended
    assert steps.woken == len(steps.runs) == 1


def test_a_429_without_a_time_slows_its_kind_and_uses_up_no_attempt(steps: Steps) -> None:
    job = steps.fail(nemovideo.RateLimited())
    assert (job.state, job.attempts) == (State.WAITING, 0)
    assert job.until == steps.ledger.now() + steps.settings.rate_limit_wait_s
    assert steps.runtime.gates.closed() == {}
    assert int(steps.ledger.client.hget("dropscore:limit:upload", "limit")) < LIMITS["upload"].initial
    assert steps.ledger.client.hget("dropscore:limit:edit", "limit") is None


@pytest.mark.parametrize(("retry_after_s", "wait_s"), [(5.0, 5.0), (86_400.0, 600.0)])
def test_a_429_with_a_time_holds_everybody_until_then_but_no_longer_than_ten_minutes(
    steps: Steps, retry_after_s: float, wait_s: float
) -> None:
    job = steps.fail(nemovideo.RateLimited(retry_after_s=retry_after_s))
    assert (job.state, job.attempts) == (State.WAITING, 0)
    assert job.until == steps.ledger.now() + wait_s
    assert steps.runtime.gates.closed()[Gate.RATE].probe_at == steps.ledger.now() + wait_s


def test_an_error_that_closes_a_gate_parks_the_job_and_says_so_in_its_result(steps: Steps) -> None:
    job = steps.fail(nemovideo.OutOfCredits())
    assert (job.state, job.attempts, job.reason) == (State.PARKED, 0, "credits")
    assert Gate.CREDITS in steps.runtime.gates.closed()
    assert (steps.read_result()["state"], steps.read_result()["error"]["code"]) == ("parked", "gate_credits")


def test_a_passing_error_is_tried_again_until_its_attempts_are_used_up(steps: Steps) -> None:
    for attempt in range(1, 4):
        job = steps.fail(nemovideo.BadAnswer("no JSON"))
        assert (job.state, job.attempts) == (State.WAITING, attempt)
        assert not steps.result.exists()
        steps.wall.go(90)
    job = steps.fail(nemovideo.BadAnswer("no JSON"))
    assert job.state is State.FAILED
    assert steps.read_result()["error"]["code"] == "bad_answer"
    assert steps.read_result()["steps"][-1]["attempts"] == 4


def test_an_error_that_nobody_foresaw_is_tried_again_and_shows_nothing_of_itself(steps: Steps) -> None:
    job = steps.fail(RuntimeError("with nmv_usr_secret in it"))
    assert job.problem is not None
    assert (job.problem.code, "secret" in job.problem.message) == ("internal_error", False)
    assert [line["event"] for line in steps.logs if line["log_level"] == "error"] == ["unforeseen error"]


def test_a_store_that_is_away_costs_one_kind_of_line_and_no_file(steps: Steps) -> None:
    events = set()
    for _ in range(60):
        job = steps.fail(errors.SourceAway("/in is away"))
        assert job.state is State.WAITING
        events |= {line["event"] for line in steps.logs if line["log_level"] != "debug"}
        steps.wall.go(61)
    assert events == {"storage away; waiting for it"}


def test_a_job_that_kills_its_workers_is_given_up(steps: Steps) -> None:
    for _ in range(MAX_CRASHES):
        (due,) = steps.ledger.fetch_due(9, 30)
        assert steps.ledger.claim(due.job_id, due.step, "dead", 30)
        steps.wall.go(31)
    job = steps.run(lambda _ctx: Advance(Step.EDIT))
    assert (job.state, job.problem.code if job.problem else "") == (State.FAILED, "crashed")


def test_a_stop_uses_up_no_attempt(steps: Steps) -> None:
    job = steps.fail(nemovideo.Stopped())
    assert (job.state, job.step, job.attempts, job.problem) == (State.QUEUED, Step.UPLOAD, 0, None)


def test_short_steps_that_may_run_at_once_need_no_message_of_their_own(steps: Steps) -> None:
    ran = []

    def follow(step: Step, outcome: Outcome) -> Act:
        def act(ctx: Context) -> Outcome:
            ran.append((step, ctx.job.step, ctx.lease.fresh))
            return outcome

        return act

    steps.set(
        {
            Step.UPLOAD: follow(Step.UPLOAD, Advance(Step.VERIFY)),
            Step.VERIFY: follow(Step.VERIFY, Advance(Step.RENDER)),
            Step.RENDER: follow(Step.RENDER, Advance(Step.POLL, after_s=3)),
        }
    )
    Runner(steps.runtime).run(steps.admit(), Step.UPLOAD)
    assert ran == [(step, step, True) for step in (Step.UPLOAD, Step.VERIFY, Step.RENDER)]
    assert (steps.ledger.get("j1").state, steps.ledger.get("j1").step) == (State.WAITING, Step.POLL)
    assert [run.record.step for run in steps.runs if run.record] == [Step.UPLOAD, Step.VERIFY, Step.RENDER]
    assert steps.woken == 1


def test_a_worker_that_stops_begins_no_other_step(steps: Steps) -> None:
    def act(_ctx: Context) -> Outcome:
        steps.runtime.stopping.set()
        return Advance(Step.VERIFY)

    assert (steps.run(act).state, len(steps.runs)) == (State.QUEUED, 1)


def test_a_message_that_comes_again_changes_nothing(steps: Steps) -> None:
    before = steps.run(lambda _ctx: Advance(Step.EDIT))
    for step in Step:
        Runner(steps.runtime).run("j1", step)
        Runner(steps.runtime).run("nobody", step)
    assert steps.ledger.get("j1") == before
    assert len(steps.runs) == 1


def test_a_job_that_was_cancelled_meanwhile_stays_so(steps: Steps) -> None:
    def act(_ctx: Context) -> Outcome:
        steps.ledger.transition("j1", State.CANCELLED, among=[State.RUNNING])
        return Advance(Step.EDIT)

    assert steps.run(act).state is State.CANCELLED
    assert steps.read_result()["state"] == "cancelled"
    assert [line["event"] for line in steps.logs if line["log_level"] == "warning"] == ["stale write refused"]
    assert steps.runs == []


def test_a_ledger_that_goes_away_in_a_step_leaves_the_job_to_its_lease(steps: Steps) -> None:
    job = steps.fail(LedgerUnreachable("away"))
    assert job.state is State.RUNNING
    assert [line["event"] for line in steps.logs] == ["ledger away; the job goes on later"]
    steps.wall.go(31)
    assert steps.run(lambda _ctx: Advance(Step.EDIT)).step is Step.EDIT


def test_a_result_that_cannot_be_written_holds_up_nothing(steps: Steps) -> None:
    steps.result.mkdir()
    job = steps.fail(errors.NothingChanged("as before"))
    assert job.state is State.FAILED
    assert "result not written" in {line["event"] for line in steps.logs}


def test_what_failed_after_a_paid_edit_says_what_it_cost(steps: Steps) -> None:
    def act(ctx: Context) -> Outcome:
        sent = InstructionState(text="x", status=InstructionStatus.CLOSED, attempts=1)
        ctx.stage(instructions=(sent,), credits_before=100.0)
        raise nemovideo.UnsupportedFile(service_code=4001)

    job = steps.run(act)
    assert job.state is State.FAILED
    assert steps.read_result()["credits"] == {"before": 100, "after": None, "spent": 50}
