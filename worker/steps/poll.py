"""Poll: ask for the render until it ends; nothing is held in between (api-contract 2.8)."""

from secrets import token_hex

from jobs.model import RenderRef, Step
from nemovideo import Render, RenderStatus
from nemovideo.errors import RenderFailed, RenderNotFound
from worker.context import Context
from worker.errors import RenderStalled
from worker.outcome import Advance, Outcome, Reschedule
from worker.retry import retry_of
from worker.sessions import restart_from_source

PENDING_SHARE = 6
"""A render that waits for its turn at the service may stand still so many times longer than one at work."""

PATIENCE_S = 270.0
"""A render that does not move is not given up sooner, however short the poll interval is."""

MAX_RENEWALS = 2


def poll(ctx: Context) -> Outcome:
    """Look once at the render; one that failed or is lost gets another try under a new id, at no cost.

    Raises RenderFailed, RenderStalled, RenderNotFound, and what the client raises (api-contract 6).
    """
    known = ctx.checkpoint.render
    if known is None:
        return Advance(Step.RENDER)
    try:
        found = ctx.client.render(known.render_id)
    except RenderNotFound as exc:
        may_show_later = not ctx.checkpoint.restored and not retry_of(exc).is_exhausted(ctx.job.attempts + 1)
        if may_show_later or known.renewed >= MAX_RENEWALS:
            raise
        return renew_render(ctx, known)
    if found.status is RenderStatus.COMPLETED:
        ctx.stage(render=known.evolve(status=found.status, progress=100.0, url=found.url))
        return Advance(Step.DOWNLOAD)
    if found.status is RenderStatus.FAILED:
        if known.renewed and ctx.checkpoint.restored:
            return restart_from_source(ctx)
        if known.renewed:
            raise RenderFailed(f"The render failed twice: {found.error or 'the service gave no reason'}")
        return renew_render(ctx, known)
    return on_unfinished(ctx, known, found)


def renew_render(ctx: Context, known: RenderRef) -> Outcome:
    """Render again under a new id."""
    new = RenderRef(render_id=f"render_{token_hex(8)}", renewed=known.renewed + 1)
    ctx.stage(render=new)
    return Advance(Step.RENDER)


def on_unfinished(ctx: Context, known: RenderRef, found: Render) -> Outcome:
    """Note how far it is, and look again later; raises RenderStalled when it has not moved for too long."""
    has_moved = found.progress != known.progress or found.status != known.status
    now = ctx.now()
    seen = known.evolve(
        polls=known.polls + 1,
        unchanged=0 if has_moved else known.unchanged + 1,
        progress=found.progress,
        status=found.status,
        moved=now if has_moved or not known.moved else known.moved,
    )
    ctx.stage(render=seen)
    share = PENDING_SHARE if found.status is RenderStatus.PENDING else 1
    polls, settings = ctx.settings.max_polls * share, ctx.settings
    patience_s = (polls - 1) * settings.poll_interval_s
    if settings.chosen_poll_interval_s is None:
        patience_s = max(patience_s, PATIENCE_S * share)
    if seen.unchanged >= polls and now - seen.moved >= patience_s:
        raise RenderStalled(
            f"The render stands at {found.progress:.0f} % ({found.status}) after {seen.polls} polls."
        )
    return Reschedule(wait_for_poll_s(ctx, seen.polls), "rendering")


def wait_for_poll_s(ctx: Context, polls: int) -> float:
    """Return the seconds until the next poll: soon at first, then further apart, up to the poll interval.

    It grows with the polls so far, about in step with the time that they took: a clock may have been set.
    A tenth of jitter keeps renders that began together from being asked for together.
    """
    first_s, growth, even = (0.25, 1.2, 5) if ctx.settings.backend == "local" else (3.0, 1.5, 2)
    wait_s = first_s * growth ** min(max(0, polls - even), 40)
    return min(wait_s, ctx.settings.poll_interval_s) * ctx.rng.uniform(0.9, 1.1)
