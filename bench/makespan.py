"""200 files by one Dropscore worker and by what people would use instead, side by side, time scale 1:10.

Every one meets the same drawn durations and polls every 3 s. The start of each program is left out. The loop
and the prefork tasks would take an hour: they get fewer files, and the rest is worked out from what each file
must take; the prefork pool has as many children as fit into the memory of the Dropscore worker.
"""

import math
import statistics
import sys
import time
from dataclasses import dataclass, field

from bench.figures import Row, extrapolated_s, machine, numbers, tell, told
from bench.memory import Watch
from bench.peers.running import PeerBrokenError, Ran, run, run_flow, run_prefork
from bench.stage import POLL_S, SCALE, delivered, drawn, ready, simulated, sources, submit
from tests.chaos.stage import Stage

COMMAND = "python -m bench.makespan"
ROUNDS = 2
TRIAL = 2
"""Children of the pool that tells what one costs."""


@dataclass
class Seen:
    """The runs of one of them: seconds for all the files, MB, and what must be known to read them."""

    took_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    note: str = ""

    def add(self, took_s: float, peak_mb: float, note: str = "") -> None:
        self.took_s.append(took_s)
        self.peak_mb.append(peak_mb)
        self.note = note

    def __str__(self) -> str:
        if not self.took_s:
            return self.note
        return f"{told(self.took_s, 's')}, {told(self.peak_mb, 'MB', 0)}{self.note}"


Table = dict[str, Seen]


def dropscore(stage: Stage, files: int, table: Table) -> None:
    """One worker; its Redis server counts apart."""
    worker = stage.worker()
    ready(stage)
    clips = sources(stage, files)
    with Watch(worker.pid) as own, Watch(stage.redis.pid) as redis:
        began = time.monotonic()
        submit(stage, clips)
        stage.wait(lambda: delivered(stage.outbox) == files and stage.quiet(), 400, 0.1)
        took_s = time.monotonic() - began
    if stage.ledger.counts()["done"] != files:
        raise PeerBrokenError(f"dropscore: {stage.counts()}")
    table["dropscore"].add(took_s, own.peak_mb, f"; its Redis server {redis.peak_mb:.0f} MB more")


def prefork(stage: Stage, files: int, room_mb: float, table: Table) -> None:
    """Two children first, to see what one costs; then as many as fit."""
    trial = run_prefork(stage, TRIAL, TRIAL)
    children = fitting(trial, room_mb)
    for film in (stage.folder / "out-prefork").iterdir():
        film.unlink()
    measured = min(files, ROUNDS * children)
    ran = run_prefork(stage, measured, children)
    whole_s = extrapolated_s(ran.took_s, measured, whole(files), children)
    note = f"; {children} children, {measured} files measured, the rest worked out"
    table["prefork"].add(whole_s, ran.peak_mb, note)


def fitting(trial: Ran, room_mb: float) -> int:
    """How many children fit beside what the pool needs without any, rounded up in its favour."""
    child_mb = trial.children_mb / TRIAL
    return max(1, math.ceil((room_mb - (trial.peak_mb - trial.children_mb)) / child_mb))


def sequential(stage: Stage, files: int, measured: int, table: Table) -> None:
    """The plain loop over a few files."""
    ran = run(stage, "sequential", measured)
    whole_s = extrapolated_s(ran.took_s, measured, whole(files), 1)
    table["sequential"].add(whole_s, ran.peak_mb, f"; {measured} files measured, the rest worked out")


def whole(files: int) -> list[float]:
    """The least that each of the files takes."""
    return [drawn(f"clip{number:05d}").whole_s for number in range(files)]


def one_round(files: int, loop: int, table: Table) -> None:
    """Each of them once, one after the other, each with a service of its own."""
    settings = {"DROPSCORE_POLL_INTERVAL": POLL_S, "DROPSCORE_MAX_TRANSFERS": 200}
    with simulated(SCALE, **settings) as stage:
        dropscore(stage, files, table)
    with simulated(SCALE) as stage:
        sources(stage, files)
        ran = run(stage, "script", files)
        table["script"].add(ran.took_s, ran.peak_mb)
    with simulated(SCALE) as stage:
        sources(stage, files)
        prefork(stage, files, statistics.median(table["dropscore"].peak_mb), table)
    with simulated(SCALE) as stage:
        sources(stage, files)
        sequential(stage, files, min(loop, files), table)
    with simulated(SCALE) as stage:
        sources(stage, files)
        try:
            ran = run_flow(stage, files)
            table["flow"].add(ran.took_s, ran.peak_mb, "; its server included")
        except PeerBrokenError as broken:
            table["flow"].note = f"left out: {broken}"


def main() -> int:
    chosen = numbers(__doc__, files=200, loop=3, runs=3)
    start = machine()
    table = {name: Seen() for name in ("dropscore", "script", "prefork", "flow", "sequential")}
    for _ in range(chosen.runs):
        one_round(chosen.files, chosen.loop, table)
    own_s, script_s, prefork_s = (
        statistics.median(table[name].took_s) for name in ("dropscore", "script", "prefork")
    )
    rows = [
        Row(
            f"makespan of {chosen.files} files, one worker",
            "≤ 1.10 × the asyncio script",
            f"{own_s / script_s:.2f} ×; Dropscore {table['dropscore']}; script {table['script']}",
            COMMAND,
            own_s <= 1.10 * script_s,
        ),
        Row(
            "the same against prefork tasks with the same memory",
            "≥ 10 × faster",
            f"{prefork_s / own_s:.1f} ×; prefork {table['prefork']}",
            COMMAND,
            prefork_s >= 10 * own_s,
        ),
        Row("the same by a Prefect flow", "", str(table["flow"]), COMMAND),
        Row("the same by the plain loop", "", str(table["sequential"]), COMMAND),
    ]
    least_s = max(whole(chosen.files))
    note = f"No one can be faster than the longest file: {least_s:.1f} s with its polls. Memory is PSS."
    return tell(rows, start, note)


if __name__ == "__main__":
    sys.exit(main())
