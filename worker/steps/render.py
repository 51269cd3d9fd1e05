"""Render: submitted once, under an id that is kept before it is used (api-contract 2.7)."""

from uuid import uuid4

from jobs.model import RenderRef, Step
from jobs.orders import SESSION_GONE
from nemo import Draft
from nemo.errors import BadRequest, DuplicateRender, RenderNotFound
from worker.context import Context
from worker.errors import NothingToRender
from worker.outcome import Advance, Outcome, Unconfirmed, in_line

_MOVED = "The editing session is gone, and a new one refuses the timeline that was paid for."
_RESEND = "'dropscore retry JOB --resend' begins anew, which is charged again."


def render(ctx: Context) -> Outcome:
    """Submit the timeline for rendering; a resumed job asks for its render first.

    Raises NothingToRender, and what `nemo` raises (ExportBlocked closes the gate `plan`; the edit is kept).
    """
    if not ctx.limits.renders.take(ctx.job.id):
        return in_line("a render")
    known, submitted = ctx.point.render, Advance(Step.POLL, after_s=ctx.waits.first_s(ctx.job.spec))
    if known is None:
        known = RenderRef(render_id=f"render_{uuid4().hex}", submitted=ctx.now())
        ctx.keep(render=known)
    elif _is_there(ctx, known):
        return submitted
    draft = _draft(ctx)
    ctx.lease.ensure_fresh()
    try:
        ctx.client.submit_render(ctx.session_id(), known.render_id, draft)
    except DuplicateRender:
        pass  # an earlier submission arrived, and its answer was lost
    except BadRequest as refused:
        if ctx.point.moved:
            return Unconfirmed(f"{_MOVED} ({refused})", _RESEND, SESSION_GONE)
        raise
    return submitted


def _is_there(ctx: Context, known: RenderRef) -> bool:
    try:
        ctx.client.render(known.render_id)
    except RenderNotFound:
        return False
    return True


def _draft(ctx: Context) -> Draft:
    raw = ctx.point.draft
    draft = Draft(raw) if raw is not None else ctx.client.state(ctx.session_id()).draft
    if draft is None or not draft.ready:
        raise NothingToRender("The timeline has no track with anything in it.")
    if raw is None:
        ctx.note(draft=draft.raw, summary=draft.summary())
    return draft
