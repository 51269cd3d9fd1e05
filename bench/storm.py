"""A storm: 500 files in flight at a service that refuses every fifth request with 429, whatever is asked for.

The same files go through a calm service first, each time by one worker at default settings. A refusal says
not for how long: its file waits 30 s, and a file meets two or three. With more files than ``--seconds``
suffice for, the storm ends there.
"""

import sys
import time
from pathlib import Path

from bench.figures import Row, machine, numbers, show
from bench.stage import Stage, describe, find_faults, place

COMMAND = "python -m bench.storm"
REFUSE_EACH = 5


def measure(folder: Path, files: int, seconds: float, *flags: str) -> tuple[float, int, dict[str, int], str]:
    """Answers seconds, how many were delivered, what is wrong, and what it took."""
    with Stage(folder, *flags) as stage:
        ids = stage.submit(stage.make_files([f"clip{number:05d}" for number in range(files)]))
        began = time.monotonic()
        stage.start_worker()
        stage.wait(lambda: stage.all_ended() or time.monotonic() - began > seconds, seconds + 60, 0.25)
        took_s, delivered = time.monotonic() - began, stage.count_delivered()
        faults = find_faults(stage, ids) if stage.all_ended() else {}
        stats = stage.service.stats()
        cost = f"{sum(stats['requests'].values()) / max(1, delivered):.1f} requests"
        cost += f" and {stage.count_claims() / max(1, delivered):.1f} claims a file"
        return took_s, delivered, faults, f"{cost}, {stats['faults'].get('busy', 0):,} refused"


def main() -> int:
    chosen = numbers(__doc__, files=500, seconds=600)
    start = machine()
    with place() as folder:
        calm_s, _, _, calm = measure(folder / "calm", chosen.files, chosen.seconds)
        flags = ("--refuse-each", str(REFUSE_EACH))
        took_s, delivered, faults, cost = measure(folder / "storm", chosen.files, chosen.seconds, *flags)
    row = Row(
        f"{chosen.files} files in flight, every {REFUSE_EACH}th request refused with 429",
        f"all end within {chosen.seconds} s, 0 lost, 0 double",
        f"{delivered} delivered in {took_s:.0f} s, {took_s / calm_s:.1f} × {calm_s:.0f} s; {cost}; "
        f"{describe(faults) if faults else 'not ended in time'}",
        f"{COMMAND} --files {chosen.files} --seconds {chosen.seconds}",
        bool(faults) and not any(faults.values()),
    )
    return show([row], start, f"The calm service: {calm}.")


if __name__ == "__main__":
    sys.exit(main())
