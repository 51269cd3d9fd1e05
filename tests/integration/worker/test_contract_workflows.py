"""The workflows of api-contract 7: one session for a folder, and one more instruction for what is done."""

import itertools
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from jobs import control
from jobs.errors import NotAllowed
from jobs.model import State, Step
from tests.integration.worker.harness import Studio, WorkerHarness

pytestmark = pytest.mark.integration

FOLDER = "folder"
ONCE = {"count": 1}


@pytest.fixture
def files(clip: Path, tmp_path: Path) -> list[Path]:
    """Three files of one folder."""
    paths = [tmp_path / f"{name}.mp4" for name in ("ada", "ben", "cleo")]
    for path in paths:
        shutil.copy(clip, path)
    return paths


def submit_all(worker: WorkerHarness, files: list[Path]) -> list[str]:
    """Submit the files; the first has opened the session before the others come."""
    first = worker.submit(files[0], session_group=FOLDER)
    worker.run(until=lambda: worker.job(first).step is not Step.UPLOAD)
    return [first, *(worker.submit(path, session_group=FOLDER) for path in files[1:])]


def sessions(worker: WorkerHarness, ids: list[str]) -> set[str]:
    return {worker.result(job_id)["ids"]["session"] for job_id in ids}


# --- batch style ----------------------------------------------------------------------------------


def test_the_files_of_a_folder_share_a_session_one_after_the_other(
    worker: WorkerHarness, studio: Studio, files: list[Path]
) -> None:
    ids = submit_all(worker, files)
    worker.run()
    results = [worker.result(job_id) for job_id in ids]
    assert [result["state"] for result in results] == ["done"] * 3
    assert len(sessions(worker, ids)) == 1
    assert [studio.paths().count(name) for name in ("session", "upload", "run_sse", "render")] == [1, 3, 3, 3]
    for result, path in zip(results, files, strict=True):
        assert f"Video: {path.stem} " in result["timeline"]
        assert "BGM: " in result["timeline"]
    spans = sorted((result["steps"][1]["started"], result["ended"]) for result in results)
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(spans))


def test_a_file_that_fails_or_is_cancelled_hands_the_session_on(
    worker: WorkerHarness, studio: Studio, files: list[Path]
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "noop", **ONCE})
    first, second, third = submit_all(worker, files)
    worker.run(until=lambda: worker.job(first).state is State.FAILED)
    control.cancel(worker.ledger, second)
    worker.run()
    states = [worker.job(job_id).state for job_id in (first, second, third)]
    assert states == [State.FAILED, State.CANCELLED, State.DONE]
    assert studio.paths().count("session") == 1


def test_a_shared_session_that_is_gone_is_replaced_for_those_behind(
    worker: WorkerHarness, studio: Studio, files: list[Path]
) -> None:
    studio.faults({"endpoint": "upload", "kind": "code", "code": 1002, "after": 1, **ONCE})
    ids = submit_all(worker, files)
    worker.run()
    assert [worker.job(job_id).state for job_id in ids] == [State.DONE] * 3
    assert studio.paths().count("session") == 2
    assert len(sessions(worker, ids[1:])) == 1
    assert studio.charges() == 3


def test_an_upload_to_a_shared_session_whose_answer_was_lost_is_not_repeated(
    worker: WorkerHarness, studio: Studio, files: list[Path]
) -> None:
    studio.faults(
        {"endpoint": "upload", "kind": "reset", "landed": False, "after": 1, **ONCE},
        {"endpoint": "upload", "kind": "reset", "landed": True, "after": 1, **ONCE},
    )
    ids = submit_all(worker, files)
    worker.run()
    assert [worker.job(job_id).state for job_id in ids] == [State.DONE] * 3
    assert [
        f"Video: {path.stem} " in worker.result(job_id)["timeline"]
        for job_id, path in zip(ids, files, strict=True)
    ] == [True] * 3
    assert studio.paths().count("upload") == 4  # one did not arrive; the other did, and was not sent again


