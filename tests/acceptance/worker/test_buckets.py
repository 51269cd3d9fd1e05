"""A worker killed while it delivers to a bucket: one output, one charge, nothing of a stranger's replaced."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import storage
from jobs.model import JobSpec, State, job_id_for
from tests.chaos.stage import EDIT, Stage
from tests.s3 import Bucket

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


LARGE_BYTES = 300 * 1024 * 1024


def submitted(stage: Stage, bucket: Bucket, content: bytes, name: str = "a b") -> str:
    source = bucket.put(f"in/{name}.mp4", content)
    seen = storage.storage_for(source).stat(source)
    assert seen is not None
    job_id = job_id_for(name, EDIT, "add-music")
    spec = JobSpec(
        source=source,
        root=bucket.path("in"),
        skill="add-music",
        instructions=EDIT,
        fingerprint=name,
        size_bytes=seen.size_bytes,
        etag=seen.etag,
        created=time.time(),
    )
    stage.ledger.submit(job_id, spec, [bucket.path(f"out/{name}.mp4")])
    return job_id


@pytest.mark.parametrize(
    "after", ["put", *(pytest.param(one, marks=pytest.mark.slow) for one in ("part", "result"))]
)
def test_a_worker_killed_in_its_delivery_delivers_once(
    tmp_path: Path, clip: Path, bucket: Bucket, after: str
) -> None:
    settings = {
        "DROPSCORE_LEASE": 2,
        "DROPSCORE_POLL_INTERVAL": 0.3,
        "DROPSCORE_STATE_DIR": tmp_path / "state",
    }
    with Stage(tmp_path, **settings) as stage:
        job_id = submitted(stage, bucket, clip.read_bytes())
        doomed = stage.worker("tests.chaos.killed_delivery", CHAOS_AFTER=after)
        assert doomed.wait(90) == -9
        stage.worker(*(["tests.chaos.killed_delivery"] if after == "part" else []), CHAOS_AFTER="never")
        stage.wait(stage.quiet, 60)
        (job,) = stage.jobs([job_id])
        assert job.state is State.DONE
        assert len(stage.charges()) == stage.requests("run_sse") == 1
        assert bucket.keys("out/") == ["out/a b.mp4", "out/a b.result.json"]
        output = bucket.path("out/a b.mp4")
        result = json.loads(bucket.get("out/a b.result.json"))
        assert (result["state"], result["output"]) == ("done", output)
        assert storage.storage_for(output).digest(output) == result["sha256"]["output"]
        assert list((tmp_path / "state" / "parts").iterdir()) == []
        assert "never-to-be-shown" not in stage.logs()


def peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_object_passes_through_in_little_memory(tmp_path: Path, clip: Path, bucket: Bucket) -> None:
    with Stage(tmp_path, DROPSCORE_POLL_INTERVAL=0.3, DROPSCORE_STATE_DIR=tmp_path / "state") as stage:
        worker = stage.worker()
        submitted(stage, bucket, clip.read_bytes(), "small")
        stage.wait(lambda: stage.counts() == {"done": 1}, 60)
        before = peak_bytes(worker.pid)
        body = bytes(LARGE_BYTES - clip.stat().st_size - 8)
        large = clip.read_bytes() + (len(body) + 8).to_bytes(4, "big") + b"free" + body
        submitted(stage, bucket, large, "large")
        stage.wait(lambda: stage.counts() == {"done": 2}, 90)
        assert peak_bytes(worker.pid) - before < 64 * 1024 * 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_output_is_put_in_little_memory(tmp_path: Path, bucket: Bucket) -> None:
    part = tmp_path / ".large.part"
    with part.open("wb") as file:
        for number in range(LARGE_BYTES >> 20):
            file.write(bytes([number % 251]) * (1 << 20))
    program = (
        "import storage, pathlib, sys\n"
        "def peak(): return int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])\n"
        "store = storage.storage_for(sys.argv[2]); store.write(sys.argv[2] + '.txt', b'x', '')\n"
        "before = peak(); store.deliver(pathlib.Path(sys.argv[1]), sys.argv[2], '', lambda: None)\n"
        "print(peak() - before)"
    )
    grown = subprocess.run(
        [sys.executable, "-c", program, str(part), bucket.path("out.mp4")],
        capture_output=True,
        text=True,
        check=True,
        timeout=80,
    )
    assert int(grown.stdout) * 1024 < 64 * 1024 * 1024
    assert bucket.keys() == ["out.mp4", "out.mp4.txt"]
