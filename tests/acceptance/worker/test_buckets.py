"""A worker killed while it delivers to a bucket: one output, one charge, nothing of a stranger's replaced."""

import json
import time
from pathlib import Path

import pytest

import stores
from jobs.model import Spec, State, identity
from tests.chaos.stage import EDIT, Stage
from tests.s3 import Bucket

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(90)]


def submitted(stage: Stage, bucket: Bucket, clip: Path) -> str:
    source = bucket.put("in/a b.mp4", clip.read_bytes())
    seen = stores.store_of(source).stat(source)
    assert seen is not None
    job_id = identity("a b", EDIT, "add-music")
    spec = Spec(
        source=source,
        root=bucket.path("in"),
        output="",
        result="",
        skill="add-music",
        instructions=EDIT,
        fingerprint="a b",
        size_bytes=seen.size_bytes,
        etag=seen.tag,
        created=time.time(),
    )
    stage.ledger.submit(job_id, spec, [bucket.path("out/a b.mp4")])
    return job_id


@pytest.mark.parametrize("after", ["part", "put", "result"])
def test_a_worker_killed_in_its_delivery_delivers_once(
    tmp_path: Path, clip: Path, bucket: Bucket, after: str
) -> None:
    settings = {
        "DROPSCORE_LEASE": 2,
        "DROPSCORE_POLL_INTERVAL": 0.3,
        "DROPSCORE_STATE_DIR": tmp_path / "state",
    }
    with Stage(tmp_path, **settings) as stage:
        job_id = submitted(stage, bucket, clip)
        doomed = stage.worker("tests.chaos.killed_delivery", CHAOS_AFTER=after)
        assert doomed.wait(40) == -9
        stage.worker(*(["tests.chaos.killed_delivery"] if after == "part" else []), CHAOS_AFTER="never")
        stage.wait(stage.quiet, 60)
        (job,) = stage.jobs([job_id])
        assert job.state is State.DONE
        assert len(stage.charges()) == stage.requests("run_sse") == 1
        assert bucket.keys("out/") == ["out/a b.mp4", "out/a b.result.json"]
        output = bucket.path("out/a b.mp4")
        assert stores.store_of(output).digest(output) == job.checkpoint.sha256
        told = json.loads(bucket.get("out/a b.result.json"))
        assert (told["state"], told["output"]) == ("done", output)
        assert list((tmp_path / "state" / "parts").iterdir()) == []
        assert "never-to-be-shown" not in stage.logs()
