"""A large output on its way: the worker dies in the middle, and the next goes on where it was."""

from pathlib import Path

import pytest

from jobs.model import State
from tests.chaos.media import large_clip
from tests.chaos.stage import Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

MEGABYTES = 12
SLOW = {"endpoint": "cdn", "kind": "slow", "bytes_per_s": 3_000_000}


MARK, AT = b"kept by the first worker", 2_000_000


def parts(stage: Stage) -> list[Path]:
    return list(stage.outbox.glob(".*.part"))


def arrived_bytes(stage: Stage) -> int:
    return sum(part.stat().st_size for part in parts(stage))


def test_a_worker_killed_in_a_large_download_loses_only_what_was_not_written(tmp_path: Path) -> None:
    settings = {"DROPSCORE_LEASE": 2, "DROPSCORE_POLL_INTERVAL": 0.3}
    film = large_clip(tmp_path, MEGABYTES)
    with Stage(tmp_path / "stage", "--simulate", "--time-scale", "0", **settings) as stage:
        stage.http.post("/_studio/faults", json={"seed": 1, "rules": [SLOW]}).raise_for_status()
        ids = stage.submit(film, 1)
        doomed = stage.worker()
        stage.wait(lambda: arrived_bytes(stage) > 3_000_000, 90)
        doomed.kill()
        doomed.wait(10)
        (part,) = parts(stage)
        assert part.read_bytes() == film.read_bytes()[: part.stat().st_size] != film.read_bytes()
        with part.open("r+b") as file:
            file.seek(AT)
            file.write(MARK)
        stage.worker()
        stage.wait(stage.quiet, 90)
        (job,) = stage.jobs(ids)
        assert (job.state, len(stage.charges())) == (State.DONE, 1)
        whole = film.read_bytes()
        assert Path(job.spec.output).read_bytes() == whole[:AT] + MARK + whole[AT + len(MARK) :]
        assert list(stage.outbox.glob(".*")) == []
