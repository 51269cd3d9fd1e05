"""A job without a file: the service makes the video too (api-contract 2.6, `generated_media`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.model import FROM_WORDS, JobSpec, State, job_id_for
from tests.integration.worker.harness import FAST, Studio, WorkerHarness, open_worker
from worker.agent_text import ask_for_video

pytestmark = pytest.mark.integration

WORDS = "3 seconds of a calm lake"


@pytest.fixture
def worker(redis_url: str, studio: Studio, tmp_path: Path) -> Iterator[WorkerHarness]:
    """A worker that does not give up a render which really draws, however busy the machine is."""
    with open_worker(redis_url, studio, tmp_path / "out", **FAST, DROPSCORE_MAX_POLLS=1000) as found:
        yield found


def submit(worker: WorkerHarness, *more: str, **changes: Any) -> str:
    instructions = (ask_for_video(WORDS), *more)
    job_id = job_id_for(WORDS, instructions, "add-music")
    spec = JobSpec(
        source=f"{FROM_WORDS}{WORDS}", skill="add-music", instructions=instructions, fingerprint=WORDS
    ).evolve(**changes)
    worker.ledger.submit(job_id, spec, [str(worker.outbox / "lake.mp4")])
    return job_id


def test_words_become_a_video_that_is_paid_once(worker: WorkerHarness, studio: Studio) -> None:
    job_id = submit(worker, "make the music softer")
    worker.run(timeout_s=120)
    result = worker.result(job_id)
    assert (result["state"], result["source"]) == ("done", f"{FROM_WORDS}{WORDS}")
    assert "a calm lake" in result["timeline"]
    assert "BGM" in result["timeline"]
    assert studio.charges() == 2
    assert "upload" not in studio.paths()
    assert worker.in_flight() == {}


def test_a_session_that_is_lost_before_anything_was_paid_is_replaced(
    worker: WorkerHarness, studio: Studio
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "code", "code": 1002, "count": 1})
    job_id = submit(worker)
    worker.run(timeout_s=120)
    assert worker.job(job_id).state is State.DONE
    assert studio.paths().count("session") == 2
    assert studio.charges() == 1


def test_a_video_costs_more_than_an_edit(worker: WorkerHarness, studio: Studio) -> None:
    refused = submit(worker, max_credits=99)
    worker.run(timeout_s=120)
    problem = worker.job(refused).problem
    assert problem is not None
    assert (problem.code, studio.charges()) == ("file_budget", 0)
    dear = submit(worker, "make the music softer", max_credits=149)
    worker.run(timeout_s=120)
    assert worker.job(dear).problem is not None
    assert studio.charges() == 1  # the video; its second instruction would be too much
