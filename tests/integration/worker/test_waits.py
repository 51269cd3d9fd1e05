"""The looks at renders of a real studio: never more than at fixed intervals, and what they show is shared."""

import math
from pathlib import Path

import pytest

from jobs.durations import Durations
from jobs.model import Job, State
from studio.settings import StudioSettings
from studio.simulation import simulated_s
from tests.integration.worker.plant import FAST, open_plant, start_studio

pytestmark = pytest.mark.integration

SCALE = 0.02
INTERVAL_S = 30 * SCALE
FILES = 24
SLACK_S = 0.3  # a busy machine: between our note of a submission and its arrival


def test_what_renders_took_is_learnt_with_no_look_more(redis_url: str, tmp_path: Path, clip: Path) -> None:
    flags = ("--credits", "100000", "--silent-share", "0", "--renders-at-once", "99")
    studio = start_studio(tmp_path / "studio", *flags, "--simulate", "--time-scale", str(SCALE))
    said = FAST | {
        "DROPSCORE_POLL_INTERVAL": INTERVAL_S,
        "DROPSCORE_MAX_RENDERS": 99,
        "DROPSCORE_BACKEND": "cloud",
    }
    try:
        with open_plant(redis_url, studio, tmp_path / "out", **said) as plant:
            jobs = [plant.submit(named(clip, tmp_path / f"{n}.mp4"), name=f"{n}") for n in range(FILES)]
            plant.run()
            done = [plant.job(job_id) for job_id in jobs]
            plant.shop.waits.tell()
            seen = Durations(plant.shop.ledger).exchange("cloud:?", [])
    finally:
        studio.http.close()
        studio.process.terminate()
        studio.process.wait(10)
        assert studio.process.stdout is not None
        studio.process.stdout.close()

    assert {job.state for job in done} == {State.DONE}
    assert all(looks_at(job) <= math.ceil((lasted_s(job) + SLACK_S) / INTERVAL_S) for job in done)
    assert len(seen) == FILES
    least_s, most_s = (limit * SCALE for limit in (30.0, 90.0))
    assert all(after_s <= most_s + SLACK_S and until_s >= least_s for after_s, until_s in seen)


def named(clip: Path, path: Path) -> Path:
    path.hardlink_to(clip)  # what a render takes is drawn by the file's name
    return path


def looks_at(job: Job) -> int:
    assert job.checkpoint.render is not None
    return job.checkpoint.render.polls + 1  # the last one found it done


def lasted_s(job: Job) -> float:
    return simulated_s("render", Path(job.spec.source).stem, StudioSettings(time_scale=SCALE))
