"""Upload: what is checked before anything is sent, and what the job goes on with."""

from pathlib import Path

import pytest

from jobs.model import Checkpoint, InstructionState, InstructionStatus, JobSpec, SessionRef, Step, UploadRef
from tests.unit.worker.conftest import Claim
from tests.unit.worker.test_sessions import Service
from worker.context import Context
from worker.errors import DiskFull, RootAway, SourceGone, VersionGone
from worker.outcome import Advance
from worker.steps.upload import upload


@pytest.fixture
def spec(tmp_path: Path) -> JobSpec:
    """A file of a watched folder, as it was taken in."""
    source = tmp_path / "in" / "clip.mp4"
    source.parent.mkdir()
    source.write_bytes(b"12345")
    return JobSpec(
        source=str(source),
        root=str(source.parent),
        output=str(tmp_path / "out" / "clip.mp4"),
        skill="add-music",
        instructions=("add calm music and export it", "how many credits do I have?"),
        size_bytes=5,
        mtime_ns=source.stat().st_mtime_ns,
    )


def begin(claim: Claim, spec: JobSpec, service: Service, **reached: object) -> Context:
    chosen = {"DROPSCORE_STATE_DIR": Path(spec.root).parent / "state"}
    return claim(Step.UPLOAD, service, spec=spec, checkpoint=Checkpoint(**reached), **chosen)


def test_each_instruction_is_routed_once_and_the_edit_is_next(claim: Claim, spec: JobSpec) -> None:
    service = Service()
    ctx = begin(claim, spec, service)
    assert upload(ctx) == Advance(Step.EDIT)
    assert [(one.action, one.status) for one in ctx.checkpoint.instructions] == [
        ("edit", InstructionStatus.PENDING),
        ("credits", InstructionStatus.PENDING),
    ]
    assert service.sent == ["s1 clip.mp4"]


def test_a_second_run_keeps_what_the_instructions_came_to(claim: Claim, spec: JobSpec) -> None:
    known = (InstructionState(text="x", status=InstructionStatus.LANDED),)
    session = SessionRef(session_id="s0")
    ctx = begin(claim, spec, Service(), session=session, upload=UploadRef(), instructions=known)
    assert upload(ctx) == Advance(Step.EDIT)
    assert ctx.checkpoint.instructions == known


@pytest.mark.parametrize(("how", "error"), [("file", SourceGone), ("folder", RootAway)])
def test_a_source_that_is_gone_opens_no_session(
    claim: Claim, spec: JobSpec, how: str, error: type[Exception]
) -> None:
    (Path(spec.root) / "other.mp4").touch()
    Path(spec.source).unlink()
    if how == "folder":
        (Path(spec.root) / "other.mp4").unlink()
    service = Service()
    with pytest.raises(error):
        upload(begin(claim, spec, service))
    assert service.opened == []


def test_a_source_that_was_sent_is_needed_no_more(claim: Claim, spec: JobSpec) -> None:
    Path(spec.source).unlink()
    reached = {"session": SessionRef(session_id="s0"), "upload": UploadRef(size_bytes=5)}
    assert upload(begin(claim, spec, Service(), **reached)) == Advance(Step.EDIT)


def test_without_room_for_the_output_nothing_is_sent(
    claim: Claim, spec: JobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service()
    ctx = begin(claim, spec.evolve(), service)
    monkeypatch.setattr("worker.delivery.SPARE_BYTES", 1 << 60)
    with pytest.raises(DiskFull):
        upload(ctx)
    assert (service.opened, service.sent) == ([], [])


def test_a_change_of_a_version_whose_session_is_gone_is_said_before_anything_else(
    claim: Claim, spec: JobSpec
) -> None:
    service = Service()
    with pytest.raises(VersionGone):
        upload(begin(claim, spec.evolve(parent="j0"), service))
    assert service.opened == []
