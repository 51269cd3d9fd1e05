"""A disk that is away for a while: no file fails for it, and the log stays quiet."""

from pathlib import Path
from typing import Any

import pytest
import structlog

import nemovideo
from jobs.model import State
from nemovideo import NemoVideo
from tests.integration.worker.harness import Studio, WorkerHarness

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
def test_an_inbox_that_is_unmounted_for_a_while_fails_no_file(
    worker: WorkerHarness, studio: Studio, inbox: Path, how: str
) -> None:
    ids = [worker.submit(source) for source in sorted(inbox.iterdir())]
    unmount(inbox, how)
    with structlog.testing.capture_logs() as logs:
        worker.run(until=lambda: all(worker.job(job_id).attempts >= 2 for job_id in ids))
    assert {worker.job(job_id).state for job_id in ids} == {State.WAITING}
    away = [line for line in logs if line["event"] == "storage away; waiting for it"]
    assert away
    assert all(line["at_most_each_s"] == 60 for line in away)  # which the log's filter reads
    assert not [line for line in logs if line["log_level"] in {"info", "error"}]
    mount(inbox)
    worker.run()
    assert [worker.job(job_id).state for job_id in ids] == [State.DONE] * FILES
    assert studio.charges() == FILES


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
    worker.run(until=lambda: worker.job(job_id).attempts >= 1)
    problem = worker.job(job_id).problem
    assert problem is not None
    assert problem.code == "source_away"
    mount(inbox)
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert studio.charges() == 1
