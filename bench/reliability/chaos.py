"""``python -m bench.reliability.chaos``: 300 files, 1,000 random faults, workers killed and frozen."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from bench.reliability.common import broken_outputs, clip, double_charges, place, states
from jobs.model import ENDED
from tests.chaos.stage import Stage

FILES = 300
SEED = 20261120
LIMIT_S = 900
EVERY_S = 12.0

RULES: list[dict[str, Any]] = [
    {"endpoint": "session", "kind": "status", "status": 503, "probability": 0.24},
    {"endpoint": "session", "kind": "reset", "probability": 0.12},
    {"endpoint": "upload", "kind": "reset", "probability": 0.24},
    {"endpoint": "upload", "kind": "status", "status": 500, "probability": 0.24},
    {"endpoint": "upload", "kind": "code", "code": 1002, "probability": 0.07},
    {"endpoint": "balance", "kind": "status", "status": 502, "probability": 0.3},
    {"endpoint": "state", "kind": "reset", "probability": 0.26},
    {"endpoint": "state", "kind": "status", "status": 503, "probability": 0.26},
    {"endpoint": "run_sse", "kind": "429", "retry_after": 1, "probability": 0.05},
    {"endpoint": "run_sse", "kind": "cut", "landed": True, "probability": 0.24},
    {"endpoint": "run_sse", "kind": "cut", "landed": False, "probability": 0.02},
    {"endpoint": "run_sse", "kind": "status", "status": 503, "probability": 0.24},
    {"endpoint": "run_sse", "kind": "status", "status": 500, "landed": True, "probability": 0.07},
    {"endpoint": "run_sse", "kind": "reset", "landed": True, "probability": 0.07},
    {"endpoint": "run_sse", "kind": "silent", "probability": 0.3},
    {"endpoint": "run_sse", "kind": "question", "probability": 0.07},
    {"endpoint": "run_sse", "kind": "trailing_noise", "probability": 0.12},
    {"endpoint": "render", "kind": "timeout", "landed": True, "hold_s": 0.5, "probability": 0.12},
    {"endpoint": "render", "kind": "status", "status": 502, "landed": True, "probability": 0.19},
    {"endpoint": "render", "kind": "failed_render", "probability": 0.1},
    {"endpoint": "status", "kind": "reset", "probability": 0.26},
    {"endpoint": "status", "kind": "status", "status": 500, "probability": 0.19},
    {"endpoint": "cdn", "kind": "short", "probability": 0.24},
    {"endpoint": "cdn", "kind": "dead_url", "probability": 0.24},
    {"endpoint": "cdn", "kind": "html", "probability": 0.12},
    {"endpoint": "download", "kind": "short", "probability": 0.24},
]


def disturb(stage: Stage, rng: random.Random) -> str:
    """Kill one worker and start another, or freeze one for more than a lease."""
    living = [worker for worker in stage.workers if worker.poll() is None]
    victim = rng.choice(living)
    if rng.random() < 0.5:
        victim.kill()
        victim.wait(10)
        stage.worker()
        return "killed"
    subprocess.Popen(
        [sys.executable, "-c", _THAW, str(victim.pid)]
    )  # thaws by itself, whatever becomes of us
    os.kill(victim.pid, signal.SIGSTOP)
    return "frozen"


_THAW = "import os, signal, sys, time; time.sleep(8); os.kill(int(sys.argv[1]), signal.SIGCONT)"


def _ended(stage: Stage) -> bool:
    return stage.quiet() and not stage.counts().get("parked")


def main() -> int:
    rng = random.Random(SEED)
    settings = {
        "DROPSCORE_LEASE": 5,
        "DROPSCORE_POLL_INTERVAL": 0.5,
        "DROPSCORE_RATE_LIMIT_WAIT": 1,
        "DROPSCORE_GATE_PROBE": 1,
        "DROPSCORE_DISCONNECT_WAITS": "1,2,3,4,5",
        "DROPSCORE_CONCURRENCY": 100,
    }
    with place() as folder, Stage(folder / "stage", "--silent-share", "0", **settings) as stage:
        stage.http.post("/_studio/faults", json={"seed": SEED, "rules": RULES}).raise_for_status()
        ids, done_to, began = stage.submit(clip(folder), FILES), Counter[str](), time.monotonic()
        stage.worker()
        stage.worker()
        next_s = EVERY_S
        while not _ended(stage) and time.monotonic() - began < LIMIT_S:
            if time.monotonic() - began > next_s:
                done_to[disturb(stage, rng)] += 1
                next_s += EVERY_S
            time.sleep(0.2)
        jobs, faults = stage.jobs(ids), Counter(stage.http.get("/_studio/ledger").json()["faults"])
        lost = [job for job in jobs if job.state not in ENDED]
        print(f"{FILES} files in {time.monotonic() - began:.0f} s: {states(jobs)}")
        print(
            f"faults of the service: {sum(faults.values())} "
            f"({', '.join(f'{kind} {number}' for kind, number in faults.most_common())})"
        )
        print(f"workers: {dict(done_to)}")
        problems = Counter(job.problem.kind for job in jobs if job.problem)
        print(f"ended otherwise: {dict(problems)}")
        double, broken = double_charges(stage), broken_outputs(stage, jobs)
        print(f"lost {len(lost)}, double charges {double}, broken outputs {broken}")
        return int(bool(lost or double or broken))


if __name__ == "__main__":
    sys.exit(main())
