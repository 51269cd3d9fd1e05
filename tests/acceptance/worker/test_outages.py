"""Frozen workers, a Redis server that goes away, and a polite stop: nothing lost, nothing paid twice."""

import time
from pathlib import Path

import pytest

from jobs.model import State
from tests.chaos.scenes import Seen, asked_to_stop, editing, frozen_worker, redis_outage, seen
from tests.chaos.stage import Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

QUICK = {
    "DROPSCORE_POLL_INTERVAL": 0.3,
    "DROPSCORE_MAX_RENDERS": 8,
    "DROPSCORE_MAX_EDITS": 8,
    "DROPSCORE_DISCONNECT_WAITS": "1,1,1,1,1",
}


def all_done_and_paid_once(seen: Seen) -> None:
    assert [job.state for job in seen.jobs] == [State.DONE] * len(seen.jobs)
    assert seen.charges == seen.edits_sent == len(seen.jobs)


def test_the_late_write_of_a_frozen_worker_is_refused(tmp_path: Path, clip: Path) -> None:
    with Stage(tmp_path, "--think-s", "5", DROPSCORE_LEASE=2, **QUICK) as stage:
        seen = frozen_worker(stage, clip, lease_s=2)
        all_done_and_paid_once(seen)
        assert "stale write refused" in seen.logs or "lease lost" in seen.logs


def test_redis_is_killed_under_open_streams_and_comes_back(tmp_path: Path, clip: Path) -> None:
    with Stage(tmp_path, "--think-s", "6", DROPSCORE_LEASE=4, **QUICK) as stage:
        seen = redis_outage(stage, clip, away_s=5, count=4)
        all_done_and_paid_once(seen)
        assert "stream lost" not in seen.logs, "a stream was cut though only Redis went away"


def test_a_polite_stop_does_not_wait_for_a_stream_and_nothing_is_resent(tmp_path: Path, clip: Path) -> None:
    with Stage(tmp_path, "--think-s", "12", **{**QUICK, "DROPSCORE_DISCONNECT_WAITS": "4,4,4,4,4"}) as stage:
        ended_s, seen = asked_to_stop(stage, clip)
        assert ended_s < 10
        all_done_and_paid_once(seen)


@pytest.mark.slow
def test_redis_that_takes_no_writes_for_a_while_costs_no_lease_and_no_stream(
    tmp_path: Path, clip: Path
) -> None:
    with Stage(tmp_path, "--think-s", "4", DROPSCORE_LEASE=2, **QUICK) as stage:
        ids = stage.submit(clip, 2)
        worker = stage.worker()
        stage.wait(lambda: editing(stage, ids, 2), 60)
        stage.client.config_set("min-replicas-to-write", 1)  # as a full disk would: writes are refused
        time.sleep(1.5)
        stage.client.config_set("min-replicas-to-write", 0)
        found = seen(stage, ids, 0)
        all_done_and_paid_once(found)
        assert worker.poll() is None, "it ended"
        assert "Exception in thread" not in found.logs
        assert "stream lost" not in found.logs
