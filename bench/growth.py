"""Does it stay as fast: 1, 2, 4 workers; 100 to 100,000 jobs in the ledger?

The service answers at once. Half of the ledger's jobs are done, as a season leaves them, and half wait, as
`dropscore submit` takes a backlog in. So many of those are timed; then ``dropscore status``, without workers.
"""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Row, machine, numbers, spread, tell
from bench.stage import delivered, simulated, sources, submit
from jobs.connection import PREFIX
from jobs.ledger import source_key
from jobs.model import State, identity
from tests.chaos.stage import EDIT, Stage

COMMAND = "python -m bench.growth"
MOST_THREADS, THREADS_IN_ALL = 16, 32
"""In one worker, and in all of them: as many as may transfer at once, so that no step is begun in vain."""
SIZES = (100, 1_000, 10_000, 100_000)
WORKERS = (1, 2, 4)
FLAT = 0.15
PATIENCE_S = 60
WARM = 10


@dataclass(frozen=True, slots=True)
class Point:
    """What was seen with so many workers and so many jobs in the ledger."""

    label: str
    per_s: float
    status_s: float


def seen(label: str, files: int, *, jobs: int = 0, workers: int = 1) -> Point:
    """So many files through so many workers, beside so many jobs."""
    threads = min(MOST_THREADS, THREADS_IN_ALL // workers)
    settings = {"DROPSCORE_CONCURRENCY": threads, "DROPSCORE_POLL_INTERVAL": 0.05}
    with simulated(0.0, **settings) as stage:
        (source,) = sources(stage, 1)
        fields = _pattern(stage, source)
        for _ in range(workers):
            stage.worker()
        stage.wait(lambda: _consumers(stage) == workers, 120)
        _begin(stage, _fill(stage, fields, State.QUEUED, "warm", WARM))
        stage.wait(lambda: delivered(stage.outbox) == WARM, 60)
        _fill(stage, fields, State.DONE, "past", jobs // 2)
        waiting = _fill(stage, fields, State.QUEUED, "next", max(jobs // 2, files))
        began = time.monotonic()
        _begin(stage, waiting)
        while delivered(stage.outbox) < WARM + files and time.monotonic() - began < PATIENCE_S:
            time.sleep(0.05)
        per_s = (delivered(stage.outbox) - WARM) / (time.monotonic() - began)
        for worker in stage.workers:
            worker.kill()
            worker.wait()
        return Point(label, per_s, statistics.median(_status_s(stage) for _ in range(3)))


def _consumers(stage: Stage) -> int:
    """How many workers wait for a message."""
    return sum(client["cmd"] == "brpop" for client in stage.client.client_list())


def _pattern(stage: Stage, source: Path) -> dict[str, str]:
    """What the ledger writes down of a job that was just taken in; the job itself is taken out again."""
    (job_id,) = submit(stage, [source])
    fields: dict[str, str] = stage.client.hgetall(f"{PREFIX}job:{job_id}")
    stage.client.flushdb()
    return fields


def _fill(stage: Stage, fields: dict[str, str], state: State, name: str, jobs: int) -> list[str]:
    """So many jobs in a state, as `Ledger.submit` writes them, but not due yet; answers their ids."""
    at, ids = time.time(), []
    for first in range(0, jobs, 1_000):
        with stage.client.pipeline(transaction=False) as pipe:
            for number in range(first, min(jobs, first + 1_000)):
                key = f"{name}{number:06d}"
                output = str(stage.outbox / f"{key}.mp4")
                told = {**fields, "state": state.value, "output": output, "priority": "1"}
                ids.append(identity(key, EDIT, "add-music"))
                pipe.hset(f"{PREFIX}job:{ids[-1]}", mapping=told)
                pipe.hset(f"{PREFIX}outputs", source_key(output), ids[-1])
                pipe.zadd(f"{PREFIX}in:{state}", {ids[-1]: at})
            pipe.execute()
    return ids


def _begin(stage: Stage, ids: list[str]) -> None:
    """Let the jobs be due, in their order."""
    at = time.time() - 1
    stage.client.zadd(
        f"{PREFIX}due:backlog", {job_id: at + number / 1e6 for number, job_id in enumerate(ids)}
    )


def _status_s(stage: Stage) -> float:
    command = [str(Path(sys.executable).with_name("dropscore")), "status"]
    environment = {**stage.environment(), "DROPSCORE_STATE_DIR": str(stage.folder / "state")}
    began = time.monotonic()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return time.monotonic() - began


def medians(points: list[Point]) -> list[Point]:
    """One point a label."""
    labels = dict.fromkeys(point.label for point in points)
    groups = [[point for point in points if point.label == label] for label in labels]
    return [
        Point(
            group[0].label,
            statistics.median(point.per_s for point in group),
            statistics.median(point.status_s for point in group),
        )
        for group in groups
    ]


def row(what: str, points: list[Point], judged: list[Point]) -> Row:
    """Both figures for every point, and how far those that are judged lie apart."""
    speed, status = spread([p.per_s for p in judged]), spread([p.status_s for p in judged])
    figures = "; ".join(f"{p.label}: {p.per_s:.1f} files/s, status {p.status_s:.2f} s" for p in points)
    told = f"{figures}; ± {speed:.0%} and ± {status:.0%}"
    return Row(what, "flat, ± 15 %", told, COMMAND, max(speed, status) <= FLAT)


def main() -> int:
    chosen = numbers(__doc__, files=200, most_jobs=SIZES[-1], most_workers=WORKERS[-1], runs=3)
    start = machine()
    sizes = [size for size in SIZES if size <= chosen.most_jobs]
    counts = [count for count in WORKERS if count <= chosen.most_workers]
    jobs, workers = [], []
    for _ in range(chosen.runs):
        jobs += [seen(f"{size:,}", chosen.files, jobs=size) for size in sizes]
        workers += [seen(str(count), chosen.files, workers=count) for count in counts]
    sized, manned, cores = medians(jobs), medians(workers), os.cpu_count() or 1
    rows = [
        row("how it grows with the jobs in the ledger", sized, sized),
        row("how it grows with the workers", manned, [p for p in manned if int(p.label) >= cores] or manned),
    ]
    note = (
        f"{cores} cores carry the workers, Redis and the service together: up to that many workers it grows, "
        "then flat is the best there can be; that is judged."
    )
    return tell(rows, start, note)


if __name__ == "__main__":
    sys.exit(main())
