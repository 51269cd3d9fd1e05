"""Sources and outboxes in a bucket of a real S3 server, and what may come between."""

import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

import stores
from jobs import orders
from jobs.model import Job, Spec, State, identity
from tests.integration.worker.plant import FAST, Plant, Studio, open_plant
from tests.s3 import Bucket
from worker.output import playable

pytestmark = pytest.mark.integration

ODD = "Größe #1 100% ?&=+"


@pytest.fixture
def plant(redis_url: str, studio: Studio, tmp_path: Path, bucket: Bucket) -> Iterator[Plant]:
    settings = {**FAST, "DROPSCORE_STATE_DIR": tmp_path / "state"}
    with open_plant(redis_url, studio, tmp_path / "out", **settings) as found:
        yield found


def taken(plant: Plant, bucket: Bucket, source: str, output: str) -> str:
    seen = stores.store_of(source).stat(source)
    assert seen is not None
    said = ("add calm background music",)
    job_id = identity(source, said, "add-music")
    spec = Spec(
        source=source,
        root=bucket.path("in"),
        output="",
        result="",
        skill="add-music",
        instructions=said,
        fingerprint=source,
        size_bytes=seen.size_bytes,
        etag=seen.tag,
        created=time.time(),
    )
    plant.shop.ledger.submit(job_id, spec, [output])
    return job_id


def ended(plant: Plant, job_id: str) -> Job:
    plant.run()
    return plant.job(job_id)


def test_an_object_becomes_an_object_and_nothing_stays_behind(
    plant: Plant, bucket: Bucket, clip: Path, tmp_path: Path
) -> None:
    source = bucket.put(f"in/{ODD}.mp4", clip.read_bytes())
    job = ended(plant, taken(plant, bucket, source, bucket.path(f"out/sub/{ODD}.mp4")))
    assert job.state is State.DONE, job.problem
    assert bucket.keys("out/") == [f"out/sub/{ODD}.mp4", f"out/sub/{ODD}.result.json"]
    here = tmp_path / "here.mp4"
    here.write_bytes(bucket.get(f"out/sub/{ODD}.mp4"))
    with av.open(str(clip)) as before:
        assert before.duration
        assert playable(here, None) == pytest.approx(before.duration / av.time_base, abs=0.3)
    assert job.checkpoint.upload is not None
    assert job.checkpoint.upload.sha256 == stores.store_of(source).digest(source)
    assert [*(tmp_path / "state" / "parts").iterdir()] == []
    plant.shop.ledger.sync_clock()
    version = orders.tweak(plant.shop.ledger, job.id, "softer")
    plant.run()
    assert plant.job(version.job_id).spec.output == bucket.path(f"out/sub/{ODD}.v2.mp4")
    assert plant.job(version.job_id).state is State.DONE
    assert f"out/sub/{ODD}.v2.mp4" in bucket.keys("out/")


def test_a_source_that_was_replaced_or_removed_costs_nothing(
    plant: Plant, bucket: Bucket, clip: Path
) -> None:
    for key in ("in/a.mp4", "in/b.mp4"):
        bucket.put(key, clip.read_bytes())
    jobs = [taken(plant, bucket, bucket.path(f"in/{n}.mp4"), bucket.path(f"out/{n}.mp4")) for n in "ab"]
    content = bytearray(clip.read_bytes())
    content[-1] ^= 1
    bucket.put("in/a.mp4", bytes(content))
    bucket.client.delete_object(Bucket=bucket.name, Key="in/b.mp4")
    plant.run()
    kinds = [(job.state, job.problem.kind) for job in map(plant.job, jobs) if job.problem]
    assert kinds == [(State.FAILED, "SourceChanged"), (State.FAILED, "SourceGone")]
    assert plant.studio.charges() == 0


def test_a_stranger_s_object_is_never_replaced(plant: Plant, bucket: Bucket, clip: Path) -> None:
    source = bucket.put("in/a.mp4", clip.read_bytes())
    bucket.put("out/a.mp4", b"a stranger's")
    job = ended(plant, taken(plant, bucket, source, bucket.path("out/a.mp4")))
    assert job.state is State.FAILED
    assert job.problem is not None
    assert "and it is not this job's" in job.problem.message
    assert bucket.get("out/a.mp4") == b"a stranger's"
    bucket.client.delete_object(Bucket=bucket.name, Key="out/a.mp4")
    orders.retry(plant.shop.ledger, job.id)
    assert ended(plant, job.id).state is State.DONE
    assert plant.studio.charges() == 1


def test_one_may_lie_in_a_folder_and_the_other_in_a_bucket(plant: Plant, bucket: Bucket, clip: Path) -> None:
    far = taken(plant, bucket, bucket.put("in/a.mp4", clip.read_bytes()), str(plant.outbox / "a.mp4"))
    spec = plant.job(far).spec
    assert ended(plant, far).state is State.DONE
    assert playable(Path(spec.output), None) > 0


@pytest.mark.slow
def test_a_store_that_comes_back_is_waited_for(plant: Plant, bucket: Bucket, clip: Path) -> None:
    source = bucket.put("in/a.mp4", clip.read_bytes())
    job_id = taken(plant, bucket, source, bucket.path("out/a.mp4"))
    real, calls = stores.s3.S3, []

    class Away(stores.s3.ObjectStore):
        def _get(self, path: str, options: object) -> object:
            calls.append(path)
            if len(calls) == 1:
                raise stores.Unreachable(path, "the store does not answer")
            return super()._get(path, options)

        def put(self, *arguments: object) -> None:
            calls.append("put")
            if calls.count("put") == 1:
                raise stores.Unreachable(bucket.path("out/a.mp4"), "the store does not answer")
            real.put(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("stores.s3.S3", Away())  # the one seam: a real server cannot fail just here
        job = ended(plant, job_id)
    assert job.state is State.DONE
    assert plant.studio.charges() == 1
    assert [record.attempts for record in job.steps if record.step in {"upload", "download"}] == [2, 2]
