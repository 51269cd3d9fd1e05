"""A worker is killed with `kill -9`: how long until its jobs go on with another?

Default settings, leases of 30 s. In each round a worker of two is killed while it holds many jobs; a job goes
on when another worker has claimed it. Killed workers are replaced at once, as a supervisor does.
"""

import signal
import socket
import sys
import time

from bench.figures import Row, machine, numbers, percentile, show, summarize
from bench.stage import Stage, describe, find_faults, place
from jobs.model import State
from jobs.redis import PREFIX

COMMAND = "python -m bench.kills"
MOST_S = 45.0
FIRST_S = 6.0
"""Let work begin before the first kill."""


def read_owners(stage: Stage) -> dict[str, str]:
    """Return the worker that holds each running job."""
    ids = stage.ledger.ids(State.RUNNING, limit=10_000)
    with stage.client.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hget(f"{PREFIX}job:{job_id}", "owner")
        return {job_id: owner for job_id, owner in zip(ids, pipe.execute(), strict=True) if owner}


def kill_one(stage: Stage) -> list[float]:
    """Kill the oldest worker; answers after how many seconds each of its jobs went on."""
    victim = next(worker for worker in stage.workers if worker.poll() is None)
    name = f"{socket.gethostname()}:{victim.pid}"
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    at, held = time.monotonic(), {job_id for job_id, owner in read_owners(stage).items() if owner == name}
    stage.start_worker()
    took_s: list[float] = []
    while held and time.monotonic() - at < 4 * MOST_S:
        owners = read_owners(stage)
        gone_on = {job_id for job_id in held if owners.get(job_id) != name}
        took_s += [time.monotonic() - at] * len(gone_on)
        held -= gone_on
        time.sleep(0.05)
    return took_s + [float("inf")] * len(held)


def main() -> int:
    chosen = numbers(__doc__, rounds=5, files=2_000)
    start, took_s = machine(), []
    with place() as folder, Stage(folder, scale=1.0) as stage:
        ids = stage.submit(
            stage.make_files([f"clip{number:05d}" for number in range(chosen.files)]), backlog=True
        )
        for _ in range(2):
            stage.start_worker()
        stage.wait(lambda: stage.count_states().get("running", 0) > 0, 60)
        for _ in range(chosen.rounds):
            time.sleep(FIRST_S)
            took_s += kill_one(stage)
        stage.wait(stage.all_ended, 1_200, 0.5)
        faults, states = find_faults(stage, ids), stage.count_states()
    p99_s = percentile(took_s, 0.99)
    row = Row(
        f"killed worker, {chosen.rounds} times: its {len(took_s)} jobs go on",
        f"within {MOST_S:.0f} s (p99)",
        f"p99 {p99_s:.1f} s; {summarize(took_s or [0.0], 's')}; {describe(faults)}",
        f"{COMMAND} --rounds {chosen.rounds} --files {chosen.files}",
        bool(took_s) and p99_s <= MOST_S and not any(faults.values()),
    )
    return show([row], start, f"At the end: {describe(states)}.")


if __name__ == "__main__":
    sys.exit(main())
