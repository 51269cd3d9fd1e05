"""An output that is gone is made again from what is known: its render, its timeline, else its source."""

import json
import shutil
from pathlib import Path

import pytest

from cli.deliveries import look_at_deliveries
from jobs import control
from jobs.model import Job, RenderRef, State
from producer.deliveries import restore
from tests.integration.worker.harness import Studio, WorkerHarness

pytestmark = pytest.mark.integration


def deliver(worker: WorkerHarness, clip: Path) -> str:
    job_id = worker.submit(clip)
    worker.run()
    assert worker.job(job_id).state is State.DONE
    return job_id


def lose_output(worker: WorkerHarness, job_id: str) -> None:
    Path(worker.job(job_id).spec.output).unlink()


def without_render(job: Job) -> Job:
    """Return the job with a render that the service does not know."""
    return job.evolve(checkpoint=job.checkpoint.evolve(render=RenderRef(render_id="render_" + "0" * 32)))


def test_an_output_that_is_gone_is_fetched_again_and_not_paid_again(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = deliver(worker, clip)
    before = worker.result(job_id)
    output, content = worker.outbox / "clip.mp4", (worker.outbox / "clip.mp4").read_bytes()
    lose_output(worker, job_id)
    backend = worker.runtime.settings.backend
    found = look_at_deliveries(worker.ledger, backend, str(clip.parent), str(worker.outbox))
    assert [one.job_id for one in found.gone] == [job_id]
    restore(worker.ledger, worker.job(job_id), worker.runtime.settings)
    worker.run()
    assert output.read_bytes() == content
    assert studio.charges() == 1
    after = worker.result(job_id)
    kept = ("job", "state", "output", "instructions", "timeline", "texts", "changes", "credits", "sha256")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    found = look_at_deliveries(worker.ledger, backend, str(clip.parent), str(worker.outbox))
    assert found.gone == ()


def test_without_its_result_and_its_outbox_it_is_made_again_too(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = deliver(worker, clip)
    shutil.rmtree(worker.outbox)
    restore(worker.ledger, worker.job(job_id), worker.runtime.settings)
    worker.run()
    assert json.loads((worker.outbox / "clip.result.json").read_text())["state"] == "done"
    assert (worker.outbox / "clip.mp4").stat().st_size > 0
    assert studio.charges() == 1


def test_a_render_the_service_has_lost_is_rendered_again_from_its_timeline(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = deliver(worker, clip)
    lose_output(worker, job_id)
    restore(worker.ledger, without_render(worker.job(job_id)), worker.runtime.settings)
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert (worker.outbox / "clip.mp4").exists()
    assert studio.charges() == 1


def test_a_timeline_that_was_tweaked_since_is_not_taken_for_the_first_one(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = deliver(worker, clip)
    control.tweak(worker.ledger, job_id, "make the music softer")
    worker.run()
    lose_output(worker, job_id)
    restore(worker.ledger, without_render(worker.job(job_id)), worker.runtime.settings)
    worker.run()
    failed = worker.job(job_id)
    assert (failed.state, failed.problem.code if failed.problem else "") == (State.FAILED, "timeline_gone")
    assert studio.charges() == 2
