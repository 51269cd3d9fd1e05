"""Editing sessions: opening one, sharing one in a folder (api-contract 7), going on after one is lost."""

from pathlib import Path

from jobs.control import SESSION_GONE
from jobs.model import InstructionStatus, SessionRef, Step, UploadRef
from nemovideo import SessionState
from nemovideo.errors import SessionNotFound, SourceUnreadable
from worker.agent_text import asks_for_music
from worker.context import Context
from worker.credits import record_spending
from worker.errors import ExportsRefused, TimelineGone
from worker.handover import hand_over_source
from worker.language import detect_language
from worker.outcome import Advance, Outcome, Unconfirmed
from worker.sources import check_source, open_source

MAX_SESSIONS = 4

_NEEDS_TIMELINE = frozenset({Step.EDIT, Step.VERIFY})
_RESEND = "'dropscore retry JOB --resend' begins from the start, which is charged again."


def ensure_session_and_upload(ctx: Context) -> None:
    """Open the session and send the source into it, as far as the checkpoint does not have it yet.

    Raises ExportsRefused, and what the client and `worker.sources` raise.
    """
    group = ctx.job.spec.session_group
    opens = ctx.checkpoint.session is None
    if opens:
        session = ctx.limits.sessions.find(group) if group else None
        before = ""
        if session is not None:  # of the folder: another file's timeline may lie in it
            before = digest_timeline(ctx.client.state(session.session_id))
        else:
            opened = ctx.client.open_session(language=choose_language(ctx))
            if missing := set(ctx.job.spec.exports) - opened.exports:
                raise ExportsRefused(f"This service makes no {', '.join(sorted(missing))} of its music.")
            session = SessionRef(
                session_id=opened.session_id,
                task_id=opened.task_id,
                user_id=opened.user_id,
                idempotent=opened.idempotent_edits,
                file_handover=opened.file_handover,
                backend=ctx.settings.backend,
            )
        ctx.save(session=session, sessions=ctx.checkpoint.sessions + 1, upload=None, before_upload=before)
    if ctx.checkpoint.upload is None:
        if group and ctx.checkpoint.session:
            ctx.limits.sessions.acquire(group, ctx.job.id, ctx.checkpoint.session)
        ctx.stage(upload=(None if opens else find_recorded_upload(ctx)) or send_source(ctx))


def choose_language(ctx: Context) -> str | None:
    """Return the session's language: as it was said, else that of the instructions, if it is clear."""
    spec = ctx.job.spec
    if said := spec.language or ctx.settings.language:
        return said
    texts = [spec.name, *spec.instructions[1:]] if spec.is_from_words else spec.instructions
    return detect_language(texts)


def find_recorded_upload(ctx: Context) -> UploadRef | None:
    """Find an upload whose answer was lost: the state shows it, so it is not repeated."""
    if ctx.job.spec.is_from_words:
        return None
    known, before = ctx.client.state(ctx.session_id()), ctx.checkpoint.before_upload
    if digest_timeline(known) == before and (before or not known.video_infos):
        return None
    return UploadRef(size_bytes=ctx.job.spec.size_bytes, filename=Path(ctx.job.spec.source).name)


def send_source(ctx: Context) -> UploadRef:
    """Send the source; it is the one that was submitted, before it is sent and afterwards."""
    spec = ctx.job.spec
    if spec.is_from_words:
        return UploadRef()  # the first instruction asks for the video itself
    if spec.is_url:
        ctx.client.upload_urls(ctx.session_id(), [spec.source])
        return UploadRef(filename=spec.source.rsplit("/", 1)[-1])
    name = Path(spec.source).with_suffix(Path(spec.prepared or spec.source).suffix).name
    sent = hand_over_source(ctx, name)
    if sent is None:
        try:
            with open_source(spec) as source:
                sent = ctx.client.upload_file(
                    ctx.session_id(), source, filename=name, should_stop=ctx.should_stop
                )
        except SourceUnreadable:
            check_source(spec)  # a disk that went away meanwhile is waited for
            raise
    check_source(spec)
    return UploadRef(sha256=sent.sha256 or "", size_bytes=sent.size_bytes or spec.size_bytes, filename=name)


def digest_timeline(state: SessionState) -> str:
    """Return the digest of the timeline; empty while nothing lies on it."""
    return state.draft.digest if state.draft and state.draft.ready else ""


def note_timeline(ctx: Context) -> None:
    """Note the timeline at the end of the upload, so that an edit is seen that the ledger has lost.

    Only where the Redis server may lose its last writes, and where music will be asked for and there is none
    yet: any other change may be the service's own.
    """
    if ctx.lease.ledger.is_durable:
        return
    one = ctx.instruction
    if one.before is None and not one.attempts and asks_for_music(one.text):
        draft = ctx.client.state(ctx.session_id()).draft
        if draft is not None and not draft.has_music:
            ctx.stage(after_upload=draft.digest)


def check_timeline_owner(ctx: Context) -> None:
    """Make sure that a shared session has not gone on to another file.

    Raises:
        SessionNotFound: it has, while this job had ended (a person retries it).
    """
    group = ctx.job.spec.session_group
    if group and ctx.job.step in _NEEDS_TIMELINE and not ctx.limits.sessions.is_owner(group, ctx.job.id):
        raise SessionNotFound("The session of this folder has gone on to another file.")


def ensure_own_timeline(ctx: Context) -> None:
    """Make sure that the session of an output that is made again still shows that output's timeline.

    Raises:
        TimelineGone: the session went on to a tweak, or to other files of its folder.
    """
    group = ctx.job.spec.session_group or f"session-{ctx.session_id()}"
    if ctx.limits.sessions.is_used(group):
        raise TimelineGone("Its render is gone at the service, and its session has gone on to other work.")


def restart_from_source(ctx: Context) -> Outcome:
    """Edit a delivered file anew, since nothing of it is left at the service; only the local studio may.

    Raises:
        TimelineGone: that would be paid for, or it is not known any more what was asked.
    """
    spec = ctx.job.spec
    if ctx.settings.backend != "local" or spec.parent is not None or not spec.instructions:
        raise TimelineGone("Its render and its session are gone at the service.")
    ctx.save(session=None, upload=None, render=None, instructions=(), restored=False)
    return Advance(Step.UPLOAD)


def recover_session(ctx: Context, lost: SessionNotFound) -> Outcome:
    """Go on after a lost session: what was not paid begins anew, what was paid is rendered in a new one.

    Raises ``lost`` when sessions are lost again and again.
    """
    point, group = ctx.checkpoint, ctx.job.spec.session_group
    if point.restored:
        return restart_from_source(ctx)
    if group:
        ctx.limits.sessions.forget(group, ctx.job.id)
    if point.sessions >= MAX_SESSIONS:
        raise lost
    sent = [one for one in point.instructions if one.status is not InstructionStatus.SKIPPED]
    if all(one.status is InstructionStatus.PENDING for one in sent):
        again = tuple(
            one.evolve(before=None) for one in point.instructions
        )  # another session, another timeline
        ctx.save(session=None, upload=None, after_upload="", instructions=again)
        return Advance(Step.UPLOAD)
    if any(one.status is not InstructionStatus.LANDED for one in sent) or point.draft is None:
        record_spending(ctx)
        return Unconfirmed(
            "The editing session is gone, and a paid instruction can no longer be read back.",
            _RESEND,
            SESSION_GONE,
        )
    ctx.save(session=None, upload=None, render=None, rehomed=True)
    ensure_session_and_upload(ctx)  # the stored draft is rendered there; if that is refused, a person decides
    return Advance(Step.RENDER)
