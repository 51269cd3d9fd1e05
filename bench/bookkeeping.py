"""A service that answers at once: how many files a second go through all steps, and what each costs Redis.

Two workers at default settings, plain Celery; workers, Redis and the service share the machine. The server
tells its commands, the reads it processed (a pipeline is one), its bytes and its processor time; what it does
without any file is measured first and taken off.
"""

import statistics
import sys
import time
from dataclasses import dataclass

from bench.figures import Row, machine, numbers, show, summarize
from bench.stage import Stage, cpu_s, find_faults, place

COMMAND = "python -m bench.bookkeeping"
WARM, IDLE_S = 50, 5.0
BAR_PER_S = 25


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server has used so far, or a difference of two such."""

    commands: float
    trips: float
    in_kb: float
    out_kb: float
    file_kb: float
    cpu_ms: float
    worker_cpu_ms: float

    def subtract(self, other: "Usage", times: float = 1.0) -> "Usage":
        """Return this less ``times`` the other."""
        return Usage(*(getattr(self, name) - times * getattr(other, name) for name in self.__slots__))

    def divide(self, by: float) -> "Usage":
        """Return each figure divided."""
        return Usage(*(getattr(self, name) / by for name in self.__slots__))


def read_usage(stage: Stage) -> Usage:
    """Ask the server, and the system."""
    stats, file = stage.client.info("stats"), stage.client.info("persistence")
    return Usage(
        int(stats["total_commands_processed"]),
        int(stats["total_reads_processed"]),
        int(stats["total_net_input_bytes"]) / 1000,
        int(stats["total_net_output_bytes"]) / 1000,
        int(file["aof_current_size"]) / 1000,
        cpu_s(stage.redis.pid) * 1000,
        sum(cpu_s(worker.pid) for worker in stage.workers) * 1000,
    )


def measure(files: int, workers: int) -> tuple[float, Usage, Usage]:
    """Answers files a second, what a file uses, and what a second without any uses."""
    with place() as folder, Stage(folder, scale=0.0) as stage:
        for _ in range(workers):
            stage.start_worker()
        stage.wait_for_workers(workers)
        paths = stage.make_files([f"clip{number:05d}" for number in range(files + WARM)])
        ids = stage.submit(paths[:WARM])
        stage.wait(stage.all_ended, 60)
        before = read_usage(stage)
        time.sleep(IDLE_S)
        idle = read_usage(stage).subtract(before).divide(IDLE_S)
        before, began = read_usage(stage), time.monotonic()
        ids += stage.submit(paths[WARM:], backlog=True)
        stage.wait(lambda: stage.count_delivered() == files + WARM, 600, 0.1)
        took_s = time.monotonic() - began
        used = read_usage(stage).subtract(before).subtract(idle, took_s).divide(files)
        stage.wait(stage.all_ended, 30)
        faults = find_faults(stage, ids)
        if any(faults.values()):
            raise RuntimeError(str(faults))
        return files / took_s, used, idle


def main() -> int:
    chosen = numbers(__doc__, files=1_000, workers=2, runs=3)
    start = machine()
    seen = [measure(chosen.files, chosen.workers) for _ in range(chosen.runs)]
    per_s = [one[0] for one in seen]
    used, idle = sorted(seen, key=lambda one: one[0])[len(seen) // 2][1:]
    row = Row(
        f"bookkeeping: a service that answers at once, {chosen.workers} workers, plain Celery",
        f"≥ {BAR_PER_S} files/s",
        f"{summarize(per_s, 'files/s')}; a file: {used.trips:.0f} round trips, {used.commands:.0f} commands",
        f"{COMMAND} --files {chosen.files} --workers {chosen.workers}",
        statistics.median(per_s) >= BAR_PER_S,
    )
    a_file = (
        f"A file costs the server {used.cpu_ms:.1f} ms of a core, {used.in_kb:.0f} KB in, "
        f"{used.out_kb:.0f} KB out, "
        f"{used.file_kb:.1f} KB of its file; the workers {used.worker_cpu_ms:.0f} ms of a core."
    )
    a_second = (
        f"{chosen.workers} workers without work cost the server {idle.cpu_ms:.1f} ms of a core a second, "
        f"{idle.commands:.0f} commands; themselves {idle.worker_cpu_ms:.0f} ms."
    )
    return show([row], start, a_file, a_second)


if __name__ == "__main__":
    sys.exit(main())
