"""``python -m bench.reliability.kills``: kill -9 around each outside effect, 20 jobs at a time.

With the default lease of 30 s. Prints how long it took until each job went on, and what was charged.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.reliability.common import FAST, broken_outputs, clip, double_charges, place, spread, states
from jobs.model import State
from tests.chaos.points import POINTS, Point
from tests.chaos.stage import Stage

CROWD = 20
LIMIT_S = 240


@dataclass(frozen=True, slots=True)
class Row:
    point: Point
    went_on_s: list[float]
    ended: str
    lost: int
    charges: float
    double: int
    broken: int

    def __str__(self) -> str:
        return (
            f"| {self.point} | {spread(self.went_on_s)} | {self.ended} | {self.lost} | {self.charges:.2f} | "
            f"{self.double} | {self.broken} |"
        )


def kill_at(point: Point, folder: Path, source: Path) -> Row:
    """Kill a worker that holds 20 jobs at one point, start another, and follow every job."""
    settings = {**FAST, "DROPSCORE_MAX_RENDERS": CROWD, "DROPSCORE_DISCONNECT_WAITS": "5,5,5,5,5"}
    with Stage(folder, **settings) as stage:
        ids = stage.submit(source, CROWD)
        doomed = stage.worker(
            "tests.chaos.killed_worker", CHAOS_POINT=f"{point.what}:{point.when}", CHAOS_CROWD=str(CROWD)
        )
        assert doomed.wait(90) == -9
        began, epochs = time.monotonic(), {job.id: job.epoch for job in stage.jobs(ids)}
        stage.worker()
        went_on: dict[str, float] = {}
        while len(went_on) < CROWD and time.monotonic() - began < LIMIT_S:
            now = time.monotonic() - began
            for job in stage.jobs(ids):
                if job.epoch > epochs[job.id]:
                    went_on.setdefault(job.id, now)
            time.sleep(0.1)
        stage.wait(stage.quiet, LIMIT_S)
        jobs = stage.jobs(ids)
        return Row(
            point,
            sorted(went_on.values()),
            states(jobs),
            sum(job.state not in {State.DONE, State.UNCONFIRMED} for job in jobs),
            len(stage.charges()) / CROWD,
            double_charges(stage),
            broken_outputs(stage, jobs),
        )


def main() -> int:
    rows = []
    with place() as folder, ThreadPoolExecutor(3) as pool:
        source = clip(folder)
        tries = [pool.submit(kill_at, point, folder / str(n), source) for n, point in enumerate(POINTS)]
        print(
            "| killed | went on after | ended | lost | charges a file | double | broken |\n"
            "|---|---|---|---|---|---|---|"
        )
        for one in tries:
            rows.append(one.result())
            print(rows[-1], flush=True)
    everything = [second for row in rows for second in row.went_on_s]
    print(f"\nall: {spread(everything)}; double charges {sum(row.double for row in rows)}")
    return int(any(row.lost or row.double or row.broken for row in rows) or max(everything) > 60)


if __name__ == "__main__":
    sys.exit(main())
