"""Upload: a session, and the source in it."""

from pathlib import Path

from jobs.model import SessionRef, Step, Turn, UploadRef
from nemo import SessionState, route
from worker.context import Context
from worker.errors import VersionGone
from worker.outbox import ensure_room
from worker.outcome import Advance, Outcome, in_line
from worker.shared import known_session, take_over
from worker.source import check_source, opened


def upload(ctx: Context) -> Outcome:
    """Open a session and send the source; what is already there is not sent again (api-contract 2.2, 2.4).

    Raises SourceGone, SourceChanged, SourceDenied, SourceAway, VersionGone (a tweak needs the very session),
    and what `nemo` raises.
    """
    spec = ctx.job.spec
    if spec.parent is not None and ctx.point.session is None:
        raise VersionGone("The editing session is gone, and the version to be changed went with it.")
    if not spec.is_url and ctx.point.upload is None:
        check_source(spec)
    ensure_room(ctx.job, ctx.settings)
    if not ctx.point.turns:
        ctx.note(turns=tuple(Turn(instruction=text, action=route(text).value) for text in spec.instructions))
    if not ctx.limits.transfers.take(ctx.job.id):
        return in_line("a transfer")
    open_and_fill(ctx)
    return Advance(Step.EDIT)


def open_and_fill(ctx: Context) -> None:
    """Open the session and send the source into it, as far as the checkpoint says it is not done."""
    new = ctx.point.session is None
    if new:
        session, before = _joined(ctx) or (_opened(ctx), "")
        ctx.keep(session=session, sessions=ctx.point.sessions + 1, upload=None, before_upload=before)
    if ctx.point.upload is None:
        take_over(ctx, ctx.point.session)
        ctx.note(upload=(None if new else _recorded(ctx)) or _sent(ctx))


def _joined(ctx: Context) -> tuple[SessionRef, str] | None:
    """The session of the job's group, if one was opened, and what lies on its timeline now."""
    session = known_session(ctx)
    if session is None:
        return None
    take_over(ctx, session)
    return session, _timeline(ctx.client.state(session.session_id))


def _opened(ctx: Context) -> SessionRef:
    opened = ctx.client.open_session(language=ctx.job.spec.language or ctx.settings.language)
    return SessionRef(session_id=opened.session_id, task_id=opened.task_id, user_id=opened.user_id)


def _recorded(ctx: Context) -> UploadRef | None:
    """An upload whose answer was lost: the state shows it, so it is not repeated."""
    known, before = ctx.client.state(ctx.session_id()), ctx.point.before_upload
    if _timeline(known) == before and (before or not known.video_infos):
        return None
    return UploadRef(size_bytes=ctx.job.spec.size_bytes, filename=Path(ctx.job.spec.source).name)


def _timeline(known: SessionState) -> str:
    """What the timeline is told by; empty while nothing lies on it."""
    return known.draft.digest if known.draft and known.draft.ready else ""


def _sent(ctx: Context) -> UploadRef:
    spec = ctx.job.spec
    if spec.is_url:
        ctx.client.upload_urls(ctx.session_id(), [spec.source])
        return UploadRef(filename=spec.source.rsplit("/", 1)[-1])
    name = Path(spec.source).with_suffix(Path(spec.prepared or spec.source).suffix).name
    with opened(spec) as source:
        sent = ctx.client.upload_file(ctx.session_id(), source, filename=name, should_stop=ctx.should_stop)
    check_source(spec)  # a file that grew while it was sent is not the one that was asked for
    return UploadRef(sha256=sent.sha256 or "", size_bytes=sent.size_bytes or 0, filename=name)
