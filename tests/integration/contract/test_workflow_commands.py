"""How a person asks for the workflows of api-contract 7: ``--session folder`` and ``dropscore tweak``."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest

from cli import main as command_line
from config.settings import load
from jobs.lease import Lease
from jobs.ledger import Ledger, StepResult
from jobs.model import Checkpoint, JobSpec, SessionRef, State, Step, UploadRef
from jobs.redis import connect
from jobs.result import write_result
from jobs.sources import Sources
from tests.conftest import LIMITS

pytestmark = pytest.mark.integration


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Two folders with clips: three in all, none like another."""
    folder = tmp_path / "inbox"
    for name, pitch in (("trip/a", 300), ("trip/b", 400), ("home/c", 500)):
        path = folder / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=1"]
        lines += ["-f", "lavfi", "-i", f"sine=frequency={pitch}:duration=1", "-pix_fmt", "yuv420p"]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *lines, str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return folder


@pytest.fixture
def ledger(redis_url: str) -> Iterator[Ledger]:
    """An empty ledger on a real server: other processes look into it too."""
    client = connect(redis_url)
    client.flushall()
    yield Ledger(client, limits=LIMITS)
    client.close()


def produced(redis_url: str, inbox: Path, ledger: Ledger, **said: str) -> dict[str, str | None]:
    """The group of each file, by its name, when the producer has submitted them all."""
    command = [sys.executable, "-m", "producer", str(inbox), "--outbox", str(inbox.parent / "out"), "--once"]
    quick = {"DROPSCORE_SETTLE": "0.1", "DROPSCORE_REDIS_URL": redis_url}
    subprocess.run(command, check=True, env={**os.environ, **quick, **said}, timeout=60)
    return {Path(job.spec.source).name: job.spec.session_group for job in ledger.all_in(State.QUEUED)}


def test_the_files_of_a_folder_are_one_group_when_that_is_asked_for(
    redis_url: str, inbox: Path, ledger: Ledger
) -> None:
    groups = produced(redis_url, inbox, ledger, DROPSCORE_SESSION="folder")
    assert groups["a.mp4"] == groups["b.mp4"] != groups["c.mp4"]
    assert None not in groups.values()


def test_a_file_has_a_session_of_its_own_by_default(redis_url: str, inbox: Path, ledger: Ledger) -> None:
    assert produced(redis_url, inbox, ledger) == {"a.mp4": None, "b.mp4": None, "c.mp4": None}


def test_the_flag_is_the_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from cli import run  # noqa: PLC0415  (the command imports it when it is called)

    asked = []
    monkeypatch.setattr(run, "run", lambda order: asked.append(order.settings.session) or 0)
    (tmp_path / "inbox").mkdir()
    monkeypatch.setattr(sys, "argv", ["dropscore", "run", str(tmp_path / "inbox"), "--session", "folder"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert (ended.value.code, asked, load().session) == (0, ["folder"], "file")


def done(ledger: Ledger, tmp_path: Path) -> str:
    spec = JobSpec(
        source=str(tmp_path / "clip.mp4"),
        root=str(tmp_path),
        output="",
        result="",
        skill="add-music",
        instructions=("add music",),
        fingerprint="f",
        created=time.time(),
    )
    ledger.submit("first", spec, [str(tmp_path / "out" / "clip.mp4")], note="seen")
    ledger.fetch_due(10, 30)
    job = ledger.claim("first", Step.UPLOAD, "me", 30)
    assert job is not None
    lease = Lease(job, ledger, 30)
    lease.save(Checkpoint(session=SessionRef(session_id="s1"), upload=UploadRef(filename="clip.mp4")))
    (tmp_path / "out").mkdir()
    write_result(job.evolve(state=State.DONE, checkpoint=lease.checkpoint))
    lease.commit(StepResult(State.DONE, Step.DOWNLOAD), ())
    return "first"


def called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[object, str]:
    monkeypatch.setattr(sys, "argv", ["dropscore", *arguments])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    said = capsys.readouterr()
    return ended.value.code, said.out + said.err


def test_a_tweak_is_a_job_that_goes_on_in_the_session_of_the_first(
    redis_url: str,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPSCORE_REDIS_URL", redis_url)
    first = done(ledger, tmp_path)
    assert called(monkeypatch, capsys, "tweak", first, "softer") == (
        0,
        "out/clip.v2.mp4: queued\n",
    )
    code, said = called(monkeypatch, capsys, "tweak", first, "softer")
    assert (code, said) == (0, "out/clip.v2.mp4: was asked for already, queued\n")
    second = next(ledger.all_in(State.QUEUED))
    assert (second.spec.parent, second.spec.instructions) == (first, ("softer",))
    assert second.checkpoint.session == SessionRef(session_id="s1")
    assert Sources(ledger).seen([second.spec.source]) == [
        ("seen", second.id)
    ]  # the file itself is not taken in again
    code, said = called(monkeypatch, capsys, "tweak", second.id, "louder")
    assert code == 1
    assert "only what is done can be changed" in said
    assert called(monkeypatch, capsys, "tweak", first, " ")[0] == 2
