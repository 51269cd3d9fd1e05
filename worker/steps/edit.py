"""Edit: one instruction, sent once. The only place where money is spent (api-contract 3.3 to 3.5).

The order is: a permit of the rate limiter, a fresh lease, `sending` on disk, the first byte. A job that is
found in `sending` is not sent again: its timeline is read back until it shows the edit.
"""

from contextlib import suppress

import structlog

from jobs.errors import LedgerError, NotDurable
from jobs.model import InstructionState, InstructionStatus, Step
from nemovideo import Draft, EditReply, NemoVideoError, StreamEvent, Tool
from nemovideo.errors import (
    ExportBlocked,
    OutOfCredits,
    RateLimited,
    ServerError,
    SessionNotFound,
    Stopped,
    TokenRefused,
)
from worker.agent_text import (
    Action,
    asks_for_music,
    describe_tool,
    is_question,
    translate,
    without_export,
)
from worker.context import Context
from worker.credits import record_spending, reserve_credits
from worker.delivery import ensure_room
from worker.outcome import Advance, Outcome, Reschedule, Unconfirmed

log = structlog.get_logger()

CLOSES_GATE = (ExportBlocked, OutOfCredits, RateLimited)
LATE_REFUSALS = (*CLOSES_GATE, SessionNotFound, TokenRefused)

FOLLOW_UP = "choose what fits best and go on"
"""What is sent to an agent that asks instead of editing; nobody sits there to answer."""

LAY_DOWN = "put the clip you made on the timeline, with the music"
"""What is sent in its place where a video is made from words: a clip was made, and the timeline is empty."""

MAX_REPLAYS = 20
"""So often a message is sent again to a service that charges it once."""
MAX_SENDS_AFTER_FAILURE = 2
MAX_SENDS_AFTER_REFUSAL = 5


def edit(ctx: Context) -> Outcome:
    """Carry out the current instruction: by API where it is routed so (api-contract 5), else by SSE, once.

    Raises what the client raises for a refusal; the instruction was not taken then, and may be sent later.
    """
    one = ctx.instruction
    if Action(one.action) is not Action.EDIT:
        return run_locally(ctx, one)
    if one.status is InstructionStatus.SENDING:
        return read_back(ctx, one)
    if one.status is not InstructionStatus.PENDING:
        return Advance(Step.VERIFY)
    return send_once(ctx, one)


def send_once(ctx: Context, one: InstructionState) -> Outcome:
    """Send a pending instruction, unless the timeline shows it already; this is what costs credits."""
    draft = ctx.client.state(ctx.session_id()).draft
    if has_landed_unseen(ctx, one, draft):
        return confirm_edit(ctx)
    ensure_room(ctx.job, ctx.settings)
    reserve_credits(ctx)
    wait_for_permit(ctx)
    ctx.lease.ensure_fresh()
    sending = ctx.instructions_with(
        status=InstructionStatus.SENDING,
        before=draft.digest if draft else "",
        attempts=one.attempts + 1,
        reads=0,
    )
    try:
        ctx.save(before_draft=draft.raw if draft else None, instructions=sending, durable=True)
    except NotDurable as exc:
        ctx.stage_instruction(status=InstructionStatus.PENDING, attempts=one.attempts)
        ctx.limits.budget.commit(ctx.job.id, paid=False)
        return Reschedule(5.0, str(exc))
    return follow_stream(ctx)


def follow_stream(ctx: Context) -> Outcome:
    """Send the current instruction, which is recorded as sent, and act on how its stream ends."""
    ctx.lease.ensure_fresh()
    try:
        reply = send_instruction(ctx)
    except NemoVideoError as exc:
        if not exc.outcome_unknown:
            revert_to_pending(ctx)
            raise
        return on_stream_lost(ctx, exc)
    return on_stream_closed(ctx, reply)


def wait_for_permit(ctx: Context) -> None:
    """Wait until the rate limiter lets a message leave, while nothing is recorded as sent.

    Raises Stopped: nothing was sent, and nothing stays set aside for it.
    """
    try:
        if ctx.limits.rate is not None:
            ctx.limits.rate.wait()
        if ctx.should_stop():
            raise Stopped
    except Stopped:
        ctx.lease.ensure_fresh()  # else it is set aside for the worker that has the job now
        ctx.limits.budget.commit(ctx.job.id, paid=False)
        raise


def run_locally(ctx: Context, one: InstructionState) -> Outcome:
    """Answer an instruction that is no edit, without sending it (api-contract 5)."""
    replies: tuple[str, ...] = ()
    if Action(one.action) is Action.CREDITS:
        credits = ctx.client.balance()
        replies = (
            f"Credits: {credits.available} available, {credits.frozen} reserved, {credits.total} in all.",
        )
    elif Action(one.action) is Action.STATUS:
        draft = ctx.client.state(ctx.session_id()).draft
        replies = (draft.summary() if draft else "The timeline is empty.",)
    ctx.stage_instruction(status=InstructionStatus.SKIPPED, replies=replies)
    return Advance(Step.VERIFY)


def has_landed_unseen(ctx: Context, one: InstructionState, draft: Draft | None) -> bool:
    """Tell whether the timeline shows an edit of which the ledger knows nothing.

    One that was refused with an error of the service and landed all the same; or one whose record was lost
    with the last writes of a Redis server that came back older than it was.
    """
    digest = draft.digest if draft else ""
    if one.before is not None:
        return digest != one.before
    before = ctx.checkpoint.after_upload
    return bool(
        before
        and ctx.checkpoint.current == 0
        and digest != before
        and asks_for_music(one.text)
        and draft
        and draft.has_music
    )


