"""The wait that is wasted: from a render's end to the start of its download, at equal numbers of looks.

The service's own log says when a render ended, was asked for and was fetched, so any worker can be measured.
Fixed polling is measured twice by the asyncio script: each 30 s, and at the interval at which it
needs as many looks as Dropscore did. Time scale 1:10; all is told in the service's own time.
"""

import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import Row, machine, numbers, tell
from bench.peers.running import run
from bench.stage import SCALE, drawn, ready, simulated, sources, submit
from tests.chaos.stage import Stage

COMMAND = "python -m bench.waiting"
FIXED_S = 30.0


@dataclass(frozen=True, slots=True)
class Waits:
    """For each render the seconds (unscaled) from its end to its download, and how often it was asked for."""

    wasted_s: list[float]
    looks: list[int]

    @property
    def mean_s(self) -> float:
        return statistics.fmean(self.wasted_s)

    @property
    def mean_looks(self) -> float:
        return statistics.fmean(self.looks)

    def __str__(self) -> str:
        worst = statistics.quantiles(self.wasted_s, n=20)[-1] if len(self.wasted_s) > 1 else self.mean_s
        return f"{self.mean_s:.1f} s (95 % within {worst:.1f} s) at {self.mean_looks:.2f} looks"


def waits(stage: Stage, after: int = 0) -> Waits:
    """What the service saw of all renders but the first few."""
    ledger = stage.http.get("/_studio/ledger").json()
    traffic = stage.http.get("/_studio/traffic").json()["requests"]
    looks = Counter(one["render"] for one in traffic if one["endpoint"] == "status")
    fetched: dict[str, float] = {}
    for one in traffic:
        if one["endpoint"] in {"cdn", "download"} and one["render"]:
            fetched.setdefault(one["render"], one["at"])
    renders = [one for one in ledger["renders"][after:] if one["id"] in fetched]
    wasted_s = [max(0.0, fetched[one["id"]] - one["ended"]) / SCALE for one in renders]
    return Waits(wasted_s, [looks[one["id"]] for one in renders])


def equal_interval_s(looks: float, renders_s: Sequence[float]) -> float:
    """The fixed interval at which renders of these lengths take so many looks on average."""
    least, most = 0.1, 1_000.0
    for _ in range(60):
        middle = (least + most) / 2
        if statistics.fmean(max(1, -(-length_s // middle)) for length_s in renders_s) > looks:
            least = middle
        else:
            most = middle
    return most


def by_dropscore(files: int, learnt: int, at_once: int) -> Waits:
    """One worker, a few files at a time; the first ``learnt`` only teach it how long renders take."""
    settings = {"DROPSCORE_POLL_INTERVAL": FIXED_S * SCALE, "DROPSCORE_MAX_EDITS": at_once}
    with simulated(SCALE, **settings) as stage:
        clips = sources(stage, learnt + files)
        stage.worker()
        ready(stage)
        submit(stage, clips[files:])
        stage.wait(stage.quiet, 200, 0.2)
        submit(stage, clips[:files])
        stage.wait(stage.quiet, 300, 0.2)
        return waits(stage, learnt)


def by_fixed(files: int, interval_s: float) -> Waits:
    """The asyncio script over as many files, with a fixed interval."""
    with simulated(SCALE) as stage:
        sources(stage, files)
        run(stage, "script", files, interval_s * SCALE)
        time.sleep(0.1)
        return waits(stage)


def main() -> int:
    chosen = numbers(__doc__, files=100, learnt=40, at_once=50, runs=3)
    start, rows = machine(), []
    renders_s = [drawn(f"clip{number:05d}", 1.0).render_s for number in range(chosen.files)]
    for _ in range(chosen.runs):
        own = by_dropscore(chosen.files, chosen.learnt, chosen.at_once)
        equal_s = equal_interval_s(own.mean_looks, renders_s)
        rows.append((own, by_fixed(chosen.files, FIXED_S), equal_s, by_fixed(chosen.files, equal_s)))
    own, fixed, equal_s, equal = sorted(rows, key=lambda row: row[0].mean_s)[len(rows) // 2]
    row = Row(
        "wasted wait between a render's end and its download's start",
        "better than fixed polling at equal numbers of looks",
        f"Dropscore {own}; each {FIXED_S:.0f} s {fixed}; each {equal_s:.1f} s {equal}",
        COMMAND,
        own.mean_s < equal.mean_s,
    )
    return tell([row], start, f"The run with the median wait of {len(rows)}; mean waits.")


if __name__ == "__main__":
    sys.exit(main())
