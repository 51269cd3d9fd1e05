"""Rules of the contract about an edit that only the worker's steps can keep (api-contract 3, 5, 6)."""

import hashlib
import re
import threading
from pathlib import Path

import pytest
import structlog

import nemovideo
from jobs.model import Gate, InstructionStatus, State, Step
from tests.integration.worker.harness import FAST, Studio, WorkerHarness, open_worker
from worker.steps.edit import MAX_SENDS_AFTER_REFUSAL

pytestmark = pytest.mark.integration


def test_a_long_edit_logs_which_job_still_works(
    redis_url: str, studio: Studio, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nemovideo.stream.STILL_WORKING_S", 0.0)
    with open_worker(redis_url, studio, tmp_path / "out", **FAST) as worker:
        job_id = worker.submit(clip)
        with structlog.testing.capture_logs() as logs:
            worker.run()
    lines = [line for line in logs if line["event"] == "still working"]
    assert lines
    assert {line["job"] for line in lines} == {job_id}
    assert lines[-1]["doing"] == "Editing the timeline"


@pytest.mark.parametrize(
    ("instruction", "said", "sent"),
    [
        ("füge ruhige Musik hinzu und mach sie leiser", None, "de"),
        ("jazz", None, None),
        ("add calm music", "ja", "ja"),
    ],
)
def test_the_language_is_that_of_the_instruction_unless_it_was_said(
    worker: WorkerHarness,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    instruction: str,
    said: str | None,
    sent: str | None,
) -> None:
    spoken: list[str | None] = []
    open_session = nemovideo.NemoVideo.open_session

    def listen(client: nemovideo.NemoVideo, *, language: str | None) -> nemovideo.Session:
        spoken.append(language)
        return open_session(client, language=language)

    monkeypatch.setattr(nemovideo.NemoVideo, "open_session", listen)
    job_id = worker.submit(clip, instruction, language=said)
    worker.run_until_at(job_id, Step.EDIT)
    assert spoken == [sent]


def test_an_export_asked_for_beside_an_edit_is_not_sent(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = worker.submit(clip, "add calm background music and export it")
    worker.run()
    assert worker.job(job_id).state is State.DONE
    digest = hashlib.sha256(b"add calm background music").hexdigest()
    assert [charge["instruction"] for charge in studio.ledger()["charges"]] == [digest]
    assert worker.result(job_id)["instructions"] == ["add calm background music and export it"]


@pytest.mark.parametrize("step", [Step.UPLOAD, Step.EDIT, Step.DOWNLOAD])
def test_a_shutdown_uses_up_no_attempt(worker: WorkerHarness, studio: Studio, clip: Path, step: Step) -> None:
    job_id = worker.submit(clip)
    worker.run_until_at(job_id, step)
    worker.runtime.stopping.set()
    worker.step()
    job = worker.job(job_id)
    assert (job.state, job.step, job.attempts, job.problem) == (State.QUEUED, step, 0, None)
    worker.runtime.stopping.clear()
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert [studio.paths().count(name) for name in ("session", "run_sse")] == [1, 1]
    assert len(studio.ledger()["charges"]) == 1


def test_an_upload_that_was_stopped_after_it_arrived_is_not_repeated(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    studio.faults({"endpoint": "upload", "kind": "timeout", "landed": True, "hold_s": 5, "count": 1})
    job_id = worker.submit(clip)
    worker.tick()
    stop = threading.Timer(0.5, worker.runtime.stopping.set)
    stop.start()
    worker.step()
    assert (worker.job(job_id).step, worker.job(job_id).attempts) == (Step.UPLOAD, 0)
    worker.runtime.stopping.clear()
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert studio.paths().count("upload") == 1


@pytest.mark.parametrize(("code", "gate"), [(2001, Gate.CREDITS), (402, Gate.PLAN)])
def test_a_refusal_inside_a_stream_parks_and_is_read_back_before_it_is_sent_again(
    worker: WorkerHarness,
    studio: Studio,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    gate: Gate,
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "code", "code": code, "carrier": "stream", "count": 1})
    job_id = worker.submit(clip)
    worker.run(until=lambda: gate in worker.runtime.gates.closed())
    worker.run(until=lambda: worker.job(job_id).state is not State.RUNNING)
    sent = worker.job(job_id).checkpoint.instructions[0]
    assert (sent.status, sent.max_attempts) == (InstructionStatus.SENDING, MAX_SENDS_AFTER_REFUSAL)
    if code == 2001:
        assert "/register?bind=" in worker.runtime.gates.closed()[gate].advice
    looks = []
    look = nemovideo.NemoVideo.state
    monkeypatch.setattr(
        nemovideo.NemoVideo, "state", lambda *args: looks.append(studio.paths()) or look(*args)
    )
    worker.run(until=lambda: worker.job(job_id).state is State.DONE)
    assert studio.paths().count("run_sse") == 2
    unsent = [seen for seen in looks if seen.count("run_sse") == 1]
    assert len(unsent) == 4  # as many looks as are set, and the one before it is sent
    assert studio.charges() == 1


def test_a_session_called_gone_inside_a_stream_is_read_back(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "code", "code": 1002, "carrier": "stream", "count": 1})
    job_id = worker.submit(clip)
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert [studio.paths().count(name) for name in ("session", "upload", "run_sse")] == [1, 1, 2]


def test_a_users_refused_token_closes_the_auth_gate_and_is_never_replaced(
    redis_url: str, studio: Studio, clip: Path, tmp_path: Path
) -> None:
    settings = {**FAST, "NEMO_TOKEN": "nmv_usr_no_longer_good"}
    with open_worker(redis_url, studio, tmp_path / "out", **settings) as worker:
        ids = [worker.submit(clip, name=f"clip{number}") for number in range(2)]
        worker.run()
        for _ in range(3):
            worker.prober.probe_due()
        closed = worker.runtime.gates.closed()[Gate.AUTH]
        parked = [job_id for job_id in ids if worker.job(job_id).state is State.PARKED]
        results = [worker.result(job_id) for job_id in parked]
    assert "NEMO_TOKEN" in closed.message
    assert parked
    assert {result["state"] for result in results} == {"parked"}
    assert all("NEMO_TOKEN" in result["error"]["advice"] for result in results)
    assert "token" not in studio.paths()


def test_a_users_empty_account_is_told_to_top_up(
    redis_url: str, studio: Studio, clip: Path, tmp_path: Path
) -> None:
    token = studio.http.post("/_studio/accounts", json={"credits": 10}).json()["token"]
    with open_worker(redis_url, studio, tmp_path / "out", **FAST, NEMO_TOKEN=token) as worker:
        job_id = worker.submit(clip)
        worker.run(until=lambda: worker.job(job_id).state is State.PARKED)
        assert worker.result(job_id)["error"]["advice"] == "Top up credits in your account"
    assert "token" not in studio.paths()


def test_gui_talk_is_not_in_a_result(worker: WorkerHarness, studio: Studio, clip: Path) -> None:
    texts = []
    for number, instruction in enumerate(
        ("add calm background music", "添加平静的背景音乐", "add jazz music")
    ):
        job_id = worker.submit(clip, instruction, name=f"clip{number}")
        worker.run()
        texts += worker.result(job_id)["texts"]
    assert texts
    assert not [text for text in texts if re.search("(?i)click|export|drag|点击|导出|拖", text)]


def test_a_lost_stream_is_read_back_as_often_as_was_set(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "cut", "landed": False, "count": 1})
    looks = []
    look = nemovideo.NemoVideo.state
    monkeypatch.setattr(
        nemovideo.NemoVideo, "state", lambda *args: looks.append(studio.paths()) or look(*args)
    )
    job_id = worker.submit(clip)
    worker.run()
    assert worker.job(job_id).state is State.UNCONFIRMED
    assert len([seen for seen in looks if "run_sse" in seen]) == len(
        worker.runtime.settings.disconnect_waits_s
    )


def test_export_alone_renders_the_timeline_as_it_is_and_pays_nothing(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = worker.submit(clip, "export the video")
    worker.run()
    assert worker.result(job_id)["timeline"] == "Timeline (1 track): 1. Video: clip (0-1s)"
    assert Path(worker.result(job_id)["output"]).is_file()
    assert [studio.paths().count(name) for name in ("run_sse", "render")] == [0, 1]


def test_status_is_answered_with_the_track_summary(worker: WorkerHarness, studio: Studio, clip: Path) -> None:
    job_id = worker.submit(clip, "show tracks", "状态")
    worker.run()
    result = worker.result(job_id)
    assert result["texts"] == ["Timeline (1 track): 1. Video: clip (0-1s)"] * 2
    assert (result["state"], result["output"], "run_sse" in studio.paths()) == ("done", None, False)
