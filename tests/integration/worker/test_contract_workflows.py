"""The workflows of api-contract 7: one session for a folder, and one more instruction for what is done."""

import itertools
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from jobs import orders
from jobs.errors import NotAllowed
from jobs.groups import Groups
from jobs.ledger import Ledger
from jobs.model import SessionRef, Spec, State, Step
from tests.integration.worker.plant import Plant, Studio

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


def submitted(plant: Plant, files: list[Path]) -> list[str]:
    """Submit the files; the first has the turn before the others ask."""
    first = plant.submit(files[0], session_group=FOLDER)
    plant.run(until=lambda: plant.job(first).step is not Step.UPLOAD)
    return [first, *(plant.submit(path, session_group=FOLDER) for path in files[1:])]


def sessions(plant: Plant, ids: list[str]) -> set[str]:
    return {plant.result(job_id)["ids"]["session"] for job_id in ids}


# --- batch style ----------------------------------------------------------------------------------


def test_the_files_of_a_folder_share_a_session_one_after_the_other(
    plant: Plant, studio: Studio, files: list[Path]
) -> None:
    ids = submitted(plant, files)
    plant.run()
    results = [plant.result(job_id) for job_id in ids]
    assert [result["state"] for result in results] == ["done"] * 3
    assert len(sessions(plant, ids)) == 1
    assert [studio.paths().count(name) for name in ("session", "upload", "run_sse", "render")] == [1, 3, 3, 3]
    for result, path in zip(results, files, strict=True):
        assert f"Video: {path.stem} " in result["timeline"]
        assert "BGM: " in result["timeline"]
    spans = sorted((job.steps[1].started, job.updated) for job in map(plant.job, ids))
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(spans))


def test_a_file_that_fails_or_is_cancelled_hands_the_session_on(
    plant: Plant, studio: Studio, files: list[Path]
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "noop", **ONCE})
    first, second, third = submitted(plant, files)
    plant.run(until=lambda: plant.job(first).state is State.FAILED)
    orders.cancel(plant.shop.ledger, second)
    plant.run()
    states = [plant.job(job_id).state for job_id in (first, second, third)]
    assert states == [State.FAILED, State.CANCELLED, State.DONE]
    assert studio.paths().count("session") == 1


def test_a_shared_session_that_is_gone_is_replaced_for_those_behind(
    plant: Plant, studio: Studio, files: list[Path]
) -> None:
    studio.faults({"endpoint": "upload", "kind": "code", "code": 1002, "after": 1, **ONCE})
    ids = submitted(plant, files)
    plant.run()
    assert [plant.job(job_id).state for job_id in ids] == [State.DONE] * 3
    assert studio.paths().count("session") == 2
    assert len(sessions(plant, ids[1:])) == 1
    assert studio.charges() == 3


def test_an_upload_to_a_shared_session_whose_answer_was_lost_is_not_repeated(
    plant: Plant, studio: Studio, files: list[Path]
) -> None:
    studio.faults(
        {"endpoint": "upload", "kind": "reset", "landed": False, "after": 1, **ONCE},
        {"endpoint": "upload", "kind": "reset", "landed": True, "after": 1, **ONCE},
    )
    ids = submitted(plant, files)
    plant.run()
    assert [plant.job(job_id).state for job_id in ids] == [State.DONE] * 3
    assert [
        f"Video: {path.stem} " in plant.result(job_id)["timeline"]
        for job_id, path in zip(ids, files, strict=True)
    ] == [True] * 3
    assert studio.paths().count("upload") == 4  # one did not arrive; the other did, and was not sent again


def test_an_edit_of_which_nobody_knows_is_not_mistaken_for_the_next_files(
    plant: Plant, studio: Studio, files: list[Path]
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "cut", "landed": False, **ONCE})
    ids = submitted(plant, files)
    plant.run()
    assert [plant.job(job_id).state for job_id in ids] == [State.UNCONFIRMED, State.DONE, State.DONE]
    orders.retry(plant.shop.ledger, ids[0])
    plant.run()
    assert plant.job(ids[0]).state is State.UNCONFIRMED
    assert "--resend" in plant.result(ids[0])["error"]["advice"]
    orders.retry(plant.shop.ledger, ids[0], resend=True)
    plant.run()
    assert plant.job(ids[0]).state is State.DONE
    assert f"Video: {files[0].stem} " in plant.result(ids[0])["timeline"]


