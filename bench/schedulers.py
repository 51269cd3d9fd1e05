"""50 workers without work against one server: what do they cost it?

They are whole workers at default settings, Celery's own traffic included.
"""

import sys
import time

from bench.figures import Row, machine, numbers, show
from bench.memory import resident_mb
from bench.stage import Stage, cpu_s, place

COMMAND = "python -m bench.schedulers"
AT_ONCE = 5
CALM_S = 15.0
"""After the last has started; until then they settle."""


def main() -> int:
    chosen = numbers(__doc__, workers=50, seconds=60)
    start = machine()
    with place() as folder, Stage(folder) as stage:
        for number in range(chosen.workers):
            stage.start_worker()
            if number % AT_ONCE == AT_ONCE - 1:
                stage.wait_for_workers(number + 1, 300)
        stage.wait_for_workers(chosen.workers, 300)
        time.sleep(min(CALM_S, chosen.seconds))
        own = [cpu_s(worker.pid) for worker in stage.workers]
        commands = int(stage.client.info("stats")["total_commands_processed"])
        used_s, began = cpu_s(stage.redis.pid), time.monotonic()
        time.sleep(chosen.seconds)
        took_s = time.monotonic() - began
        share = (cpu_s(stage.redis.pid) - used_s) / took_s
        commands = int(stage.client.info("stats")["total_commands_processed"]) - commands
        spent = [cpu_s(worker.pid) - before for worker, before in zip(stage.workers, own, strict=True)]
        alive = sum(worker.poll() is None for worker in stage.workers)
        memory_mb = resident_mb(stage.redis.pid)
    row = Row(
        f"{chosen.workers} workers without work against one server",
        "< 10 % of a core at the server",
        f"{share:.1%} of a core, {commands / took_s:,.0f} commands/s, {memory_mb:.0f} MB; "
        f"a worker {sum(spent) / len(spent) / took_s:.1%} of a core",
        f"{COMMAND} --workers {chosen.workers}",
        share < 0.1 and alive == chosen.workers,
    )
    return show([row], start, f"{alive} of {chosen.workers} workers alive at the end, over {took_s:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
