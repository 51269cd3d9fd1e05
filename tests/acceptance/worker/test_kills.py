"""kill -9 before, during and after each outside effect: the jobs go on, nothing is paid twice."""

from pathlib import Path

import pytest

from jobs.model import Job, State
from tests.chaos.points import POINTS, Point
from tests.chaos.stage import Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

CROWD = 3


def unpaid_or_landed(job: Job, point: Point) -> bool:
    """A file ends done; killed before the edit left, nobody can know, so a person decides."""
    return job.state is State.DONE or (
        job.state is State.UNCONFIRMED and str(point) == "edit: POST /run_sse before"
    )


QUICK = (
    "edit",
    "render: POST /api/render after",
    "download: GET /cdn after",
    "upload: POST /api/upload-video after",
)
"""The points of the default run; the rest is `make test-long`."""


@pytest.mark.parametrize(
    "point",
    [pytest.param(p, id=str(p), marks=() if str(p).startswith(QUICK) else pytest.mark.slow) for p in POINTS],
)
def test_a_killed_worker_loses_nothing_and_pays_once(tmp_path: Path, clip: Path, point: Point) -> None:
    settings = {
        "DROPSCORE_LEASE": 2,
        "DROPSCORE_POLL_INTERVAL": 0.3,
        "DROPSCORE_MAX_RENDERS": 8,
        "DROPSCORE_MAX_EDITS": 8,
    }
    with Stage(tmp_path, **settings, DROPSCORE_DISCONNECT_WAITS="0.5,0.5,0.5") as stage:
        ids = stage.submit(clip, CROWD)
        doomed = stage.worker(
            "tests.chaos.killed_worker", CHAOS_POINT=f"{point.what}:{point.when}", CHAOS_CROWD=str(CROWD)
        )
        assert doomed.wait(90) == -9
        stage.worker()
        stage.wait(stage.quiet, 60)
        jobs = stage.jobs(ids)
        assert all(unpaid_or_landed(job, point) for job in jobs), [(job.state, job.problem) for job in jobs]
        paid = [charge["session"] for charge in stage.charges()]
        assert len(paid) == len(set(paid)) <= CROWD
        assert stage.requests("run_sse") <= CROWD
        assert sorted(path.name for path in stage.outbox.glob("*.mp4")) == [
            Path(job.spec.output).name for job in jobs if job.state is State.DONE
        ]
        assert list(stage.outbox.glob(".*")) == []
