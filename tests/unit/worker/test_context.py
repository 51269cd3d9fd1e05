"""What a step is given: what is saved is in the ledger at once, what is staged goes with the next write."""

from types import SimpleNamespace

import pytest

from jobs.errors import LeaseLost
from jobs.ledger import Ledger
from jobs.model import Checkpoint, InstructionState, JobSpec, SessionRef, Step
from tests.unit.worker.conftest import Claim
from worker.context import Context

TWO = Checkpoint(
    session=SessionRef(session_id="s1"),
    instructions=(InstructionState(text="first"), InstructionState(text="second")),
    current=1,
)


def at_edit(claim: Claim, checkpoint: Checkpoint = TWO) -> Context:
    spec = JobSpec(source="/in/a.mp4", instructions=("first", "second"))
    return claim(Step.EDIT, SimpleNamespace(), checkpoint=checkpoint, spec=spec)


def test_what_is_saved_is_in_the_ledger_at_once(claim: Claim, ledger: Ledger) -> None:
    ctx = at_edit(claim)
    ctx.save(summary="two tracks")
    assert ledger.get("j1").checkpoint == ctx.checkpoint == TWO.evolve(summary="two tracks")


def test_what_is_staged_goes_with_the_next_write(claim: Claim, ledger: Ledger) -> None:
    ctx = at_edit(claim)
    ctx.stage(summary="two tracks")
    assert ledger.get("j1").checkpoint == TWO
    ctx.save(sha256="ab")
    assert ledger.get("j1").checkpoint == TWO.evolve(summary="two tracks", sha256="ab")


def test_of_the_instructions_the_current_one_is_changed(claim: Claim) -> None:
    ctx = at_edit(claim)
    assert ctx.stage_instruction(note="n").text == "second"
    assert [one.note for one in ctx.checkpoint.instructions] == ["", "n"]


def test_nothing_is_saved_for_another_worker(claim: Claim, ledger: Ledger) -> None:
    ctx = at_edit(claim)
    ledger.client.hset("dropscore:job:j1", "fence", "another")
    with pytest.raises(LeaseLost):
        ctx.save(summary="late")
    assert ledger.get("j1").checkpoint == TWO


def test_a_step_after_the_upload_needs_a_session(claim: Claim) -> None:
    assert at_edit(claim).session_id() == "s1"
    with pytest.raises(RuntimeError, match="without a session"):
        at_edit_without = Checkpoint(instructions=TWO.instructions)
        Context.session_id(SimpleNamespace(checkpoint=at_edit_without))  # type: ignore[arg-type]  # all it looks at