def test_a_turn_is_given_to_who_came_first_and_ends_with_its_job(ledger: Ledger) -> None:
    groups, names = Groups(ledger), ["a", "b", "c"]
    for name in names:
        spec = Spec(
            source=f"/in/{name}",
            root="",
            output="",
            result="",
            skill="s",
            instructions=("x",),
            fingerprint=name,
        )
        ledger.submit(name, spec, [f"/out/{name}.mp4"])
    assert [groups.take(FOLDER, name) for name in names] == [True, False, False]
    assert groups.take(FOLDER, "a")
    assert not groups.take("another", "nobody") or groups.take("another", "a")
    ledger.order("a", State.CANCELLED, among=[State.QUEUED], due=None)  # ends without a word
    assert not groups.take(FOLDER, "c")
    assert groups.take(FOLDER, "b")
    groups.leave(FOLDER, "b")
    assert groups.take(FOLDER, "c")
    groups.use(FOLDER, "c", SessionRef(session_id="s1"))
    groups.forget(FOLDER, "b")
    assert groups.session(FOLDER) == SessionRef(session_id="s1")
    assert (groups.owns(FOLDER, "c"), groups.owns(FOLDER, "b")) == (True, False)
    groups.forget(FOLDER, "c")
    assert groups.session(FOLDER) is None


# --- iterative ------------------------------------------------------------------------------------


def tweaked(plant: Plant, job_id: str, instruction: str) -> str:
    return orders.tweak(plant.shop.ledger, job_id, instruction).job_id


def test_a_tweak_goes_on_in_the_session_and_keeps_the_first_output(
    plant: Plant, studio: Studio, clip: Path
) -> None:
    job_id = plant.submit(clip)
    plant.run()
    first = Path(plant.result(job_id)["output"])
    before = sha256(first.read_bytes()).hexdigest()
    second, third = (
        tweaked(plant, job_id, "make the music softer"),
        tweaked(plant, job_id, "title 'Urban Dreams'"),
    )
    plant.run()
    results = [plant.result(job_id) for job_id in (second, third)]
    assert [(result["state"], Path(result["output"]).name) for result in results] == [
        ("done", "clip.v2.mp4"),
        ("done", "clip.v3.mp4"),
    ]
    assert any("volume" in change for change in results[0]["changes"])
    assert 'Title: "Urban Dreams"' in results[1]["timeline"]
    assert sha256(first.read_bytes()).hexdigest() == before
    assert [studio.paths().count(name) for name in ("session", "upload", "run_sse", "render")] == [1, 1, 3, 3]
    assert studio.charges() == 3


def test_the_same_tweak_is_one_job_and_a_tweak_can_be_tweaked(
    plant: Plant, studio: Studio, clip: Path
) -> None:
    job_id = plant.submit(clip)
    plant.run()
    second = tweaked(plant, job_id, "make the music softer")
    assert not orders.tweak(plant.shop.ledger, job_id, "make the music softer").new
    plant.run()
    third = tweaked(plant, second, "make the music louder")
    plant.run()
    assert Path(plant.result(third)["output"]).name == "clip.v3.mp4"
    assert studio.charges() == 3


def test_a_tweak_whose_session_is_gone_says_so_and_pays_nothing(
    plant: Plant, studio: Studio, clip: Path
) -> None:
    job_id = plant.submit(clip)
    plant.run()
    studio.faults({"endpoint": "state", "kind": "code", "code": 1002})
    second = tweaked(plant, job_id, "make the music softer")
    plant.run()
    result = plant.result(second)
    assert (result["state"], result["error"]["class"]) == ("failed", "VersionGone")
    assert "all its instructions at once" in result["error"]["advice"]
    studio.faults()
    orders.retry(plant.shop.ledger, second, resend=True)
    plant.run()
    assert plant.job(second).state is State.FAILED  # never softer than nothing
    assert [studio.paths().count(name) for name in ("session", "upload", "run_sse")] == [1, 1, 1]


def test_what_cannot_be_tweaked(plant: Plant, files: list[Path]) -> None:
    waiting = plant.submit(files[0])
    with pytest.raises(NotAllowed, match="only what is done"):
        tweaked(plant, waiting, "softer")
    orders.cancel(plant.shop.ledger, waiting)
    shared = plant.submit(files[1], session_group=FOLDER)
    plant.run()
    assert plant.job(shared).step is Step.DOWNLOAD
    with pytest.raises(NotAllowed, match="shared its session"):
        tweaked(plant, shared, "softer")
