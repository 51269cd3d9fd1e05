"""Download: the output whole or not at all, whatever a run before left behind."""

import hashlib
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import LeaseLost
from jobs.ledger import Ledger
from jobs.model import Checkpoint, JobSpec, RenderRef, SessionRef, Step
from nemovideo import Downloaded, Render
from nemovideo.errors import DownloadBroken, Stopped
from tests.conftest import Wall
from tests.unit.worker.conftest import Claim
from worker.context import Context
from worker.delivery import part_path
from worker.errors import OutboxBroken, OutputBroken
from worker.outcome import Advance, Done
from worker.steps.download import download

MODULE = import_module("worker.steps.download")  # the package has a function of that name
VIDEO = b"a whole video"
SHA256 = hashlib.sha256(VIDEO).hexdigest()


class Service:
    """A service whose renders have one content; ``on_download`` happens meanwhile."""

    def __init__(self, on_download: Callable[[], None] = lambda: None) -> None:
        self.on_download, self.began_at = on_download, list[int]()

    def download(self, render: Render, part: Path, should_stop: Callable[[], bool], **_: Any) -> Downloaded:
        self.began_at.append(part.stat().st_size if part.exists() else 0)
        self.on_download()
        if should_stop():
            raise Stopped
        part.write_bytes(VIDEO)
        return Downloaded(SHA256, len(VIDEO))


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Every file plays; notes whether pictures were decoded."""
    decoded: list[bool] = []

    def measure(_path: Path, _expected_s: float | None, *, decode: bool) -> float:
        decoded.append(decode)
        return 4.0

    monkeypatch.setattr(MODULE, "measure_video", measure)
    return decoded


@pytest.fixture
def begin(claim: Claim, tmp_path: Path) -> Callable[..., Context]:
    """Make the context of a job whose render is done."""

    def make(service: Service, **reached: Any) -> Context:
        (tmp_path / "out").mkdir(exist_ok=True)
        output = str(tmp_path / "out" / "a.mp4")
        spec = JobSpec(source="/in/a.mp4", output=output, skill="add-music", instructions=("add music",))
        render = RenderRef(render_id="r", url="http://127.0.0.1/r.mp4")
        point = Checkpoint(session=SessionRef(session_id="s"), render=render).evolve(**reached)
        chosen = {"DROPSCORE_STATE_DIR": tmp_path / "state"}
        return claim(Step.DOWNLOAD, service, spec=spec, checkpoint=point, **chosen)

    return make


def outbox(ctx: Context) -> list[str]:
    return sorted(path.name for path in Path(ctx.job.spec.output).parent.iterdir())


def test_what_is_delivered_is_in_the_ledger_before_it_has_its_name(
    begin: Callable[..., Context], ledger: Ledger
) -> None:
    ctx = begin(Service())
    assert download(ctx) == Done()
    assert Path(ctx.job.spec.output).read_bytes() == VIDEO
    kept = ledger.get("j1").checkpoint
    assert (kept.sha256, kept.size_bytes, kept.duration_s) == (SHA256, len(VIDEO), 4.0)
    assert outbox(ctx) == ["a.mp4"]


def test_an_output_that_an_earlier_run_put_in_its_place_is_not_fetched_again(
    begin: Callable[..., Context],
) -> None:
    service = Service()
    ctx = begin(service, sha256=SHA256, size_bytes=len(VIDEO))
    Path(ctx.job.spec.output).write_bytes(VIDEO)
    assert download(ctx) == Done()
    assert service.began_at == []


def test_a_file_of_somebody_else_in_its_place_is_left_alone(begin: Callable[..., Context]) -> None:
    ctx = begin(Service())
    Path(ctx.job.spec.output).write_bytes(b"not ours")
    with pytest.raises(OutboxBroken, match="is there already"):
        download(ctx)
    assert Path(ctx.job.spec.output).read_bytes() == b"not ours"


def test_what_an_earlier_run_had_of_it_is_gone_on_with_and_decoded(
    begin: Callable[..., Context], measured: list[bool]
) -> None:
    service = Service()
    ctx = begin(service)
    part_path(ctx.job, ctx.settings).write_bytes(VIDEO[:6])
    assert download(ctx) == Done()
    assert (service.began_at, measured) == ([6], [True])


def test_a_part_that_is_the_studios_own_file_is_not_written_to(
    begin: Callable[..., Context], tmp_path: Path
) -> None:
    service = Service()
    ctx = begin(service)
    theirs = tmp_path / "theirs.mp4"
    theirs.write_bytes(b"theirs")
    os.link(theirs, part_path(ctx.job, ctx.settings))
    assert download(ctx) == Done()
    assert (service.began_at, theirs.read_bytes()) == ([0], b"theirs")


def test_a_broken_one_is_removed_and_after_its_last_attempt_rendered_again(
    begin: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> float:
        raise OutputBroken("no sound")

    monkeypatch.setattr(MODULE, "measure_video", refuse)
    ctx = begin(Service())
    with pytest.raises(OutputBroken):
        download(ctx)
    assert outbox(ctx) == []
    ctx.lease.job = ctx.job.evolve(attempts=2)
    assert download(ctx) == Advance(Step.RENDER)
    assert ctx.checkpoint.render is not None
    assert (ctx.checkpoint.render.renewed, ctx.checkpoint.render.render_id == "r") == (1, False)
    ctx.stage(render=RenderRef(render_id="r", renewed=2))
    with pytest.raises(OutputBroken):
        download(ctx)


def test_a_link_that_is_dead_is_tried_again_and_then_rendered_again(begin: Callable[..., Context]) -> None:
    def fail() -> None:
        raise DownloadBroken("404")

    ctx = begin(Service(fail))
    with pytest.raises(DownloadBroken):
        download(ctx)
    ctx.stage(restored=True)  # made again: nothing is left to wait for
    assert download(ctx) == Advance(Step.RENDER)


def test_a_lease_that_ends_meanwhile_stops_it_and_delivers_nothing(
    begin: Callable[..., Context], wall: Wall
) -> None:
    ctx = begin(Service(lambda: wall.go(28)))
    with pytest.raises(Stopped):
        download(ctx)
    assert "a.mp4" not in outbox(ctx)


def test_a_lease_that_ended_while_it_was_checked_delivers_nothing(
    begin: Callable[..., Context], wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: Any, **__: Any) -> float:
        wall.go(28)
        return 4.0

    monkeypatch.setattr(MODULE, "measure_video", measure)
    ctx = begin(Service())
    with pytest.raises(LeaseLost):
        download(ctx)
    assert "a.mp4" not in outbox(ctx)


def test_without_a_render_there_is_nothing_to_fetch(begin: Callable[..., Context]) -> None:
    service = Service()
    assert download(begin(service, render=None)) == Advance(Step.RENDER)
    assert service.began_at == []
