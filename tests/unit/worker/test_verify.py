"""Verifying: the timeline decides, and it is read again before anything is given up or sent."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobs.model import Checkpoint, InstructionState, InstructionStatus, JobSpec, SessionRef, Step
from nemovideo import Draft, NemoVideoError
from tests.unit.worker.conftest import Claim
from worker.context import Context
from worker.errors import AgentAsked, AgentFailed, NoMusic, NothingChanged
from worker.outcome import Advance, Done, Reschedule
from worker.steps.verify import SETTLING_READS, verify

VIDEO = {"tt": 0, "sg": [{"d": 1000}]}
MUSIC = {"tt": 1, "sg": [{"d": 1000}]}
BEFORE, WITH_MUSIC, WITH_TITLE = (
    {"t": [VIDEO], "d": 1000},
    {"t": [VIDEO, MUSIC], "d": 1000},
    {"t": [VIDEO, {"tt": 7, "sg": [{"d": 500}]}], "d": 1000},
)
QUESTION = "Which mood would you like?"


class Timeline:
    """A service that shows one timeline after the other; the last one stays."""

    def __init__(self, *drafts: dict[str, Any]) -> None:
        self.drafts, self.looks = list(drafts), 0

    def state(self, _session_id: str) -> Any:
        self.looks += 1
        raw = self.drafts.pop(0) if len(self.drafts) > 1 else self.drafts[0]
        return SimpleNamespace(draft=Draft(raw))

    def balance(self) -> Any:
        raise NemoVideoError("not asked")


def at_verify(claim: Claim, timeline: Timeline, *texts: str, **changes: Any) -> Context:
    texts = texts or ("add calm music",)
    sent = {"status": InstructionStatus.CLOSED, "before": Draft(BEFORE).digest, "attempts": 1} | changes
    instructions = (
        InstructionState(text=texts[0]).evolve(**sent),
        *(InstructionState(text=text) for text in texts[1:]),
    )
    checkpoint = Checkpoint(
        session=SessionRef(session_id="s"), instructions=instructions, before_draft=BEFORE
    )
    spec = JobSpec(source="/in/a.mp4", instructions=texts)
    return claim(Step.VERIFY, timeline, checkpoint=checkpoint, spec=spec)


def verify_to_end(ctx: Context) -> Any:
    """Verify again for as long as it asks to."""
    while True:
        outcome = verify(ctx)
        if not isinstance(outcome, Reschedule):
            return outcome


def test_a_timeline_with_music_goes_on_to_the_render(claim: Claim) -> None:
    ctx = at_verify(claim, Timeline(WITH_MUSIC))
    assert verify(ctx) == Advance(Step.RENDER)
    assert ctx.instruction.status is InstructionStatus.LANDED
    assert ctx.checkpoint.draft == WITH_MUSIC
    assert ctx.checkpoint.before_draft is None


@pytest.mark.parametrize("stale", range(1, SETTLING_READS + 1))
def test_a_question_is_answered_only_when_the_timeline_has_settled(claim: Claim, stale: int) -> None:
    timeline = Timeline(*[BEFORE] * stale, WITH_MUSIC)
    ctx = at_verify(claim, timeline, replies=(QUESTION,))
    assert verify_to_end(ctx) == Advance(Step.RENDER), "the edit had landed: a follow-up would be paid"
    assert ctx.instruction.follow_ups == 0


def test_a_question_that_stands_is_answered_once_and_then_it_fails(claim: Claim) -> None:
    timeline = Timeline(BEFORE)
    ctx = at_verify(claim, timeline, replies=(QUESTION,))
    assert verify_to_end(ctx) == Advance(Step.EDIT)
    assert timeline.looks == SETTLING_READS + 1
    assert (ctx.instruction.status, ctx.instruction.follow_ups) == (InstructionStatus.PENDING, 1)
    ctx.stage_instruction(status=InstructionStatus.CLOSED)
    with pytest.raises(AgentAsked, match="asked a question"):
        verify_to_end(ctx)


def test_after_a_lost_stream_it_gets_all_the_looks(claim: Claim) -> None:
    timeline = Timeline(BEFORE)
    ctx = at_verify(claim, timeline, stream_lost=True)
    with pytest.raises(NothingChanged):
        verify_to_end(ctx)
    assert timeline.looks == len(ctx.settings.disconnect_waits_s) + 1


def test_what_the_agent_reported_is_why_it_failed(claim: Claim) -> None:
    ctx = at_verify(claim, Timeline(BEFORE), note="the agent reported: boom", replies=("Sorry.",))
    with pytest.raises(
        AgentFailed, match=r"Nothing was edited: the agent reported: boom\. It answered: Sorry\."
    ):
        verify_to_end(ctx)


def test_a_change_without_music_is_not_rendered_when_music_was_asked_for(claim: Claim) -> None:
    with pytest.raises(NoMusic):
        verify_to_end(at_verify(claim, Timeline(WITH_TITLE)))


def test_music_that_comes_a_moment_after_the_first_change_is_waited_for(claim: Claim) -> None:
    ctx = at_verify(claim, Timeline(WITH_TITLE, WITH_MUSIC))
    assert verify_to_end(ctx) == Advance(Step.RENDER)


def test_the_next_instruction_comes_after_this_one(claim: Claim) -> None:
    ctx = at_verify(claim, Timeline(WITH_MUSIC), "add calm music", "add a title")
    assert verify(ctx) == Advance(Step.EDIT)
    assert ctx.instruction.text == "add a title"


@pytest.mark.parametrize("status", [InstructionStatus.PENDING, InstructionStatus.SENDING])
def test_what_was_not_sent_or_may_have_been_goes_back_to_the_edit(
    claim: Claim, status: InstructionStatus
) -> None:
    timeline = Timeline(WITH_MUSIC)
    assert verify(at_verify(claim, timeline, status=status)) == Advance(Step.EDIT)
    assert timeline.looks == 0


def test_questions_alone_need_no_render(claim: Claim) -> None:
    ctx = at_verify(claim, Timeline(BEFORE), "credits", status=InstructionStatus.SKIPPED, action="credits")
    assert verify(ctx) == Done()


class Maker:
    """A service that made a clip and does not lay it on the timeline."""

    def state(self, _session_id: str) -> Any:
        return SimpleNamespace(draft=None, generated_media=({"type": "video"},))

    def balance(self) -> Any:
        raise NemoVideoError("not asked")


def at_made(claim: Claim, **changes: Any) -> Context:
    sent = {"status": InstructionStatus.CLOSED, "before": "", "attempts": 1} | changes
    asked = InstructionState(text="create a video with background music: rain").evolve(**sent)
    checkpoint = Checkpoint(session=SessionRef(session_id="s"), instructions=(asked,))
    spec = JobSpec(source="text://rain", instructions=(asked.text,))
    return claim(Step.VERIFY, Maker(), checkpoint=checkpoint, spec=spec)


def test_a_clip_that_lies_on_no_timeline_is_waited_for_and_then_asked_for(claim: Claim) -> None:
    ctx = at_made(claim)
    waits = [verify(ctx) for _ in ctx.settings.disconnect_waits_s]
    assert [type(wait) for wait in waits] == [Reschedule] * len(ctx.settings.disconnect_waits_s)
    assert verify(ctx) == Advance(Step.EDIT)
    one = ctx.instruction
    assert (one.status, one.follow_ups, one.before, one.reads) == (InstructionStatus.PENDING, 1, "", 0)


def test_a_clip_is_asked_for_no_more_often_than_is_allowed(claim: Claim) -> None:
    ctx = at_made(claim, follow_ups=1, reads=99)
    with pytest.raises(NothingChanged, match="A clip was made, and nothing was laid on the timeline"):
        verify(ctx)