def test_an_edit_of_which_nobody_knows_is_not_mistaken_for_the_next_files(
    worker: WorkerHarness, studio: Studio, files: list[Path]
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "cut", "landed": False, **ONCE})
    ids = submit_all(worker, files)
    worker.run()
    assert [worker.job(job_id).state for job_id in ids] == [State.UNCONFIRMED, State.DONE, State.DONE]
    control.retry(worker.ledger, ids[0])
    worker.run()
    assert worker.job(ids[0]).state is State.UNCONFIRMED
    assert "--resend" in worker.result(ids[0])["error"]["advice"]
    control.retry(worker.ledger, ids[0], resend=True)
    worker.run()
    assert worker.job(ids[0]).state is State.DONE
    assert f"Video: {files[0].stem} " in worker.result(ids[0])["timeline"]


# --- iterative ------------------------------------------------------------------------------------


def tweak(worker: WorkerHarness, job_id: str, instruction: str) -> str:
    return control.tweak(worker.ledger, job_id, instruction).job_id


def test_a_tweak_goes_on_in_the_session_and_keeps_the_first_output(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = worker.submit(clip)
    worker.run()
    first = Path(worker.result(job_id)["output"])
    before = sha256(first.read_bytes()).hexdigest()
    second, third = (
        tweak(worker, job_id, "make the music softer"),
        tweak(worker, job_id, "title 'Urban Dreams'"),
    )
    worker.run()
    results = [worker.result(job_id) for job_id in (second, third)]
    assert [(result["state"], Path(result["output"]).name) for result in results] == [
        ("done", "clip.v2.mp4"),
        ("done", "clip.v3.mp4"),
    ]
    assert any("volume" in change for change in results[0]["changes"])
    assert 'Title: "Urban Dreams"' in results[1]["timeline"]
    assert sha256(first.read_bytes()).hexdigest() == before
    assert [studio.paths().count(name) for name in ("session", "upload", "run_sse", "render")] == [1, 1, 3, 3]
    assert studio.charges() == 3


def test_a_preview_is_rendered_small_and_its_whole_pays_nothing(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = worker.submit(clip, "add calm music and a title 'Hello'", name="clip.preview", preview=True)
    worker.run(timeout_s=120)
    tweaked = tweak(worker, job_id, "make the music softer")
    worker.run(timeout_s=120)
    whole = control.make_whole(worker.ledger, tweaked).job_id
    worker.run(timeout_s=120)
    results = [worker.result(one) for one in (job_id, tweaked, whole)]
    assert [(Path(result["output"]).name, result["preview"]) for result in results] == [
        ("clip.preview.mp4", True),
        ("clip.preview.v2.mp4", True),
        ("clip.mp4", False),
    ]
    assert results[2]["timeline"] == results[1]["timeline"]
    assert [render["quality"] for render in studio.ledger()["renders"]] == ["low", "low", "high"]
    assert studio.charges() == 2


def test_the_same_tweak_is_one_job_and_a_tweak_can_be_tweaked(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = worker.submit(clip)
    worker.run()
    second = tweak(worker, job_id, "make the music softer")
    assert not control.tweak(worker.ledger, job_id, "make the music softer").new
    worker.run()
    third = tweak(worker, second, "make the music louder")
    worker.run()
    assert Path(worker.result(third)["output"]).name == "clip.v3.mp4"
    assert studio.charges() == 3


def test_a_tweak_whose_session_is_gone_says_so_and_pays_nothing(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = worker.submit(clip)
    worker.run()
    studio.faults({"endpoint": "state", "kind": "code", "code": 1002})
    second = tweak(worker, job_id, "make the music softer")
    worker.run()
    result = worker.result(second)
    assert (result["state"], result["error"]["code"]) == ("failed", "version_gone")
    assert "all its instructions at once" in result["error"]["advice"]
    studio.faults()
    control.retry(worker.ledger, second, resend=True)
    worker.run()
    assert worker.job(second).state is State.FAILED  # never softer than nothing
    assert [studio.paths().count(name) for name in ("session", "upload", "run_sse")] == [1, 1, 1]


def test_what_cannot_be_tweak(worker: WorkerHarness, files: list[Path]) -> None:
    waiting = worker.submit(files[0])
    with pytest.raises(NotAllowed, match="only what is done"):
        tweak(worker, waiting, "softer")
    control.cancel(worker.ledger, waiting)
    shared = worker.submit(files[1], session_group=FOLDER)
    worker.run()
    assert worker.job(shared).step is Step.DOWNLOAD
    with pytest.raises(NotAllowed, match="shared its session"):
        tweak(worker, shared, "softer")
