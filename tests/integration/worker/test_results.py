"""Outputs, results and renders: each job's own, true, and never without an end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nemovideo
from jobs import control
from jobs.model import State, Step
from nemovideo import NemoVideo
from tests.integration.worker.harness import Studio, WorkerHarness
from worker.delivery import part_path

pytestmark = pytest.mark.integration


def act_at_state(patch: pytest.MonkeyPatch, act: Callable[[], None], error: Exception) -> None:
    """At the next look at a timeline, do something and then break the step."""
    real = NemoVideo.state

    def state(client: NemoVideo, session_id: str) -> nemovideo.SessionState:
        patch.setattr(NemoVideo, "state", real)
        act()
        raise error

    patch.setattr(NemoVideo, "state", state)


# --- whose output, whose result -------------------------------------------------------------------


def test_a_retry_never_touches_the_result_of_the_job_that_has_the_name_now(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "noop", "count": 1})
    first = worker.submit(clip)
    worker.run()
    assert worker.job(first).state is State.FAILED
    second = worker.submit(clip, "add jazz music")
    worker.run()
    assert worker.job(second).spec.output == str(worker.outbox / "clip.mp4")
    output, result = worker.outbox / "clip.mp4", worker.outbox / "clip.result.json"
    delivered = (output.read_bytes(), result.read_bytes())
    control.retry(worker.ledger, first)  # fails again
    worker.run()
    assert worker.job(first).state is State.FAILED
    control.retry(worker.ledger, first, resend=True)  # and can be delivered, under a name of its own
    worker.run()
    assert worker.job(first).state is State.DONE
    assert worker.result(first)["output"] == str(worker.outbox / "clip.v2.mp4")
    assert (output.read_bytes(), result.read_bytes()) == delivered
    assert worker.result(second)["job"] == second


@pytest.mark.parametrize(
    "error", [nemovideo.BadRequest("no"), nemovideo.OutOfCredits("none")], ids=["fails", "parks"]
)
def test_a_worker_late_with_a_cancelled_job_leaves_the_result_of_the_next_alone(
    worker: WorkerHarness, clip: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    first = worker.submit(clip)
    worker.run_until_at(first, Step.EDIT)
    taken_over: list[str] = []

    def give_name_to_another() -> None:
        control.cancel(worker.ledger, first)
        taken_over.append(worker.submit(clip, "add jazz music"))
        worker.run(until=lambda: worker.job(taken_over[0]).ended)

    act_at_state(monkeypatch, give_name_to_another, error)
    worker.step()
    assert worker.job(first).state is State.CANCELLED
    result = worker.result(taken_over[0])
    assert (result["job"], result["state"]) == (taken_over[0], "done")


@pytest.mark.parametrize(
    "error", [nemovideo.BadRequest("no"), nemovideo.OutOfCredits("none")], ids=["fails", "parks"]
)
def test_the_result_of_a_cancelled_job_says_cancelled_whatever_its_worker_was_about_to_write(
    worker: WorkerHarness, clip: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    job_id = worker.submit(clip)
    worker.run_until_at(job_id, Step.EDIT)
    act_at_state(monkeypatch, lambda: control.cancel(worker.ledger, job_id) and None, error)
    worker.step()
    assert (worker.job(job_id).state, worker.result(job_id)["state"]) == (State.CANCELLED, "cancelled")


def test_a_cancel_right_after_a_job_was_parked_is_what_its_result_says(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = worker.submit(clip)
    worker.run_until_at(job_id, Step.EDIT)
    studio.credits(0)
    commit = worker.ledger.commit

    def cancel_after(*args: Any) -> bool:
        written = commit(*args)
        monkeypatch.undo()
        control.cancel(worker.ledger, job_id)
        return written

    monkeypatch.setattr(worker.ledger, "commit", cancel_after)
    worker.step()
    assert (worker.job(job_id).state, worker.result(job_id)["state"]) == (State.CANCELLED, "cancelled")
    studio.credits(1000)


# --- renders that are lost ------------------------------------------------------------------------


def test_a_render_that_the_service_has_lost_is_rendered_under_a_new_id(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = worker.submit(clip)
    worker.run_until_at(job_id, Step.POLL)
    studio.faults({"endpoint": "status", "kind": "status", "status": 404, "count": 3})
    worker.run()
    assert worker.job(job_id).state is State.DONE
    renders = [render["id"] for render in studio.ledger()["renders"]]
    assert len(renders) == len(set(renders)) == 2
    assert studio.charges() == 1


def test_a_service_that_loses_every_render_is_given_up(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.retry.Retry.wait_s", lambda *_: 0.05)
    studio.faults({"endpoint": "status", "kind": "status", "status": 404})
    job_id = worker.submit(clip)
    worker.run()
    job = worker.job(job_id)
    assert (job.state, job.problem.code if job.problem else "") == (State.FAILED, "render_not_found")
    assert studio.paths().count("render") == 3
    studio.faults()
    assert control.retry(worker.ledger, job_id) is Step.RENDER
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert studio.charges() == 1


def test_an_output_that_is_gone_when_it_is_fetched_is_rendered_again(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.retry.Retry.wait_s", lambda *_: 0.05)
    job_id = worker.submit(clip)
    worker.run_until_at(job_id, Step.DOWNLOAD)
    lost = worker.job(job_id).checkpoint.render
    assert lost is not None
    real, tries = NemoVideo.download, []

    def download(client: NemoVideo, render: nemovideo.Render, *args: Any, **options: Any) -> Any:
        if render.id == lost.render_id:
            tries.append(render.id)
            raise nemovideo.DownloadBroken("gone")
        return real(client, render, *args, **options)

    monkeypatch.setattr(NemoVideo, "download", download)
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert len(tries) == 6
    assert worker.result(job_id)["ids"]["render"] != lost.render_id
    assert studio.charges() == 1


def test_an_output_that_is_gone_for_good_fails_and_a_retry_renders_it(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.retry.Retry.wait_s", lambda *_: 0.05)
    job_id = worker.submit(clip)

    def download(*_: Any, **__: Any) -> None:
        raise nemovideo.DownloadBroken("gone")

    with monkeypatch.context() as patch:
        patch.setattr(NemoVideo, "download", download)
        worker.run()
    job = worker.job(job_id)
    assert (job.state, job.problem.code if job.problem else "") == (State.FAILED, "download_broken")
    assert studio.paths().count("render") == 3
    assert control.retry(worker.ledger, job_id) is Step.RENDER
    worker.run()
    assert worker.job(job_id).state is State.DONE


# --- holes ----------------------------------------------------------------------------------------


def test_a_resumed_part_with_a_hole_is_fetched_from_the_start(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.retry.Retry.wait_s", lambda *_: 0.05)
    job_id = worker.submit(clip)
    worker.run_until_at(job_id, Step.DOWNLOAD)
    part = part_path(worker.job(job_id), worker.runtime.settings)
    real, resumed = NemoVideo.download, []

    def download(client: NemoVideo, render: nemovideo.Render, *args: Any, **options: Any) -> Any:
        got = real(client, render, *args, **options)
        if not resumed:  # as a power cut leaves what was not flushed
            content = bytearray(part.read_bytes())
            quarter = len(content) // 4
            content[quarter : 3 * quarter] = bytes(2 * quarter)
            part.write_bytes(content)
            resumed.append(True)
        return got

    monkeypatch.setattr(NemoVideo, "download", download)
    worker.run()
    assert worker.job(job_id).state is State.DONE
    output = Path(worker.result(job_id)["output"])
    assert bytes(1000) * 10 not in output.read_bytes()
    download_record = worker.result(job_id)["steps"][-1]
    assert (download_record["step"], download_record["attempts"]) == ("download", 2)
