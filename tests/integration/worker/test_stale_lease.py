"""A worker that cannot renew its lease stops what another may do by then."""

import time
from pathlib import Path

import pytest

from jobs.model import State, Step
from tests.integration.worker.harness import FAST, Studio, open_worker
from tests.patience import allow

pytestmark = pytest.mark.integration


def test_a_download_ends_before_its_lease_does_and_goes_on_later(
    redis_url: str, studio: Studio, tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_worker(redis_url, studio, tmp_path / "out", **FAST, DROPSCORE_LEASE=1.5) as worker:
        job_id = worker.submit(clip)
        worker.run_until_at(job_id, Step.DOWNLOAD)
        studio.faults({"endpoint": "cdn", "kind": "slow", "bytes_per_s": 1000})
        monkeypatch.setattr(
            worker.runtime.heartbeat, "renew_all", lambda: None
        )  # as if Redis were out of reach
        began = time.monotonic()
        worker.step()
        assert time.monotonic() - began < allow(4), "it went on beyond its lease"
        assert worker.job(job_id).state is State.RUNNING
        assert not list((tmp_path / "out").glob("*.mp4"))
        monkeypatch.undo()
        studio.faults()
        worker.run()
        assert worker.job(job_id).state is State.DONE
        assert studio.charges() == 1
