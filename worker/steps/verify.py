"""Verify: the timeline decides whether an edit landed; words and a close say nothing (api-contract 3.4)."""

from jobs.model import Step, Turn, TurnStatus
from nemo import Action, Draft, asks_for_music, changes, is_question
from worker.context import Context
from worker.errors import AgentAsked, AgentFailed, NoMusic, NothingChanged
from worker.outcome import Advance, Again, Done, Outcome

SETTLING = 2
"""How often an unchanged timeline is looked at again after a stream that closed as it should."""


def verify(ctx: Context) -> Outcome:
    """Compare the timeline before and after, say what changed, and choose what comes next.

    Raises NothingChanged, AgentAsked, AgentFailed, NoMusic: such an edit is not rendered.
    """
    turn = ctx.turn
    if turn.status in {TurnStatus.PENDING, TurnStatus.SENDING}:
        return Advance(Step.EDIT)  # the step was left between two instructions
    if turn.status is not TurnStatus.CLOSED:
        return _next(ctx)
    draft = ctx.client.state(ctx.session_id()).draft
    before = Draft(ctx.point.before_draft) if ctx.point.before_draft is not None else None
    if draft is None or draft.digest == turn.before:
        return _unchanged(ctx, turn)
    if asks_for_music(turn.instruction) and not draft.has_music:
        return _look_again(ctx, turn) or _fail(NoMusic, turn, "Music was asked for, and no audio track came.")
    landed = ctx.turns_with(status=TurnStatus.LANDED, changes=(*turn.changes, *changes(before, draft)))
    ctx.note(turns=landed, draft=draft.raw, summary=draft.summary(), before_draft=None)
    return _next(ctx)


def _unchanged(ctx: Context, turn: Turn) -> Outcome:
    asked = any(map(is_question, turn.texts[-1:]))
    if asked and turn.follow_ups < ctx.settings.follow_ups:
        ctx.note_turn(status=TurnStatus.PENDING, follow_ups=turn.follow_ups + 1, before=None, reads=0)
        return Advance(Step.EDIT)
    if asked:
        return _fail(AgentAsked, turn, "The agent asked a question instead of editing.")
    if turn.note:
        return _look_again(ctx, turn) or _fail(AgentFailed, turn, f"Nothing was edited: {turn.note}.")
    return _look_again(ctx, turn) or _fail(NothingChanged, turn, "The edit left the timeline as it was.")


def _look_again(ctx: Context, turn: Turn) -> Outcome | None:
    """A timeline may lag behind its stream; after a lost one it gets all the looks of `api-contract 3.5`."""
    waits = ctx.settings.disconnect_waits_s
    looks = len(waits) if turn.lost else SETTLING
    if turn.reads >= looks:
        return None
    ctx.note_turn(reads=turn.reads + 1)
    return Again(
        waits[min(turn.reads, len(waits) - 1)] if turn.lost else min(waits[0], 3.0), "timeline unchanged"
    )


def _spent(ctx: Context, difference: float) -> float:
    """What this file cost: the balance's difference if no other was edited meanwhile, else an estimate."""
    edits = sum(1 + turn.follow_ups for turn in ctx.point.turns if Action(turn.action) is Action.EDIT)
    first = ctx.point.edits_before
    if first is not None and ctx.limits.budget.spending().edits - first == edits - 1:
        return difference
    return min(difference, float(edits * ctx.settings.edit_credits))


def _fail(kind: type[Exception], turn: Turn, message: str) -> Outcome:
    said = " ".join(turn.texts).strip()
    raise kind(f"{message} It said: {said}" if said else message)


def _next(ctx: Context) -> Outcome:
    point = ctx.point
    if point.turn + 1 < len(point.turns):
        ctx.note(turn=point.turn + 1)
        return Advance(Step.EDIT)
    if point.credits_before is not None and point.credits_after is None:
        after = ctx.client.balance().available
        ctx.note(credits_after=after, credits_spent=_spent(ctx, point.credits_before - after))
    if all(Action(turn.action) not in {Action.EDIT, Action.EXPORT} for turn in point.turns):
        return Done()  # only questions were asked (credits, status): the answer is in the result
    return Advance(Step.RENDER)
