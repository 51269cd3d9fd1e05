"""Download: the output, whole or not at all (design, invariant 4)."""

from functools import partial
from pathlib import Path

from jobs.model import RenderRef, Step
from nemo import Draft, Render, RenderStatus
from nemo.errors import Stopped
from worker.context import Context
from worker.errors import OutputBroken
from worker.outbox import deliver, delivered, ensure_room, part_path, translated
from worker.outcome import Advance, Done, Outcome, in_line
from worker.output import playable

MAX_BYTES = 4 * 1024 * 1024 * 1024
"""No output is larger; whatever sends more is cut off (reliability, "Security")."""


def download(ctx: Context) -> Outcome:
    """Fetch the render, check it, and put it in its place in the outbox.

    Raises DiskFull, OutboxBroken, OutboxAway, OutputBroken, and what `nemo` raises.
    """
    target, point = ctx.job.spec.output, ctx.point
    if delivered(target, point.sha256, point.size_bytes):
        return Done()
    if point.render is None:
        return Advance(Step.RENDER)
    ensure_room(ctx.job, ctx.settings)
    if not ctx.limits.transfers.take(ctx.job.id):
        return in_line("a transfer")
    part = part_path(ctx.job, ctx.settings)
    try:
        _fetch(ctx, point.render, part)
    except OSError as broken:
        raise translated(broken, str(part)) from broken
    ctx.lease.ensure_fresh()
    deliver(part, target, ctx.point.sha256, lambda: _go_on(ctx))
    return Done()


def _go_on(ctx: Context) -> None:
    """Stop a long way into the outbox where a stream would be; a lost lease delivers nothing."""
    if ctx.should_stop():
        raise Stopped
    ctx.lease.ensure_fresh()


def _fetch(ctx: Context, known: RenderRef, part: Path) -> None:
    ready = Render(
        id=known.render_id, status=RenderStatus.COMPLETED, progress=100.0, url=known.url, error=None
    )
    # Two must not write one file: a worker cut off from the ledger ends in time for whoever takes over.
    stop = partial(_stop, ctx)
    got = ctx.client.download(ready, part, max_bytes=MAX_BYTES, should_stop=stop)
    expected_s = Draft(ctx.point.draft).duration_s if ctx.point.draft is not None else None
    try:
        duration_s = playable(part, expected_s)
    except OutputBroken:
        part.unlink(missing_ok=True)  # the next attempt begins anew
        raise
    ctx.keep(sha256=got.sha256, size_bytes=got.size_bytes, duration_s=duration_s)


def _stop(ctx: Context) -> bool:
    return ctx.should_stop() or not ctx.lease.fresh
