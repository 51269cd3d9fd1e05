"""Sources and outboxes in a bucket of a real S3 server, and what may come between."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

import storage
from jobs import control
from jobs.model import Job, JobSpec, State, job_id_for
from tests.integration.worker.harness import FAST, Studio, WorkerHarness, open_worker
from tests.s3 import Bucket
from worker.delivery import measure_video

pytestmark = pytest.mark.integration

ODD = "Größe #1 100% ?&=+"


@pytest.fixture
def worker(redis_url: str, studio: Studio, tmp_path: Path, bucket: Bucket) -> Iterator[WorkerHarness]:
    settings = {**FAST, "DROPSCORE_STATE_DIR": tmp_path / "state"}
    with open_worker(redis_url, studio, tmp_path / "out", **settings) as found:
        yield found


def take_in(worker: WorkerHarness, bucket: Bucket, source: str, output: str) -> str:
    seen = storage.storage_for(source).stat(source)
    assert seen is not None
    wanted = ("add calm background music",)
    job_id = job_id_for(source, wanted, "add-music")
    spec = JobSpec(
        source=source,
        root=bucket.path("in"),
        skill="add-music",
        instructions=wanted,
        fingerprint=source,
        size_bytes=seen.size_bytes,
        etag=seen.etag,
        created=time.time(),
    )
    worker.ledger.submit(job_id, spec, [output])
    return job_id


def run_to_end(worker: WorkerHarness, job_id: str) -> Job:
    worker.run()
    return worker.job(job_id)


def test_an_object_becomes_an_object_and_nothing_stays_behind(
    worker: WorkerHarness, bucket: Bucket, clip: Path, tmp_path: Path
) -> None:
    source = bucket.put(f"in/{ODD}.mp4", clip.read_bytes())
    job = run_to_end(worker, take_in(worker, bucket, source, bucket.path(f"out/sub/{ODD}.mp4")))
    assert job.state is State.DONE, job.problem
    assert bucket.keys("out/") == [f"out/sub/{ODD}.mp4", f"out/sub/{ODD}.result.json"]
    here = tmp_path / "here.mp4"
    here.write_bytes(bucket.get(f"out/sub/{ODD}.mp4"))
    with av.open(str(clip)) as before:
        assert before.duration
        assert measure_video(here, None) == pytest.approx(before.duration / av.time_base, abs=0.3)
    result = json.loads(bucket.get(f"out/sub/{ODD}.result.json"))
    assert result["sha256"]["source"] == storage.storage_for(source).digest(source)
    assert [*(tmp_path / "state" / "parts").iterdir()] == []
    worker.ledger.sync_clock()
    version = control.tweak(worker.ledger, job.id, "softer")
    worker.run()
    assert worker.job(version.job_id).spec.output == bucket.path(f"out/sub/{ODD}.v2.mp4")
    assert worker.job(version.job_id).state is State.DONE
    assert f"out/sub/{ODD}.v2.mp4" in bucket.keys("out/")


def test_a_source_that_was_replaced_or_removed_costs_nothing(
    worker: WorkerHarness, bucket: Bucket, clip: Path
) -> None:
    for key in ("in/a.mp4", "in/b.mp4"):
        bucket.put(key, clip.read_bytes())
    jobs = [take_in(worker, bucket, bucket.path(f"in/{n}.mp4"), bucket.path(f"out/{n}.mp4")) for n in "ab"]
    content = bytearray(clip.read_bytes())
    content[-1] ^= 1
    bucket.put("in/a.mp4", bytes(content))
    bucket.client.delete_object(Bucket=bucket.name, Key="in/b.mp4")
    worker.run()
    codes = [(job.state, job.problem.code) for job in map(worker.job, jobs) if job.problem]
    assert codes == [(State.FAILED, "source_changed"), (State.FAILED, "source_gone")]
    assert worker.studio.charges() == 0


def test_a_stranger_s_object_is_never_replaced(worker: WorkerHarness, bucket: Bucket, clip: Path) -> None:
    source = bucket.put("in/a.mp4", clip.read_bytes())
    bucket.put("out/a.mp4", b"a stranger's")
    job = run_to_end(worker, take_in(worker, bucket, source, bucket.path("out/a.mp4")))
    assert job.state is State.FAILED
    assert job.problem is not None
    assert "and it is not this job's" in job.problem.message
    assert bucket.get("out/a.mp4") == b"a stranger's"
    bucket.client.delete_object(Bucket=bucket.name, Key="out/a.mp4")
    control.retry(worker.ledger, job.id)
    assert run_to_end(worker, job.id).state is State.DONE
    assert worker.studio.charges() == 1


def test_one_may_lie_in_a_folder_and_the_other_in_a_bucket(
    worker: WorkerHarness, bucket: Bucket, clip: Path
) -> None:
    far = take_in(worker, bucket, bucket.put("in/a.mp4", clip.read_bytes()), str(worker.outbox / "a.mp4"))
    spec = worker.job(far).spec
    assert run_to_end(worker, far).state is State.DONE
    assert measure_video(Path(spec.output), None) > 0


@pytest.mark.slow
def test_a_store_that_comes_back_is_waited_for(worker: WorkerHarness, bucket: Bucket, clip: Path) -> None:
    source = bucket.put("in/a.mp4", clip.read_bytes())
    job_id = take_in(worker, bucket, source, bucket.path("out/a.mp4"))
    calls: list[str] = []

    class Away(storage.s3.BucketStorage):
        def _get(self, path: str, options: object) -> object:
            calls.append(path)
            if len(calls) == 1:
                raise storage.Unreachable(path, "the store does not answer")
            return super()._get(path, options)

        def deliver(self, *arguments: Any) -> None:
            calls.append("put")
            if calls.count("put") == 1:
                raise storage.Unreachable(bucket.path("out/a.mp4"), "the store does not answer")
            super().deliver(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("storage.s3.BucketStorage", Away)  # the one seam: a real server cannot fail just here
        job = run_to_end(worker, job_id)
    assert job.state is State.DONE
    assert worker.studio.charges() == 1
    steps = json.loads(bucket.get("out/a.result.json"))["steps"]
    assert [one["attempts"] for one in steps if one["step"] in {"upload", "download"}] == [2, 2]
