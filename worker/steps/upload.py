"""Upload: a session, and the source in it."""

import stat
from pathlib import Path

from jobs.model import SessionRef, Spec, Step, Turn, UploadRef
from nemo import route
from worker.context import Context
from worker.errors import SourceChanged, SourceGone
from worker.outbox import ensure_room
from worker.outcome import IN_LINE_S, Advance, Again, Outcome


def upload(ctx: Context) -> Outcome:
    """Open a session and send the source; what is already there is not sent again (api-contract 2.2, 2.4).

    Raises SourceGone, SourceChanged, and what `nemo` raises.
    """
    spec = ctx.job.spec
    if not spec.is_url:
        check_source(spec)
    ensure_room(ctx.job)
    if not ctx.point.turns:
        ctx.keep(turns=tuple(Turn(instruction=text, action=route(text).value) for text in spec.instructions))
    if not ctx.limits.transfers.take(ctx.job.id):
        return Again(IN_LINE_S, "in line for a transfer")
    open_and_fill(ctx)
    ctx.limits.transfers.leave(ctx.job.id, clean=True)
    return Advance(Step.EDIT)


def open_and_fill(ctx: Context) -> None:
    """Open the session and send the source into it, as far as the checkpoint says it is not done."""
    if ctx.point.session is None:
        opened = ctx.client.open_session(language=ctx.job.spec.language or ctx.settings.language)
        ref = SessionRef(session_id=opened.session_id, task_id=opened.task_id, user_id=opened.user_id)
        ctx.keep(session=ref, sessions=ctx.point.sessions + 1, upload=None)
    if ctx.point.upload is None:
        ctx.keep(upload=_recorded(ctx) or _sent(ctx))


def check_source(spec: Spec) -> None:
    """Make sure that the source is the regular file that was submitted; raises SourceGone, SourceChanged."""
    try:
        found = Path(spec.source).stat()
    except OSError as gone:
        raise SourceGone(f"{spec.source}: {gone.strerror}") from gone
    if not stat.S_ISREG(found.st_mode):
        raise SourceGone(f"{spec.source}: no longer a regular file")
    if found.st_size != spec.size_bytes:
        raise SourceChanged(f"{spec.source}: was {spec.size_bytes} bytes, now {found.st_size}")


def _recorded(ctx: Context) -> UploadRef | None:
    """An upload whose answer was lost: the state shows it, so it is not repeated."""
    if ctx.job.attempts == 0 and ctx.job.crashes == 0:
        return None
    known = ctx.client.state(ctx.session_id())
    if not known.video_infos and not (known.draft and known.draft.ready):
        return None
    return UploadRef(size_bytes=ctx.job.spec.size_bytes, filename=Path(ctx.job.spec.source).name)


def _sent(ctx: Context) -> UploadRef:
    spec = ctx.job.spec
    if spec.is_url:
        ctx.client.upload_urls(ctx.session_id(), [spec.source])
        return UploadRef(filename=spec.source.rsplit("/", 1)[-1])
    source = Path(spec.source)
    sent = ctx.client.upload_file(
        ctx.session_id(), source, filename=source.name, should_stop=lambda: ctx.lease.lost
    )
    check_source(spec)  # a file that grew while it was sent is not the one that was asked for
    return UploadRef(sha256=sent.sha256 or "", size_bytes=sent.size_bytes or 0, filename=source.name)
