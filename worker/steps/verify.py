"""Verify: the timeline decides whether an edit landed; words and a close mean nothing (api-contract 3.4)."""

from jobs.model import InstructionState, InstructionStatus, Step
from nemovideo import Draft, changes
from worker.agent_text import Action, asks_for_music, is_question
from worker.context import Context
from worker.credits import record_spending
from worker.errors import AgentAsked, AgentFailed, NoMusic, NothingChanged, StepError
from worker.outcome import Advance, Done, Outcome, Reschedule

SETTLING_READS = 2
SETTLING_S = 3.0
"""How often, and how far apart, an unchanged timeline is read again after a stream that closed well."""


def verify(ctx: Context) -> Outcome:
    """Compare the timeline before and after, note what changed, and choose what comes next.

    Raises NothingChanged, AgentAsked, AgentFailed, NoMusic: such an edit is not rendered.
    """
    one = ctx.instruction
    if one.status in {InstructionStatus.PENDING, InstructionStatus.SENDING}:
        return Advance(Step.EDIT)  # the step was left between two instructions
    if one.status is not InstructionStatus.CLOSED:
        return choose_next_step(ctx)
    state = ctx.client.state(ctx.session_id())
    draft = state.draft
    before = Draft(ctx.checkpoint.before_draft) if ctx.checkpoint.before_draft is not None else None
    if ctx.job.spec.is_from_words and state.generated_media and not (draft and draft.ready):
        return on_generated(ctx, one, draft)
    if draft is None or draft.digest == one.before:
        return on_unchanged(ctx, one)
    if asks_for_music(one.text) and not draft.has_music:
        return read_again(ctx, one) or fail(ctx, NoMusic, "Music was asked for, and no audio track came.")
    landed = ctx.instructions_with(
        status=InstructionStatus.LANDED,
        changes=(*one.changes, *changes(before, draft)),
        replies=(*one.replies, f"T{one.note[1:]}.")
        if one.note.startswith("the agent reported")
        else one.replies,
    )
    ctx.stage(instructions=landed, draft=draft.raw, summary=draft.summary(), before_draft=None)
    return choose_next_step(ctx)


def on_generated(ctx: Context, one: InstructionState, draft: Draft | None) -> Outcome:
    """The service made a clip and did not lay it on the timeline: wait for it, then ask for that (paid).

    Raises NothingChanged when it was asked for as often as is allowed.
    """
    again = read_again(ctx, one)
    if again is not None:
        return again
    if one.follow_ups >= ctx.settings.follow_ups:
        return fail(ctx, NothingChanged, "A clip was made, and nothing was laid on the timeline.")
    ctx.stage_instruction(
        status=InstructionStatus.PENDING,
        before=draft.digest if draft else "",
        follow_ups=one.follow_ups + 1,
        reads=0,
        max_attempts=0,
    )
    return Advance(Step.EDIT)


def on_unchanged(ctx: Context, one: InstructionState) -> Outcome:
    """The timeline is as before: read it again, then answer a question of the agent, then give up."""
    again = read_again(ctx, one)
    if again is not None:
        return again
    asked = any(map(is_question, one.replies[-1:]))
    if asked and one.follow_ups < ctx.settings.follow_ups:
        ctx.stage_instruction(
            status=InstructionStatus.PENDING, follow_ups=one.follow_ups + 1, reads=0, max_attempts=0
        )
        return Advance(Step.EDIT)
    if asked:
        return fail(ctx, AgentAsked, "The agent asked a question instead of editing.")
    if one.note:
        return fail(ctx, AgentFailed, f"Nothing was edited: {one.note}.")
    return fail(ctx, NothingChanged, "The edit left the timeline as it was.")


def read_again(ctx: Context, one: InstructionState) -> Outcome | None:
    """A timeline may lag behind its stream; after a lost one it gets all the looks of api-contract 3.5.

    So does a video that is made from words, which takes the service minutes.
    """
    waits, is_slow = ctx.settings.disconnect_waits_s, one.stream_lost or ctx.job.spec.is_from_words
    if one.reads >= (len(waits) if is_slow else SETTLING_READS):
        return None
    ctx.stage_instruction(reads=one.reads + 1)
    wait_s = waits[one.reads] if is_slow else min(waits[0], SETTLING_S)
    return Reschedule(wait_s, "timeline unchanged")


def fail(ctx: Context, kind: type[StepError], message: str) -> Outcome:
    """Raise an error with what the agent answered; the edit may have been paid."""
    record_spending(ctx)
    answer = " ".join(ctx.instruction.replies).strip()
    raise kind(f"{message} It answered: {answer}" if answer else message)


def choose_next_step(ctx: Context) -> Outcome:
    """Go on to the next instruction, to the render, or to the end if only questions were asked."""
    point = ctx.checkpoint
    if point.current + 1 < len(point.instructions):
        ctx.stage(current=point.current + 1)
        return Advance(Step.EDIT)
    record_spending(ctx)
    if all(Action(one.action) not in {Action.EDIT, Action.EXPORT} for one in point.instructions):
        return Done()  # the answer is in the result
    return Advance(Step.RENDER)
