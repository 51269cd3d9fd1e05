"""Flower is told of steps that ran in the message of another, and of no other."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobs.ledger import Ledger
from jobs.model import Job, Step
from tests.unit.jobs.actions import bring_to, claim_alone, submit
from worker import events
from worker.middleware import StepRun

Sent = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def job(ledger: Ledger) -> Job:
    submit(ledger, source="/in/private/clip.mp4")
    bring_to(ledger, "j1", Step.VERIFY)
    return claim_alone(ledger, "j1", Step.VERIFY)


def run_in(message: Any, job: Job, monkeypatch: pytest.MonkeyPatch) -> Sent:
    sent: Sent = []
    monkeypatch.setattr(events, "current_task", message)
    tell = events.StepEvents(lambda kind, **fields: sent.append((kind, fields)))
    tell.before_step(job)
    tell.after_step(StepRun(job, job))
    return sent


def test_a_step_that_ran_on_is_a_task_under_the_one_before(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    request = SimpleNamespace(id="m1", root_id="m1")
    sent = run_in(SimpleNamespace(name="dropscore.edit", request=request), job, monkeypatch)
    assert [kind for kind, _ in sent] == ["task-received", "task-started", "task-succeeded"]
    assert len({fields["uuid"] for _, fields in sent}) == 1
    received = sent[0][1]
    assert (received["name"], received["args"]) == ("dropscore.verify", "('j1', 'clip.mp4')")
    assert received["parent_id"] == "m1"
    assert sent[2][1]["runtime"] >= 0


@pytest.mark.parametrize("message", [None, SimpleNamespace(name="dropscore.verify")])
def test_what_celery_tells_of_itself_is_not_told_twice(
    job: Job, monkeypatch: pytest.MonkeyPatch, message: Any
) -> None:
    assert run_in(message, job, monkeypatch) == []
