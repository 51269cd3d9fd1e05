"""Clocks that are stepped by an hour under load: is anything claimed that others hold?

The wall clock of a host cannot be stepped safely on a machine that does other things, so one worker of two
is started with a `sitecustomize` that steps ``time.time``, ``time.time_ns`` and ``time.clock_gettime`` of
the real time when a file tells it: +1 h, then -1 h, then as it was. The server's clock cannot be stepped
either; a server that was set back is one whose notes (the ledger's hash ``clock``) are an hour ahead of it.
"""

import sys
import time
from pathlib import Path

from bench.figures import Row, machine, numbers, show
from bench.stage import Stage, describe, find_faults, place
from jobs.model import State
from jobs.redis import PREFIX

COMMAND = "python -m bench.clockstep"
CLOCK = f"{PREFIX}clock"
HOUR_S = 3600
EACH_S = 8.0
SLOW = 0.5
"""Edits of 5 to 20 s: many are open when a clock is stepped."""
STEP = """
import os, time

_real = {name: getattr(time, name) for name in ("time", "time_ns", "clock_gettime", "clock_gettime_ns")}

def _read_step_s():
    try:
        with open(os.environ["BENCH_STEP"]) as file:
            return int(file.read() or 0)
    except (OSError, ValueError):
        return 0

def _step(clock):
    return clock == time.CLOCK_REALTIME

time.time = lambda: _real["time"]() + _read_step_s()
time.time_ns = lambda: _real["time_ns"]() + _read_step_s() * 10**9
time.clock_gettime = lambda clock: _real["clock_gettime"](clock) + (_read_step_s() if _step(clock) else 0)
"""


class TakenOver:
    """What no job may have when no worker died: a claim of what another held, a write that was refused."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._jobs: set[str] = set()

    def look(self) -> None:
        """Note the jobs that count a crash; what is done counts none any more, so look often."""
        client, ids = self._stage.client, self._stage.ledger.ids(State.RUNNING, limit=10_000)
        with client.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hget(f"{PREFIX}job:{job_id}", "crashes")
            self._jobs |= {
                job_id for job_id, crashes in zip(ids, pipe.execute(), strict=True) if int(crashes or 0)
            }

    def wait_for_end(self) -> None:
        """Look until all jobs have ended."""
        self._stage.wait(lambda: self.look() or self._stage.all_ended(), 600, 0.05)

    def count(self) -> int:
        """Count jobs that were claimed from a living worker, and refused writes."""
        logs = (log.read_bytes() for log in self._stage.folder.glob("worker*.log"))
        return len(self._jobs) + sum(log.count(b"stale write refused") for log in logs)


def step_a_host(folder: Path, files: int) -> tuple[int, float, dict[str, int]]:
    """Step one worker's clock; answers how much was taken over, seconds, and faults."""
    site, step = folder / "site", folder / "step"
    site.mkdir(parents=True)
    (site / "sitecustomize.py").write_text(STEP)
    with Stage(folder / "stage", scale=SLOW) as stage:
        stage.start_worker()
        stage.start_worker(PYTHONPATH=str(site), BENCH_STEP=str(step))
        stage.wait_for_workers(2)
        ids = stage.submit(stage.make_files([f"clip{number:05d}" for number in range(files)]))
        began, taken = time.monotonic(), TakenOver(stage)
        for seconds in (HOUR_S, -HOUR_S, 0):
            until = time.monotonic() + EACH_S
            stage.wait(lambda: taken.look() or time.monotonic() > until, EACH_S + 5)  # noqa: B023 - called at once
            step.write_text(str(seconds))
        taken.wait_for_end()
        return taken.count(), time.monotonic() - began, find_faults(stage, ids)


def step_the_server(folder: Path, files: int, hours: int) -> tuple[int, float, dict[str, int]]:
    """Let the server be so many hours ahead of what it was, or behind, under load; the same answers."""
    with Stage(folder, scale=SLOW) as stage:
        # Its scripts take it for an hour ahead from the start on; then for as much more or less.
        ahead = int(stage.client.time()[0]) + HOUR_S
        stage.client.hset(CLOCK, mapping={"last": ahead * 1_000_000, "shift": HOUR_S * 1_000_000})
        for _ in range(2):
            stage.start_worker()
        stage.wait_for_workers(2)
        ids = stage.submit(stage.make_files([f"clip{number:05d}" for number in range(files)]))
        began, taken = time.monotonic(), TakenOver(stage)
        time.sleep(EACH_S)
        stage.client.hset(CLOCK, "shift", HOUR_S * 1_000_000 * (1 + hours))
        taken.wait_for_end()
        return taken.count(), time.monotonic() - began, find_faults(stage, ids)


def main() -> int:
    chosen = numbers(__doc__, files=200)
    start, rows = machine(), []
    with place() as folder:
        steps = {
            "a worker's host by +1 h, then -1 h": step_a_host(folder / "host", chosen.files),
            "the server's host by -1 h": step_the_server(folder / "back", chosen.files, -1),
            "the server's host by +1 h": step_the_server(folder / "ahead", chosen.files, 1),
        }
    for what, (taken, took_s, faults) in steps.items():
        seen = f"{taken} taken over; {chosen.files} files in {took_s:.0f} s; {describe(faults)}"
        good = taken == 0 and not any(faults.values())
        bar = "nothing claimed that others hold"
        rows.append(
            Row(f"clock stepped under load: {what}", bar, seen, f"{COMMAND} --files {chosen.files}", good)
        )
    return show(rows, start)


if __name__ == "__main__":
    sys.exit(main())
