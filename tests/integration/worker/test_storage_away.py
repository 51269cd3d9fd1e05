"""A disk that is away for a while: no file fails for it, those of other disks go on, and the log is quiet."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import nemovideo
from jobs.model import Gate, State, Step
from nemovideo import NemoVideo
from storage.mounts import OWNER_FILE
from tests.integration.worker.harness import FAST, Studio, WorkerHarness, open_worker

pytestmark = pytest.mark.integration

FILES = 5


@pytest.fixture
def inbox(tmp_path: Path, clip: Path) -> Path:
    """A watched folder with a few files."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"clip{number}.mp4").write_bytes(clip.read_bytes())
    return folder


def unmount(inbox: Path, how: str) -> None:
    inbox.rename(inbox.with_name("elsewhere"))
    if how == "emptied":
        inbox.mkdir()


def mount(inbox: Path) -> None:
    if inbox.is_dir():
        inbox.rmdir()
    inbox.with_name("elsewhere").rename(inbox)


@pytest.mark.parametrize("how", ["moved away", "emptied"])
def test_an_inbox_that_is_unmounted_for_a_while_fails_no_file_and_holds_up_no_other(
    worker: WorkerHarness, studio: Studio, inbox: Path, clip: Path, how: str
) -> None:
    ids = [worker.submit(source) for source in sorted(inbox.iterdir())]
    unmount(inbox, how)
    with structlog.testing.capture_logs() as logs:
        other = worker.submit(clip, name="other", root=str(clip.parent))
        worker.run(until=lambda: worker.job(other).ended)
        worker.prober.probe_due()
    assert worker.job(other).state is State.DONE
    assert {worker.job(job_id).state for job_id in ids} <= {State.QUEUED, State.PARKED}
    assert {worker.job(job_id).attempts for job_id in ids} == {0}
    closed = worker.runtime.gates.closed()[Gate.SOURCE]
    assert closed.roots == (str(inbox),)
    assert worker.runtime.gates.count_waiting(Gate.SOURCE, closed.roots) == FILES
    assert [line["gate"] for line in logs if line["event"] == "gate closed"] == [Gate.SOURCE]
    assert worker.tick() == 0
    mount(inbox)
    worker.run(until=lambda: all(worker.job(job_id).ended for job_id in ids))
    assert [worker.job(job_id).state for job_id in ids] == [State.DONE] * FILES
    assert worker.runtime.gates.closed() == {}
    assert studio.charges() == FILES + 1


def test_an_inbox_that_is_unmounted_while_a_file_is_sent_fails_nothing(
    worker: WorkerHarness, studio: Studio, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = worker.submit(inbox / "clip0.mp4")
    real = NemoVideo.upload_file

    def upload(client: NemoVideo, *args: Any, **options: Any) -> nemovideo.Uploaded:
        monkeypatch.undo()
        unmount(inbox, "moved away")
        return real(client, *args, **options)

    monkeypatch.setattr(NemoVideo, "upload_file", upload)
    worker.run(until=lambda: worker.job(job_id).state is State.PARKED)
    problem = worker.job(job_id).problem
    assert problem is not None
    assert problem.code == "gate_source"
    mount(inbox)
    worker.run(until=lambda: worker.job(job_id).ended)
    assert worker.job(job_id).state is State.DONE
    assert studio.charges() == 1


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[bool], Path]]:
    """A folder that is mounted and unmounted as asked for, and keeps what is in it."""
    kept, point = tmp_path / "kept", tmp_path / "disk"
    kept.mkdir()
    point.mkdir()

    def run(*command: object) -> None:
        if subprocess.run([str(word) for word in command], check=False, capture_output=True).returncode:
            pytest.skip("needs the right to mount a disk")

    def mount_disk(on: bool) -> Path:
        run(*(("mount", "--bind", kept, point) if on else ("umount", "-l", point)))
        return point

    if shutil.which("mount") is None:
        pytest.skip("needs the right to mount a disk")
    run("mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", kept)
    yield mount_disk
    if point.is_mount():
        mount_disk(False)
    run("umount", "-l", kept)


def test_an_outbox_that_is_unmounted_is_waited_for_and_made_nowhere_else(
    redis_url: str, studio: Studio, clip: Path, tmp_path: Path, disk: Callable[[bool], Path]
) -> None:
    outbox = disk(True) / "videos" / "out"
    chosen = FAST | {"DROPSCORE_STATE_DIR": tmp_path / "state"}
    with open_worker(redis_url, studio, outbox, **chosen) as worker:
        (outbox / OWNER_FILE).touch()
        first = worker.submit(clip, name="first")
        worker.run()
        late = worker.submit(clip, name="late")
        worker.run_until_at(late, Step.DOWNLOAD)
        point = disk(False)
        early = worker.submit(clip, name="early")
        worker.run(until=lambda: Gate.DISK in worker.runtime.gates.closed())
        time.sleep(0.4)
        worker.prober.probe_due()
        closed = worker.runtime.gates.closed()[Gate.DISK]
        assert closed.message == f"{outbox}: {point} is not mounted"
        assert list(point.iterdir()) == []
        assert studio.charges() == 2
        disk(True)
        worker.run(until=lambda: all(worker.job(one).ended for one in (early, late)))
        assert {worker.job(one).state for one in (first, early, late)} == {State.DONE}
        assert sorted(path.name for path in outbox.glob("*.mp4")) == ["early.mp4", "first.mp4", "late.mp4"]
        assert studio.charges() == 3
