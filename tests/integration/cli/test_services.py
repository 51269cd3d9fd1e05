"""The parts on their own: ``worker``, ``watch`` and ``studio`` become what they start."""

import os
import signal
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="reads processes from /proc"),
]


def became(process, word):
    """Wait until that very process runs that module; answers its environment."""
    for _ in range(2000):
        if word in Path(f"/proc/{process.pid}/cmdline").read_text().replace("\0", " "):
            break
        time.sleep(0.02)
    else:
        raise AssertionError(f"process {process.pid} did not become {word}")
    return dict(
        line.split("=", 1) for line in Path(f"/proc/{process.pid}/environ").read_text().split("\0") if line
    )


def test_a_worker_and_a_watcher_join_a_run(place):
    token = "nmv_" + "s" * 20
    run = place.start("run", "inbox", STANDIN_PACE="0.01")
    place.pid_of("-m worker")
    worker = place.start("worker", "--log-json", NEMO_TOKEN=token, DROPSCORE_BACKEND="local")
    told = became(worker, "-m worker")
    assert told["DROPSCORE_REDIS_URL"].startswith("unix:///")
    assert told["NEMO_API_URL"].endswith((place.state / "studio.port").read_text())
    assert told["DROPSCORE_LOG_JSON"] == "True"
    assert "NEMO_TOKEN" not in told
    (place.folder / "more").mkdir()
    (place.folder / "more" / "b.mp4").write_text("b")
    watch = place.start("watch", "more", "--once", "--skill", "music-ab2n")
    watch.communicate(timeout=60)
    assert watch.returncode == 0
    for _ in range(2000):
        if place.done() == 1:
            break
        time.sleep(0.02)
    assert place.done() == 1
    worker.terminate()
    os.kill(run.pid, signal.SIGINT)
    run.communicate(timeout=60)


def test_a_worker_without_a_studio_to_work_with_says_so(place, redis_url):
    ended = place.run("worker", DROPSCORE_REDIS_URL=redis_url)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "NEMO_API_URL" in ended.stderr


def test_a_worker_for_the_cloud_keeps_its_token(place, redis_url):
    worker = place.start("worker", DROPSCORE_REDIS_URL=redis_url, NEMO_TOKEN="nmv_x")
    told = became(worker, "-m worker")
    assert (told["NEMO_TOKEN"], told["DROPSCORE_BACKEND"]) == ("nmv_x", "cloud")
    assert "nmv_x" not in Path(f"/proc/{worker.pid}/cmdline").read_text()


def test_a_studio_takes_options_of_its_own(place):
    studio = place.start("studio", "--credits", "5", "--help-me")
    became(studio, "-m studio")
    assert Path(f"/proc/{studio.pid}/cmdline").read_text().endswith("--credits\x005\x00--help-me\x00")
