"""Render: submitted once, under an id that is saved before it is used (api-contract 2.7)."""

from secrets import token_hex

from jobs.control import SESSION_GONE
from jobs.model import RenderRef, Step
from nemovideo import Draft
from nemovideo.errors import BadRequest, DuplicateRender, RenderNotFound
from worker.context import Context
from worker.errors import NothingToRender
from worker.outcome import Advance, Outcome, Unconfirmed
from worker.sessions import ensure_own_timeline
from worker.steps.poll import wait_for_poll_s


def render(ctx: Context) -> Outcome:
    """Submit the timeline for rendering; a resumed job asks for its render first.

    Raises NothingToRender, and what the client raises (ExportBlocked closes the gate `plan`).
    """
    known = ctx.checkpoint.render
    submitted = Advance(Step.POLL, after_s=wait_for_poll_s(ctx, 0))
    if known is None:
        known = RenderRef(render_id=f"render_{token_hex(8)}")
        ctx.save(render=known)
    else:
        try:
            ctx.client.render(known.render_id)
            return submitted
        except RenderNotFound:
            pass  # it was chosen, and never arrived
    raw = ctx.checkpoint.draft
    if raw is None and ctx.checkpoint.restored:
        ensure_own_timeline(ctx)
    draft = Draft(raw) if raw is not None else ctx.client.state(ctx.session_id()).draft
    if draft is None or not draft.ready:
        raise NothingToRender("The timeline has no track with anything in it.")
    if raw is None:
        ctx.stage(draft=draft.raw, summary=draft.summary())
    ctx.lease.ensure_fresh()
    try:
        # The documents of the cloud name one quality alone, and nothing beside the film.
        spec, local = ctx.job.spec, ctx.settings.backend == "local"
        ctx.client.submit_render(
            ctx.session_id(),
            known.render_id,
            draft,
            quality="low" if spec.preview and local else "high",
            exports=spec.exports if local else (),
        )
    except DuplicateRender:
        pass  # an earlier submission arrived, and its answer was lost
    except BadRequest as exc:
        if ctx.checkpoint.rehomed:
            return Unconfirmed(
                f"The editing session is gone, and a new one refuses the timeline that was paid for. ({exc})",
                "'dropscore retry JOB --resend' begins from the start, which is charged again.",
                SESSION_GONE,
            )
        raise
    return submitted
