"""Rules of the contract about an edit that only the worker's steps can keep (api-contract 3, 5, 6)."""

import functools
import hashlib
import re
import sys
import threading
from pathlib import Path

import pytest
import structlog

import nemo
from jobs.model import Gate, State, Step, TurnStatus
from tests.integration.worker.plant import FAST, Plant, Studio, open_plant
from worker.progress import still_working

pytestmark = pytest.mark.integration


def test_still_working_is_said_every_two_minutes() -> None:
    at, said = [0.0], []
    hear = still_working(lambda: at[0], said.append)
    for at[0] in (5.0, 119.0, 120.0, 125.0, 239.0, 241.0, 300.0):
        hear("heartbeat")
    assert said == [120.0, 241.0]


def test_a_long_edit_says_in_the_log_which_job_still_works(
    redis_url: str, studio: Studio, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys.modules["worker.steps.edit"], "still_working", functools.partial(still_working, every_s=0.0)
    )
    with open_plant(redis_url, studio, tmp_path / "out", **FAST) as plant:
        job_id = plant.submit(clip)
        with structlog.testing.capture_logs() as logs:
            plant.run()
    told = [line for line in logs if line["event"] == "still working"]
    assert told
    assert {line["job"] for line in told} == {job_id}


def test_an_export_asked_for_beside_an_edit_is_not_sent(plant: Plant, studio: Studio, clip: Path) -> None:
    job_id = plant.submit(clip, "add calm background music and export it")
    plant.run()
    assert plant.job(job_id).state is State.DONE
    digest = hashlib.sha256(b"add calm background music").hexdigest()
    assert [charge["instruction"] for charge in studio.ledger()["charges"]] == [digest]
    assert plant.result(job_id)["instructions"] == ["add calm background music and export it"]


@pytest.mark.parametrize("step", [Step.UPLOAD, Step.EDIT, Step.DOWNLOAD])
def test_a_shutdown_uses_up_no_attempt(plant: Plant, studio: Studio, clip: Path, step: Step) -> None:
    job_id = plant.submit(clip)
    plant.clock.tick()
    plant.run(until=lambda: plant.job(job_id).step is step and bool(plant.messages))
    plant.shop.stopping.set()
    plant.step()
    job = plant.job(job_id)
    assert (job.state, job.step, job.attempts, job.problem) == (State.WAITING, step, 0, None)
    plant.shop.stopping.clear()
    plant.run()
    assert plant.job(job_id).state is State.DONE
    assert [studio.paths().count(name) for name in ("session", "run_sse")] == [1, 1]
    assert len(studio.ledger()["charges"]) == 1


def test_an_upload_that_was_stopped_after_it_arrived_is_not_repeated(
    plant: Plant, studio: Studio, clip: Path
) -> None:
    studio.faults({"endpoint": "upload", "kind": "timeout", "landed": True, "hold_s": 5, "count": 1})
    job_id = plant.submit(clip)
    plant.clock.tick()
    stop = threading.Timer(0.5, plant.shop.stopping.set)
    stop.start()
    plant.step()
    assert (plant.job(job_id).step, plant.job(job_id).attempts) == (Step.UPLOAD, 0)
    plant.shop.stopping.clear()
    plant.run()
    assert plant.job(job_id).state is State.DONE
    assert studio.paths().count("upload") == 1


@pytest.mark.parametrize(("code", "gate"), [(2001, Gate.CREDITS), (402, Gate.PLAN)])
def test_a_refusal_inside_a_stream_parks_and_is_read_back_before_it_is_sent_again(
    plant: Plant,
    studio: Studio,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    gate: Gate,
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "code", "code": code, "carrier": "stream", "count": 1})
    job_id = plant.submit(clip)
    plant.run(until=lambda: gate in plant.shop.gates.closed())
    turn = plant.job(job_id).checkpoint.turns[0]
    assert (turn.status, turn.refused) == (TurnStatus.SENDING, True)
    if code == 2001:
        assert "/register?bind=" in plant.shop.gates.closed()[gate].advice
    looks = []
    look = nemo.NemoClient.state
    monkeypatch.setattr(nemo.NemoClient, "state", lambda *args: looks.append(studio.paths()) or look(*args))
    plant.run(until=lambda: plant.job(job_id).state is State.DONE)
    assert studio.paths().count("run_sse") == 2
    unsent = [seen for seen in looks if seen.count("run_sse") == 1]
    assert len(unsent) == 4  # as many looks as are set, and the one before it is sent
    assert studio.charges() == 1


