"""Edit: one instruction, sent once (design, invariant 3; api-contract 3.3 to 3.5)."""

import structlog

from jobs.model import Step, Turn, TurnStatus
from nemo import Action, EditReply, NemoError, translate, without_export
from nemo.errors import ExportBlocked, OutOfCredits, RateLimited, SessionNotFound, TokenRefused
from worker.context import Context
from worker.errors import BudgetReached, FileBudget
from worker.outbox import ensure_room
from worker.outcome import Advance, Again, Outcome, Unconfirmed, in_line
from worker.progress import still_working

log = structlog.get_logger()

_GATED = (ExportBlocked, OutOfCredits, RateLimited)
_REFUSALS = (*_GATED, SessionNotFound, TokenRefused)

FOLLOW_UP = "choose what fits best and go on"
"""What is said to an agent that asks instead of editing; nobody sits there to answer."""


def edit(ctx: Context) -> Outcome:
    """Carry out the instruction in work: by API where it is routed so (api-contract 5), else by SSE, once.

    Raises what `nemo` raises for a refusal; the instruction was not taken then, and may be sent later.
    """
    turn = ctx.turn
    if Action(turn.action) is not Action.EDIT:
        return _routed(ctx, turn)
    if turn.status is TurnStatus.SENDING:
        return _read_back(ctx, turn)
    if turn.status is TurnStatus.PENDING:
        return _send(ctx, turn)
    return Advance(Step.VERIFY)


def _routed(ctx: Context, turn: Turn) -> Outcome:
    action = Action(turn.action)
    texts: tuple[str, ...] = ()
    if action is Action.CREDITS:
        credits = ctx.client.balance()
        texts = (
            f"Credits: {credits.available} available, {credits.frozen} reserved, {credits.total} in all.",
        )
    elif action is Action.STATUS:
        draft = ctx.client.state(ctx.session_id()).draft
        texts = (draft.summary() if draft else "The timeline is empty.",)
    ctx.note_turn(status=TurnStatus.SKIPPED, texts=texts)
    return Advance(Step.VERIFY)


def _send(ctx: Context, turn: Turn) -> Outcome:
    draft = ctx.client.state(ctx.session_id()).draft
    digest = draft.digest if draft else ""
    if turn.before is not None and turn.before != digest:
        # An earlier try was refused with an error of the service, and its edit landed all the same.
        return _landed(ctx, turn)
    if not ctx.limits.edits.take(ctx.job.id):
        return in_line("an edit")
    ensure_room(ctx.job, ctx.settings)
    _afford(ctx)
    sending = ctx.turns_with(status=TurnStatus.SENDING, before=digest, reads=0)
    ctx.keep(before_draft=draft.raw if draft else None, turns=sending)
    ctx.lease.ensure_fresh()
    try:
        reply = _spoken(ctx, turn)
    except NemoError as error:
        if not error.outcome_unknown:
            _refused(ctx)
            raise
        log.warning("stream lost; nothing is sent again", job=ctx.job.id, cause=str(error))
        ctx.note_turn(note=str(error))
        return Again(ctx.settings.disconnect_waits_s[0], "reading back a lost edit")
    return _closed(ctx, turn, reply)


def _spoken(ctx: Context, turn: Turn) -> EditReply:
    """Send the message and follow its stream to the end; a long one says that it still works."""
    hear = still_working(
        ctx.now, lambda for_s: log.info("still working", job=ctx.job.id, step="edit", for_s=round(for_s))
    )
    message = FOLLOW_UP if turn.follow_ups else without_export(turn.instruction)
    return ctx.client.edit(ctx.session_id(), message, on_event=hear, should_stop=ctx.should_stop)


def _refused(ctx: Context) -> None:
    """The instruction was not taken; ``before`` stays, it guards against an edit that landed all the same."""
    ctx.note_turn(status=TurnStatus.PENDING, refused=False)
    ctx.limits.budget.settle(ctx.job.id, paid=False)


def _landed(ctx: Context, turn: Turn) -> Outcome:
    """The timeline shows an edit whose stream told us nothing."""
    ctx.limits.budget.settle(ctx.job.id, paid=True)
    ctx.note_turn(status=TurnStatus.CLOSED, lost=True)
    return Advance(Step.VERIFY)


def _afford(ctx: Context) -> None:
    """Look at the balance and the budgets before the paid call; raises before anything is sent."""
    price, spec = ctx.settings.edit_credits, ctx.job.spec
    paid = sum(1 + turn.follow_ups for turn in ctx.point.turns[: ctx.point.turn] if turn.action == "edit")
    if spec.max_credits is not None and (paid + 1 + ctx.turn.follow_ups) * price > spec.max_credits:
        raise FileBudget(
            f"{spec.max_credits} credits are allowed for this file; its next edit would exceed them"
        )
    credits = ctx.client.afford(price, ctx.session_id())
    reserved, spending = ctx.limits.budget.reserve(ctx.job.id, price, credits.available)
    if not reserved:
        raise BudgetReached(f"another edit would exceed the budget of {spending.limit or 0:.0f} credits")
    if ctx.point.credits_before is None:
        alone = spending.aside <= price
        ctx.note(credits_before=credits.available, edits_before=spending.edits if alone else None)


def _closed(ctx: Context, turn: Turn, reply: EditReply) -> Outcome:
    code = reply.error.code if reply.error else None
    refusal = ctx.client.refusal(code, ctx.session_id()) if code else None
    if isinstance(refusal, _REFUSALS):
        return _broken_off(ctx, refusal)
    texts = tuple(text for text in map(translate, reply.texts) if text)
    ctx.note_turn(status=TurnStatus.CLOSED, texts=(*turn.texts, *texts), note=_said(reply))
    ctx.limits.budget.settle(ctx.job.id, paid=True)
    return Advance(Step.VERIFY)


def _broken_off(ctx: Context, refusal: NemoError) -> Outcome:
    """A refusal after the agent had begun: the timeline is read back before the message may be sent again.

    Raises ``refusal`` if it closes a gate; the reading back begins when that opens.
    """
    ctx.note_turn(refused=True)
    if isinstance(refusal, _GATED):
        raise refusal
    return Again(ctx.settings.disconnect_waits_s[0], "reading back a refused edit")


def _said(reply: EditReply) -> str:
    return f"the agent reported: {reply.error.message}" if reply.error else ""


def _read_back(ctx: Context, turn: Turn) -> Outcome:
    """A sent instruction whose stream was lost: read the state, five times at the most, never resend."""
    waits = ctx.settings.disconnect_waits_s
    draft = ctx.client.state(ctx.session_id()).draft
    if (draft.digest if draft else "") != turn.before:
        return _landed(ctx, turn)
    reads = turn.reads + 1
    ctx.note_turn(reads=reads)
    if reads < len(waits):
        return Again(waits[reads], "reading back a lost edit")
    if turn.refused:
        _refused(ctx)
        return Again(0, "refused, and nothing came of it")
    ctx.limits.budget.settle(ctx.job.id, paid=True)  # it may have been charged: count it
    return Unconfirmed(
        f"The instruction was sent, its stream was lost, and {reads} looks at the timeline show no change.",
        "It may still land: 'dropscore retry JOB' looks again and pays nothing; "
        "'dropscore retry JOB --resend' sends it again, which may be charged twice.",
    )