def send_instruction(ctx: Context) -> EditReply:
    """Send the message, which is paid, and follow its stream to the end."""
    one = ctx.instruction

    doing = ""

    def note(event: StreamEvent) -> None:
        nonlocal doing
        if isinstance(event, Tool) and not event.result:
            doing = describe_tool(event.name) or doing

    def report(for_s: float) -> None:
        name = ctx.job.spec.name
        log.info("still working", job=ctx.job.id, file=name, step="edit", for_s=round(for_s), doing=doing)
        if doing != ctx.instruction.doing:
            with suppress(LedgerError):  # it is for a screen alone: the stream goes on
                ctx.save(instructions=ctx.instructions_with(doing=doing))

    follow_up = (
        LAY_DOWN if ctx.job.spec.is_from_words and not is_question(" ".join(one.replies[-1:])) else FOLLOW_UP
    )
    ctx.lease.sending = True
    try:
        return ctx.client.edit(
            ctx.session_id(),
            follow_up if one.follow_ups else without_export(one.text),
            idempotency_key=make_idempotency_key(ctx) if is_idempotent(ctx) else None,
            on_event=note,
            on_still_working=report,
            on_started=ctx.limits.edits.accept,
            should_stop=ctx.should_stop,
        )
    finally:
        ctx.lease.sending = False


def is_idempotent(ctx: Context) -> bool:
    """Tell whether the service promises to charge an edit with a known key only once (the studio does)."""
    return ctx.checkpoint.session is not None and ctx.checkpoint.session.idempotent


def make_idempotency_key(ctx: Context) -> str:
    """Name the message: the same one has the same key, however often it is sent."""
    one = ctx.instruction
    return f"{ctx.job.id}-{ctx.checkpoint.current}-{one.follow_ups}-{one.attempts}"


def revert_to_pending(ctx: Context) -> None:
    """The instruction was not taken; ``before`` stays, it guards against an edit that landed all the same."""
    ctx.stage_instruction(status=InstructionStatus.PENDING)
    ctx.limits.budget.commit(ctx.job.id, paid=False)


def on_stream_lost(ctx: Context, error: NemoVideoError) -> Outcome:
    """The outcome is unknown: read the timeline back, and send nothing again (api-contract 3.5).

    An error of the service without any event may mean that nothing was taken: after all looks at an
    unchanged timeline, and only then, the message may be sent once more.
    """
    log.warning("stream lost; nothing is sent again", job=ctx.job.id, cause=str(error))
    resends = MAX_SENDS_AFTER_FAILURE if isinstance(error, ServerError) and error.service_code != 504 else 0
    ctx.stage_instruction(note=str(error), max_attempts=resends, stream_lost=True)
    return Reschedule(ctx.settings.disconnect_waits_s[0], "reading back a lost edit")


def on_stream_closed(ctx: Context, reply: EditReply) -> Outcome:
    """The stream ended as it should; whether the edit landed is for the timeline to show."""
    code = reply.error.service_code if reply.error else None
    refusal = ctx.client.refusal(code, ctx.session_id()) if code else None
    if isinstance(refusal, LATE_REFUSALS):
        return on_late_refusal(ctx, refusal)
    texts = tuple(text for text in map(translate, reply.texts) if text)
    note = f"the agent reported: {reply.error.message}" if reply.error else ""
    ctx.stage_instruction(
        status=InstructionStatus.CLOSED, replies=(*ctx.instruction.replies, *texts), note=note, reads=0
    )
    return Advance(Step.VERIFY, paid=True)


def on_late_refusal(ctx: Context, refusal: NemoVideoError) -> Outcome:
    """A refusal after the agent had begun: the timeline is read back before the message may be sent again.

    Raises ``refusal`` if it closes a gate; the reading back begins when that opens.
    """
    ctx.stage_instruction(max_attempts=MAX_SENDS_AFTER_REFUSAL)
    if isinstance(refusal, CLOSES_GATE):
        raise refusal
    return Reschedule(ctx.settings.disconnect_waits_s[0], "reading back a refused edit")


def confirm_edit(ctx: Context) -> Outcome:
    """The timeline shows an edit whose stream told us nothing."""
    ctx.stage_instruction(status=InstructionStatus.CLOSED, stream_lost=True, reads=0)
    return Advance(Step.VERIFY, paid=True)


def read_back(ctx: Context, one: InstructionState) -> Outcome:
    """A sent instruction whose outcome is unknown: read the state, five times by default."""
    waits = ctx.settings.disconnect_waits_s
    draft = ctx.client.state(ctx.session_id()).draft
    if (draft.digest if draft else "") != one.before:
        return confirm_edit(ctx)
    reads = one.reads + 1
    ctx.stage_instruction(reads=reads)
    if is_idempotent(ctx) and reads <= MAX_REPLAYS:
        return follow_stream(ctx)
    if reads < len(waits):
        return Reschedule(waits[reads], "reading back a lost edit")
    if one.attempts < one.max_attempts:
        revert_to_pending(ctx)
        return Reschedule(0.0, "not taken, as the timeline shows; sending once more")
    ctx.limits.budget.commit(ctx.job.id, paid=True)  # it may have been charged: count it
    record_spending(ctx)
    return Unconfirmed(
        f"The instruction was sent, its stream was lost, and {reads} looks at the timeline show no change.",
        "It may still land: 'dropscore retry JOB' looks again and pays nothing; "
        "'dropscore retry JOB --resend' sends it again, which may be charged twice.",
    )
