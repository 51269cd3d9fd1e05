"""Download: the output, whole or not at all."""

from functools import partial
from pathlib import Path

from jobs.model import RenderRef, Step
from nemovideo import Draft, Render, RenderStatus
from nemovideo.errors import DownloadBroken, Stopped
from storage import exists
from worker.context import Context
from worker.delivery import deliver, ensure_room, is_delivered, map_os_error, measure_video, part_path
from worker.errors import OutputBroken
from worker.handover import fetch_render
from worker.outcome import Advance, Done, Outcome
from worker.retry import retry_of
from worker.steps.poll import MAX_RENEWALS, renew_render

MAX_BYTES = 4 * 1024 * 1024 * 1024
"""No output is larger; whatever sends more is cut off."""


def download(ctx: Context) -> Outcome:
    """Fetch the render, check it, and put it in its place in the outbox.

    A render that can no longer be fetched is rendered again, at no cost.

    Raises DiskFull, OutboxBroken, OutboxAway, OutputBroken, and what the client raises.
    """
    target, point = ctx.job.spec.output, ctx.checkpoint
    if is_delivered(target, point.sha256, point.size_bytes):
        return Done()
    if point.render is None:
        return Advance(Step.RENDER)
    ensure_room(ctx.job, ctx.settings)
    part = part_path(ctx.job, ctx.settings)
    try:
        fetch(ctx, point.render, part)
    except OSError as exc:
        raise map_os_error(exc, str(part)) from exc
    except (DownloadBroken, OutputBroken) as exc:
        last_try = point.restored or retry_of(exc).is_exhausted(ctx.job.attempts + 1)
        if last_try and point.render.renewed < MAX_RENEWALS:
            return renew_render(ctx, point.render)
        raise
    if ctx.job.spec.exports:
        ctx.stage(exports=deliver_exports(ctx, point.render.render_id))
    ctx.lease.ensure_fresh()
    deliver(part, target, ctx.checkpoint.sha256, partial(ensure_going_on, ctx))
    return Done()


def deliver_exports(ctx: Context, render_id: str) -> tuple[str, ...]:
    """Put what was made of the music beside the output's place; answers the paths.

    It comes before the output: where that is, nothing is missing. An output that is made again may have music
    that another soundfont plays; the first exports stay then.
    """
    delivered = []
    for name in ctx.client.render(render_id).exports:
        target = f"{ctx.job.spec.output.removesuffix('.mp4')}.{name}"
        if not (ctx.checkpoint.restored and exists(target)):
            part = part_path(ctx.job, ctx.settings, name)
            try:
                got = fetch_render(ctx, render_id, part, name) or ctx.client.download_export(
                    render_id, name, part, max_bytes=MAX_BYTES, should_stop=partial(has_to_stop, ctx)
                )
            except OSError as exc:
                raise map_os_error(exc, str(part)) from exc
            ctx.lease.ensure_fresh()
            deliver(part, target, got.sha256, partial(ensure_going_on, ctx))
        delivered.append(target)
    return tuple(delivered)


def fetch(ctx: Context, known: RenderRef, part: Path) -> None:
    """Download the render beside its place and check it; a broken one is removed."""
    ready = Render(
        id=known.render_id, status=RenderStatus.COMPLETED, progress=100.0, url=known.url, error=None
    )
    if part.exists() and part.stat().st_nlink > 1:
        part.unlink()  # the studio's own file, which must not be written to
    resumed = part.exists() and part.stat().st_size > 0
    handed_over = None if resumed else fetch_render(ctx, known.render_id, part)
    got = handed_over or ctx.client.download(
        ready,
        part,
        max_bytes=MAX_BYTES,
        refresh=lambda: ctx.client.render(known.render_id),
        should_stop=partial(has_to_stop, ctx),
    )
    expected_s = Draft(ctx.checkpoint.draft).duration_s if ctx.checkpoint.draft is not None else None
    try:
        duration_s = measure_video(part, expected_s, decode=resumed)
    except OutputBroken:
        part.unlink(missing_ok=True)  # the next attempt begins from the start
        raise
    ctx.save(sha256=got.sha256, size_bytes=got.size_bytes, duration_s=duration_s)


def has_to_stop(ctx: Context) -> bool:
    """Tell whether a download has to end: two must not write one file.

    A worker cut off from the ledger ends in time for whoever takes over.
    """
    return ctx.should_stop() or not ctx.lease.fresh


def ensure_going_on(ctx: Context) -> None:
    """Stop a long way into the outbox where a stream would be stopped; a lost lease delivers nothing."""
    if ctx.should_stop():
        raise Stopped
    ctx.lease.ensure_fresh()
