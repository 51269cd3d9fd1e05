"""Sessions: opened once, shared in a folder, gone on with after one is lost, and never paid for twice."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.control import SESSION_GONE
from jobs.ledger import Ledger
from jobs.model import (
    Checkpoint,
    InstructionState,
    InstructionStatus,
    JobSpec,
    RenderRef,
    SessionRef,
    Step,
    UploadRef,
)
from nemovideo import Draft, Session, Uploaded
from nemovideo.errors import SessionNotFound
from tests.unit.worker.conftest import Claim
from worker.context import Context
from worker.errors import SourceChanged, TimelineGone
from worker.outcome import Advance, Unconfirmed
from worker.sessions import (
    MAX_SESSIONS,
    check_timeline_owner,
    ensure_own_timeline,
    ensure_session_and_upload,
    note_timeline,
    recover_session,
)

READY = {"d": 1000, "t": [{"tt": 0, "sg": [{"s": 0, "d": 1000}]}]}
SCORED = {"d": 1000, "t": [*READY["t"], {"tt": 1, "sg": [{"s": 0, "d": 1000}]}]}
LOST = SessionNotFound("gone")


class Service:
    """A service that notes what it is asked; ``drafts`` are the timelines of its sessions."""

    def __init__(self, drafts: dict[str, Any] | None = None, on_upload: Any = None) -> None:
        self.opened: list[str | None] = []
        self.sent: list[str] = []
        self.drafts, self.on_upload = drafts or {}, on_upload

    def open_session(self, language: str | None = None) -> Session:
        self.opened.append(language)
        return Session(f"s{len(self.opened)}", None, None)

    def state(self, session_id: str) -> Any:
        raw = self.drafts.get(session_id)
        return SimpleNamespace(draft=Draft(raw) if raw else None, video_infos=[raw] if raw else [])

    def upload_file(self, session_id: str, source: Path, filename: str, **_: Any) -> Uploaded:
        self.sent.append(f"{session_id} {filename}")
        if self.on_upload:
            self.on_upload(source)
        return Uploaded((), "abc", source.stat().st_size, state_applied=True)

    def upload_urls(self, session_id: str, urls: list[str]) -> None:
        self.sent.append(f"{session_id} {urls[0]}")


@pytest.fixture
def spec(tmp_path: Path) -> JobSpec:
    """A file as it was taken in."""
    source = tmp_path / "clip.mp4"
    source.write_bytes(b"12345")
    seen = source.stat()
    return JobSpec(
        source=str(source),
        skill="add-music",
        instructions=("add calm music",),
        size_bytes=5,
        mtime_ns=seen.st_mtime_ns,
    )


def begin(claim: Claim, service: Service, spec: JobSpec, step: Step = Step.UPLOAD, **reached: Any) -> Context:
    one = InstructionState(text="add calm music", status=reached.pop("status", InstructionStatus.PENDING))
    return claim(step, service, spec=spec, checkpoint=Checkpoint(instructions=(one,), **reached))


def test_a_session_is_in_the_ledger_before_anything_is_sent_into_it(
    claim: Claim, ledger: Ledger, spec: JobSpec
) -> None:
    known: list[Any] = []
    service = Service(on_upload=lambda _: known.append(ledger.get("j1").checkpoint.session))
    ctx = begin(claim, service, spec)
    ensure_session_and_upload(ctx)
    assert [session.session_id for session in known] == ["s1"]
    assert ctx.checkpoint.upload == UploadRef(sha256="abc", size_bytes=5, filename="clip.mp4")
    assert (service.opened, service.sent) == (["en"], ["s1 clip.mp4"])


def test_what_is_there_already_is_neither_opened_nor_sent_again(claim: Claim, spec: JobSpec) -> None:
    service = Service()
    reached = {"session": SessionRef(session_id="s0"), "upload": UploadRef(size_bytes=5)}
    ensure_session_and_upload(begin(claim, service, spec, **reached))
    assert (service.opened, service.sent) == ([], [])


@pytest.mark.parametrize(("drafts", "sent"), [({"s0": READY}, []), ({}, ["s0 clip.mp4"])])
def test_an_upload_whose_answer_was_lost_is_looked_for_first(
    claim: Claim, spec: JobSpec, drafts: dict[str, Any], sent: list[str]
) -> None:
    service = Service(drafts)
    ctx = begin(claim, service, spec, session=SessionRef(session_id="s0"))
    ensure_session_and_upload(ctx)
    assert service.sent == sent
    assert ctx.checkpoint.upload is not None
    assert ctx.checkpoint.upload.size_bytes == 5


def test_what_lay_on_a_shared_timeline_before_is_no_upload_of_this_file(claim: Claim, spec: JobSpec) -> None:
    service = Service({"s0": READY})
    before = Draft(READY).digest
    ctx = begin(claim, service, spec, session=SessionRef(session_id="s0"), before_upload=before)
    ensure_session_and_upload(ctx)
    assert service.sent == ["s0 clip.mp4"]


def test_files_of_a_folder_share_the_session_that_the_first_one_opened(
    claim: Claim, ledger: Ledger, spec: JobSpec
) -> None:
    service = Service({"shared": READY})
    ctx = begin(claim, service, spec.evolve(session_group="g"))
    ctx.limits.sessions.acquire("g", "j0", SessionRef(session_id="shared"))
    ensure_session_and_upload(ctx)
    assert (service.opened, service.sent) == ([], ["shared clip.mp4"])
    assert ctx.checkpoint.before_upload == Draft(READY).digest
    assert ctx.limits.sessions.is_owner("g", "j1")
    check_timeline_owner(ctx)


def test_a_file_whose_shared_session_went_on_to_another_does_not_touch_it(
    claim: Claim, spec: JobSpec
) -> None:
    reached = {"session": SessionRef(session_id="shared"), "upload": UploadRef()}
    ctx = begin(claim, Service(), spec.evolve(session_group="g"), Step.EDIT, **reached)
    ctx.limits.sessions.acquire("g", "another", SessionRef(session_id="shared"))
    with pytest.raises(SessionNotFound, match="gone on to another file"):
        check_timeline_owner(ctx)
    with pytest.raises(TimelineGone):
        ensure_own_timeline(ctx)


def test_a_file_that_changes_while_it_is_sent_is_refused(claim: Claim, spec: JobSpec) -> None:
    ctx = begin(claim, Service(on_upload=lambda path: path.write_bytes(b"123456")), spec)
    with pytest.raises(SourceChanged):
        ensure_session_and_upload(ctx)
    assert ctx.checkpoint.upload is None


def test_words_and_urls_send_no_file(claim: Claim, spec: JobSpec) -> None:
    service = Service()
    ctx = begin(claim, service, spec.evolve(source="https://example.com/a/clip.mp4?key=secret"))
    ensure_session_and_upload(ctx)
    assert service.sent == ["s1 https://example.com/a/clip.mp4?key=secret"]
    ctx.lease.checkpoint = Checkpoint(instructions=ctx.checkpoint.instructions)
    ctx.lease.job = ctx.job.evolve(spec=spec.evolve(source="text://a calm sea"))
    ensure_session_and_upload(ctx)
    assert len(service.sent) == 1
    assert ctx.checkpoint.upload == UploadRef()


@pytest.mark.parametrize(
    ("durable", "draft", "noted"), [(False, READY, True), (True, READY, False), (False, SCORED, False)]
)
def test_the_timeline_is_noted_where_the_ledger_may_lose_its_last_writes(
    claim: Claim, ledger: Ledger, spec: JobSpec, durable: bool, draft: dict[str, Any], noted: bool
) -> None:
    ledger.is_durable = durable
    ctx = begin(claim, Service({"s0": draft}), spec, session=SessionRef(session_id="s0"))
    note_timeline(ctx)
    assert ctx.checkpoint.after_upload == (Draft(draft).digest if noted else "")


# --- a session that is lost -----------------------------------------------------------------------


def test_what_was_not_paid_begins_anew_in_another_session(claim: Claim, spec: JobSpec) -> None:
    reached = {"session": SessionRef(session_id="s0"), "upload": UploadRef(), "sessions": 1}
    ctx = begin(claim, Service(), spec, Step.EDIT, after_upload="old", **reached)
    assert recover_session(ctx, LOST) == Advance(Step.UPLOAD)
    point = ctx.checkpoint
    assert (point.session, point.upload, point.after_upload, point.sessions) == (None, None, "", 1)


@pytest.mark.parametrize("status", [InstructionStatus.SENDING, InstructionStatus.CLOSED])
def test_what_was_paid_and_cannot_be_read_back_is_for_a_person(
    claim: Claim, spec: JobSpec, status: InstructionStatus
) -> None:
    service = Service()
    reached = {"session": SessionRef(session_id="s0"), "upload": UploadRef(), "status": status}
    outcome = recover_session(begin(claim, service, spec, Step.VERIFY, **reached), LOST)
    assert isinstance(outcome, Unconfirmed)
    assert outcome.code == SESSION_GONE
    assert service.opened == []


def test_what_landed_is_rendered_in_a_new_session_from_the_draft_that_was_kept(
    claim: Claim, spec: JobSpec
) -> None:
    service = Service()
    reached = {"session": SessionRef(session_id="s0"), "upload": UploadRef(), "draft": SCORED}
    ctx = begin(claim, service, spec, Step.POLL, status=InstructionStatus.LANDED, **reached)
    ctx.stage(render=RenderRef(render_id="r"))
    assert recover_session(ctx, LOST) == Advance(Step.RENDER)
    assert (ctx.checkpoint.rehomed, ctx.checkpoint.render, ctx.checkpoint.draft) == (True, None, SCORED)
    assert service.sent == ["s1 clip.mp4"]


def test_sessions_that_are_lost_again_and_again_are_given_up(claim: Claim, spec: JobSpec) -> None:
    ctx = begin(claim, Service(), spec, session=SessionRef(session_id="s0"), sessions=MAX_SESSIONS)
    with pytest.raises(SessionNotFound) as raised:
        recover_session(ctx, LOST)
    assert raised.value is LOST


def test_what_was_delivered_once_is_not_edited_anew_where_that_is_paid(claim: Claim, spec: JobSpec) -> None:
    reached = {"session": SessionRef(session_id="s0"), "restored": True}
    ctx = claim(
        Step.RENDER,
        Service(),
        spec=spec,
        checkpoint=Checkpoint(**reached),
        DROPSCORE_STATE_DIR=Path(spec.source).parent,
    )
    assert recover_session(ctx, LOST) == Advance(Step.UPLOAD)  # the local studio costs nothing
    ctx.lease.job = ctx.job.evolve(spec=spec.evolve(parent="j0"))
    ctx.stage(restored=True)
    with pytest.raises(TimelineGone):
        recover_session(ctx, LOST)