def test_a_session_called_gone_inside_a_stream_is_read_back(plant: Plant, studio: Studio, clip: Path) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "code", "code": 1002, "carrier": "stream", "count": 1})
    job_id = plant.submit(clip)
    plant.run()
    assert plant.job(job_id).state is State.DONE
    assert [studio.paths().count(name) for name in ("session", "upload", "run_sse")] == [1, 1, 2]


def test_a_users_refused_token_closes_the_auth_gate_and_is_never_replaced(
    redis_url: str, studio: Studio, clip: Path, tmp_path: Path
) -> None:
    settings = {**FAST, "NEMO_TOKEN": "nmv_usr_no_longer_good"}
    with open_plant(redis_url, studio, tmp_path / "out", **settings) as plant:
        ids = [plant.submit(clip, name=f"clip{number}") for number in range(2)]
        plant.run(until=lambda: plant.counts()[State.PARKED] == 2)
        for _ in range(3):
            plant.prober.probe_due()
        closed = plant.shop.gates.closed()[Gate.AUTH]
        results = [plant.result(job_id) for job_id in ids]
    assert "NEMO_TOKEN" in closed.message
    assert [result["state"] for result in results] == ["parked"] * 2
    assert all("NEMO_TOKEN" in result["error"]["advice"] for result in results)
    assert "token" not in studio.paths()


def test_a_users_empty_account_is_told_to_top_up(
    redis_url: str, studio: Studio, clip: Path, tmp_path: Path
) -> None:
    token = studio.http.post("/_studio/accounts", json={"credits": 10}).json()["token"]
    with open_plant(redis_url, studio, tmp_path / "out", **FAST, NEMO_TOKEN=token) as plant:
        job_id = plant.submit(clip)
        plant.run(until=lambda: plant.job(job_id).state is State.PARKED)
        assert plant.result(job_id)["error"]["advice"] == "Top up credits in your account"
    assert "token" not in studio.paths()


def test_gui_talk_is_not_in_a_result(plant: Plant, studio: Studio, clip: Path) -> None:
    talked = []
    for number, instruction in enumerate(
        ("add calm background music", "添加平静的背景音乐", "add jazz music")
    ):
        job_id = plant.submit(clip, instruction, name=f"clip{number}")
        plant.run()
        talked += plant.result(job_id)["texts"]
    assert talked
    assert not [text for text in talked if re.search("(?i)click|export|drag|点击|导出|拖", text)]


def test_a_lost_stream_is_read_back_as_often_as_was_set(
    plant: Plant, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "cut", "landed": False, "count": 1})
    looks = []
    look = nemo.NemoClient.state
    monkeypatch.setattr(nemo.NemoClient, "state", lambda *args: looks.append(studio.paths()) or look(*args))
    job_id = plant.submit(clip)
    plant.run()
    assert plant.job(job_id).state is State.UNCONFIRMED
    assert len([seen for seen in looks if "run_sse" in seen]) == len(plant.shop.settings.disconnect_waits_s)


def test_export_alone_renders_the_timeline_as_it_is_and_pays_nothing(
    plant: Plant, studio: Studio, clip: Path
) -> None:
    job_id = plant.submit(clip, "export the video")
    plant.run()
    assert plant.result(job_id)["timeline"] == "Timeline (1 track): 1. Video: clip (0-1s)"
    assert Path(plant.result(job_id)["output"]).is_file()
    assert [studio.paths().count(name) for name in ("run_sse", "render")] == [0, 1]


def test_status_is_answered_with_the_track_summary(plant: Plant, studio: Studio, clip: Path) -> None:
    job_id = plant.submit(clip, "show tracks", "状态")
    plant.run()
    result = plant.result(job_id)
    assert result["texts"] == ["Timeline (1 track): 1. Video: clip (0-1s)"] * 2
    assert (result["state"], result["output"], "run_sse" in studio.paths()) == ("done", None, False)
