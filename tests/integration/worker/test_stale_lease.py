"""A worker that cannot renew its lease stops what another may do by then."""

import time

import pytest

from jobs.model import State, Step
from tests.integration.worker.plant import FAST, Studio, open_plant

pytestmark = pytest.mark.integration


def test_a_download_ends_before_its_lease_does_and_goes_on_later(
    redis_url: str, studio: Studio, tmp_path, clip
) -> None:
    with open_plant(redis_url, studio, tmp_path / "out", **FAST, DROPSCORE_LEASE=1.5) as plant:
        job_id = plant.submit(clip)
        plant.run(until=lambda: plant.job(job_id).step is Step.DOWNLOAD and bool(plant.messages))
        studio.faults({"endpoint": "cdn", "kind": "slow", "bytes_per_s": 1000})
        plant.shop.heartbeat.stop()  # as if the ledger were out of reach
        began = time.monotonic()
        plant.step()
        assert time.monotonic() - began < 4, "it went on beyond its lease"
        assert plant.job(job_id).state is State.RUNNING
        assert not list((tmp_path / "out").glob("*.mp4"))
        studio.faults()
        plant.run()
        assert plant.job(job_id).state is State.DONE
        assert studio.charges() == 1
