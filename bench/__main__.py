"""Every bench of the core, one after the other: ``python -m bench``; exits 1 when a bar was missed.

``python -m bench quick`` runs all of them with small numbers, to see that they work.
"""

import subprocess
import sys
import time

from bench.figures import machine

BENCHES = {
    "start": "--runs 1",
    "bytes": "--megabytes 20 --runs 1",
    "makespan": "--files 20 --runs 1",
    "bookkeeping": "--files 100 --runs 1",
    "backlog": "--files 300 --queued 500",
    "inflight": "--files 50 --scale 0.1",
    "storm": "--files 30",
    "schedulers": "--workers 3 --seconds 5",
    "ended": "--jobs 5000",
    "clockstep": "--files 30",
    "kills": "--rounds 1 --files 20",
    "powercut": "--cuts 2",
    "hardstop": "--files 12 --done 3",
    "failover": "--failovers 1",
    "chaos": "--files 30 --faults 50",
}
"""The benches in their order, with the small numbers."""


def main() -> int:
    quick = sys.argv[1:] == ["quick"]
    print(machine(), flush=True)
    missed = []
    for name, small in BENCHES.items():
        began = time.monotonic()
        command = [sys.executable, "-m", f"bench.{name}", *(small.split() if quick else ())]
        code = subprocess.run(command, check=False).returncode
        print(f"\n{name}: {time.monotonic() - began:.0f} s\n", flush=True)
        if code:
            missed.append(name)
    print(f"Missed or failed: {', '.join(missed) or 'none'}.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
