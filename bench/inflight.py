"""1,000 files in flight in one worker at default settings, at the service's own pace: in what memory?

In flight means: its edit or its render is open at the service. ``--scale 0.1`` makes the service ten times
faster than it is.
"""

import statistics
import sys
import time

from bench.backlog import Watch
from bench.figures import Row, machine, numbers, show, summarize
from bench.memory import most_resident_mb
from bench.stage import Stage, draw_longest_s, find_faults, place

COMMAND = "python -m bench.inflight"
MOST_MB = 300


def measure(files: int, scale: float) -> tuple[float, float, int, int]:
    """Answers seconds, MB (RSS), how many were in flight at most, and how many are done."""
    with place() as folder, Stage(folder, scale=scale) as stage:
        ids = stage.submit(stage.make_files([f"clip{number:05d}" for number in range(files)]))
        watch = Watch(stage, time.monotonic())
        worker = stage.start_worker()
        watch.start()
        stage.wait(stage.all_ended, 1_200, 0.25)
        took_s = time.monotonic() - watch.began
        watch.over.set()
        watch.join()
        faults = find_faults(stage, ids)
        done = stage.count_states().get("done", 0) if not any(faults.values()) else 0
        return took_s, most_resident_mb(worker.pid), max(watch.in_flight), done


def main() -> int:
    chosen = numbers(__doc__, files=1_000, scale=1.0, runs=1)
    start = machine()
    seen = [measure(chosen.files, chosen.scale) for _ in range(chosen.runs)]
    took_s, memory_mb, in_flight, done = (list(column) for column in zip(*seen, strict=True))
    row = Row(
        f"{chosen.files:,} files in flight in one worker",
        f"all finish, < {MOST_MB} MB",
        f"{min(done):,} done in {summarize(took_s, 's')}; {summarize(memory_mb, 'MB', 0)}; "
        f"{statistics.median(in_flight):,.0f} at once at most",
        f"{COMMAND} --files {chosen.files} --scale {chosen.scale}",
        min(done) == chosen.files and max(memory_mb) < MOST_MB,
    )
    return show(
        [row], start, f"The longest edit and render: {draw_longest_s(chosen.files, chosen.scale):.1f} s."
    )


if __name__ == "__main__":
    sys.exit(main())
