"""Middleware: what a run of a step came to, and that a broken one is in nobody's way."""

import pytest
from structlog.testing import capture_logs

from jobs.model import Checkpoint, Job, JobSpec, Problem, State, Step, StepRecord
from worker.middleware import Middleware, MiddlewareStack, StepRun


def job(**changes: object) -> Job:
    spec = JobSpec(source="/in/a.mp4", skill="s", fingerprint="f", created=5.0)
    plain = Job(
        id="j1",
        spec=spec,
        state=State.RUNNING,
        step=Step.EDIT,
        fence="1",
        attempts=0,
        crashes=0,
        until=30,
        reason="",
        checkpoint=Checkpoint(),
        steps=(),
        problem=None,
        started=10,
        updated=10,
    )
    return plain.evolve(**changes)


RECORD = StepRecord(step=Step.EDIT, started=10, ended=14, attempts=1)
PROBLEM = Problem(code="no_music")


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (job(state=State.QUEUED, step=Step.VERIFY, steps=(RECORD,)), "through"),
        (job(state=State.DONE, steps=(RECORD,)), "done"),
        (job(state=State.FAILED, steps=(RECORD,), problem=PROBLEM), "failed"),
        (job(state=State.PARKED, problem=PROBLEM), "parked"),
        (job(state=State.WAITING, problem=PROBLEM), "retried"),
        (job(state=State.WAITING), "again"),
    ],
)
def test_a_run_has_one_outcome(after: Job, outcome: str) -> None:
    assert StepRun(job(), after).outcome == outcome


def test_a_run_that_ended_the_step_has_its_record_and_its_time() -> None:
    run = StepRun(job(), job(state=State.QUEUED, step=Step.VERIFY, steps=(RECORD,), updated=14))
    assert (run.record, run.took_s) == (RECORD, 4)
    assert StepRun(job(), job(state=State.WAITING, updated=9)).took_s == 0  # the clock was set back


@pytest.mark.parametrize("moment", ["before_step", "after_step"])
def test_one_that_breaks_is_logged_once_and_the_next_is_called_all_the_same(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counter(Middleware):
        calls = 0

    def break_down(_self: Middleware, _argument: object) -> None:
        raise RuntimeError("broken")

    def count(self: Counter, _argument: object) -> None:
        self.calls += 1

    class Broken(Middleware):
        """Raises each time it is called."""

    monkeypatch.setattr(Broken, moment, break_down)
    monkeypatch.setattr(Counter, moment, count)
    counter = Counter()
    stack = MiddlewareStack(Broken())
    stack.add(counter)
    with capture_logs() as logs:
        for _ in range(3):
            stack.before_step(job())
            stack.after_step(StepRun(job(), job()))
    assert counter.calls == 3
    assert [(line["event"], line["middleware"]) for line in logs] == [("middleware failed", "Broken")]
