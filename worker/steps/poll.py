"""Poll: ask for the render until it ends; nothing is held in between (api-contract 2.8)."""

from uuid import uuid4

from jobs.model import RenderRef, Step
from nemo import Render, RenderStatus
from nemo.errors import RenderFailed, RenderNotFound
from worker.context import Context
from worker.errors import RenderStalled
from worker.outcome import Advance, Again, Outcome

PENDING_SHARE = 6
"""A render that waits for its turn at the service may stand still so many times longer than one at work."""


def poll(ctx: Context) -> Outcome:
    """Look once at the render; a failed one gets one more try under a new id, at no cost (api-contract 6).

    Raises RenderFailed, RenderStalled, and what `nemo` raises.
    """
    known = ctx.point.render
    if known is None:
        return Advance(Step.RENDER)
    try:
        found = ctx.client.render(known.render_id)
    except RenderNotFound:
        return Advance(Step.RENDER)
    if found.status is RenderStatus.COMPLETED:
        ctx.waits.saw(ctx.job.spec, known, ctx.now())
        ctx.note(render=known.evolve(status=found.status, progress=100.0, url=found.url))
        return Advance(Step.DOWNLOAD)
    if found.status is RenderStatus.FAILED:
        return _failed(ctx, known, found)
    return _goes_on(ctx, known, found)


def _failed(ctx: Context, known: RenderRef, found: Render) -> Outcome:
    if known.renewed:
        raise RenderFailed(f"The render failed twice: {found.error or 'the service gave no reason'}")
    ctx.note(render=RenderRef(render_id=f"render_{uuid4().hex}", renewed=1, submitted=ctx.now()))
    return Advance(Step.RENDER)


def _goes_on(ctx: Context, known: RenderRef, found: Render) -> Outcome:
    moved = found.progress != known.progress or found.status != known.status
    now = ctx.now()
    unchanged = 0 if moved else known.unchanged + 1
    since = known.moved if known.moved and not moved else now
    seen = known.evolve(
        polls=known.polls + 1,
        unchanged=unchanged,
        progress=found.progress,
        status=found.status,
        looked=now,
        moved=since,
    )
    ctx.note(render=seen)
    allowed = ctx.settings.max_polls * (PENDING_SHARE if found.status is RenderStatus.PENDING else 1)
    # Looks may be closer than the interval: both so many of them and so much time must have passed.
    if unchanged >= allowed and now - since >= (allowed - 1) * ctx.settings.poll_interval_s:
        raise RenderStalled(
            f"The render stands at {found.progress:.0f} % ({found.status}) after {seen.polls} looks."
        )
    return Again(ctx.waits.next_s(ctx.job.spec, seen, now), "rendering")
