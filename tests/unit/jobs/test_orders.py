"""Retry starts at the cheapest step, and pays for nothing that was sent (design, invariant 3)."""

from pathlib import Path

import pytest

from jobs import orders
from jobs.errors import NotAllowed
from jobs.gates import Gates
from jobs.ledger import Ledger, Move
from jobs.model import (
    Checkpoint,
    Gate,
    Job,
    Problem,
    RenderRef,
    SessionRef,
    Spec,
    State,
    Step,
    Turn,
    TurnStatus,
    UploadRef,
)

SENT = Turn(instruction="add music", status=TurnStatus.SENDING, before="d0", reads=5)
LANDED = SENT.evolve(status=TurnStatus.LANDED)


def reached(turn: Turn, render: RenderRef | None = None) -> Checkpoint:
    session = SessionRef(session_id="s1")
    return Checkpoint(session=session, sessions=1, upload=UploadRef(sha256="x"), turns=(turn,), render=render)


def ended(
    ledger: Ledger, folder: Path, step: Step, kind: str, point: Checkpoint, state: State = State.FAILED
) -> Job:
    spec = Spec(
        source="/in/a.mp4",
        root="",
        output="",
        result="",
        skill="s",
        instructions=("add music",),
        fingerprint="f",
    )
    ledger.submit("j1", spec, [f"{folder}/a.mp4"])
    job = ledger.claim("j1", Step.UPLOAD, "w", 30)
    assert job is not None
    assert ledger.move(job, Move(state, step, problem=Problem(kind=kind), attempts=4), point, ())
    return ledger.get("j1")


def test_a_failed_download_goes_on_at_the_download(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.DOWNLOAD, "DownloadBroken", reached(LANDED, RenderRef(render_id="r1")))
    assert orders.retry(ledger, "j1") is Step.DOWNLOAD
    job = ledger.get("j1")
    assert (job.state, job.attempts, job.problem) == (State.QUEUED, 0, None)
    assert job.checkpoint.render is not None
    assert [due.step for due in ledger.take_due(5)] == [Step.DOWNLOAD]


@pytest.mark.parametrize("kind", ["RenderFailed", "OutputBroken"])
def test_a_render_of_no_use_is_made_anew(ledger: Ledger, tmp_path: Path, kind: str) -> None:
    ended(ledger, tmp_path, Step.DOWNLOAD, kind, reached(LANDED, RenderRef(render_id="r1")))
    assert orders.retry(ledger, "j1") is Step.RENDER
    assert ledger.get("j1").checkpoint.render is None
    assert ledger.get("j1").checkpoint.turns == (LANDED,)


def test_an_unconfirmed_edit_is_looked_at_again_and_not_resent(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.EDIT, "Unconfirmed", reached(SENT), State.UNCONFIRMED)
    assert orders.retry(ledger, "j1") is Step.EDIT
    assert ledger.get("j1").checkpoint.turns == (SENT.evolve(reads=0),)


def test_resend_sends_it_again(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.EDIT, "Unconfirmed", reached(SENT), State.UNCONFIRMED)
    assert orders.retry(ledger, "j1", resend=True) is Step.EDIT
    job = ledger.get("j1")
    assert job.checkpoint.turns == (Turn(instruction="add music"),)
    assert job.checkpoint.session == SessionRef(session_id="s1")


def test_resend_after_a_lost_session_begins_anew(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.EDIT, orders.SESSION_GONE, reached(SENT), State.UNCONFIRMED)
    assert orders.retry(ledger, "j1", resend=True) is Step.UPLOAD
    assert ledger.get("j1").checkpoint == Checkpoint(turns=(Turn(instruction="add music"),))


def test_resend_does_not_repeat_what_landed(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.RENDER, "NothingToRender", reached(LANDED))
    assert orders.retry(ledger, "j1", resend=True) is Step.RENDER


def test_a_cancelled_job_has_its_result_and_can_be_retried(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.EDIT, "Unconfirmed", reached(SENT), State.UNCONFIRMED)
    orders.cancel(ledger, "j1")
    assert '"state": "cancelled"' in (tmp_path / "a.result.json").read_text()
    assert orders.retry(ledger, "j1") is Step.EDIT
    with pytest.raises(NotAllowed, match="is queued"):
        orders.retry(ledger, "j1")


def test_failed_jobs_are_chosen_by_their_class(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.EDIT, "NoMusic", reached(SENT))
    assert [job.id for job in orders.failed(ledger, "nomusic")] == ["j1"]
    assert list(orders.failed(ledger, "RenderFailed")) == []


def test_pause_closes_a_gate_that_only_resume_opens(ledger: Ledger) -> None:
    gates = Gates(ledger)
    assert orders.pause(gates) is True
    assert orders.pause(gates) is False
    assert orders.resume(gates, [Gate.CREDITS]) == {}
    assert orders.resume(gates) == {Gate.PAUSED: 0}
