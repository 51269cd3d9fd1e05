"""A deleted queue, a broker that goes deaf, a poison job, a rolling restart."""

from pathlib import Path

import pytest

from jobs.model import State
from tests.chaos.proxy import Proxy
from tests.chaos.stage import Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

QUICK = {
    "DROPSCORE_POLL_INTERVAL": 0.3,
    "DROPSCORE_MAX_RENDERS": 8,
    "DROPSCORE_MAX_EDITS": 8,
    "DROPSCORE_DISCONNECT_WAITS": "1,1,1,1,1",
}
QUEUE = "dropscore:broker:dropscore"


def test_a_deleted_queue_is_sent_again(tmp_path: Path, clip: Path) -> None:
    with Stage(tmp_path, "--think-s", "1", DROPSCORE_LEASE=3, DROPSCORE_CONCURRENCY=1, **QUICK) as stage:
        ids = stage.submit(clip, 5)
        stage.worker()
        stage.wait(lambda: int(stage.client.llen(QUEUE)) >= 3, 30)
        assert stage.client.delete(QUEUE) == 1
        stage.wait(stage.quiet, 60)
        assert stage.done(ids) == 5
        assert len(stage.charges()) == 5


def test_a_broker_that_went_deaf_is_left_within_a_minute(tmp_path: Path, clip: Path) -> None:
    with Stage(tmp_path, DROPSCORE_LEASE=5, **QUICK) as stage:
        proxy = Proxy(tmp_path / "redis" / "redis.sock")
        worker = stage.worker(DROPSCORE_REDIS_URL=f"redis://127.0.0.1:{proxy.port}")
        first = stage.submit(clip, 1)
        stage.wait(lambda: stage.done(first) == 1, 90)
        assert proxy.swallow() > 0
        second = stage.submit(clip, 2, start=1)
        took = stage.wait(lambda: stage.done(second) == 2, 75)
        assert took < 60
        assert worker.poll() is None
        assert len(stage.charges()) == 3
        proxy.close()


def test_a_poison_job_is_given_up_after_five_workers(tmp_path: Path, clip: Path) -> None:
    with Stage(tmp_path, DROPSCORE_LEASE=1, **QUICK) as stage:
        (poison,) = stage.submit(clip, 1)
        for _ in range(5):
            doomed = stage.worker(
                "tests.chaos.killed_worker", CHAOS_POINT="POST /api/upload-video:before", CHAOS_CROWD="1"
            )
            assert doomed.wait(90) == -9
        stage.worker()
        stage.wait(stage.quiet, 90)
        (job,) = stage.jobs([poison])
        assert job.state is State.FAILED
        assert job.problem is not None
        assert job.problem.code == "crashed"


def test_a_rolling_restart_under_load_loses_nothing(tmp_path: Path, clip: Path) -> None:
    with Stage(tmp_path, "--think-s", "0.5", DROPSCORE_LEASE=4, DROPSCORE_CONCURRENCY=8, **QUICK) as stage:
        ids = stage.submit(clip, 30)
        for _ in range(2):
            stage.worker()
        for old in list(stage.workers):
            stage.wait(lambda: stage.done(ids) >= 3, 60)
            old.terminate()
            stage.worker()
            old.wait(30)
        stage.wait(stage.quiet, 90)
        assert stage.done(ids) == 30
        assert len(stage.charges()) == stage.requests("run_sse") == 30
