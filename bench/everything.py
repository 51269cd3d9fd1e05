"""All the benches of docs/performance.md, one after the other: the rows of its table, within the hour.

Each is a command of its own. One that fails or takes too long is named, and the others go on; what the time
does not suffice for is named too.
"""

import subprocess
import sys
import time
from dataclasses import dataclass

from bench.figures import HEAD, machine

LIMIT_S = 60 * 60


@dataclass(frozen=True, slots=True)
class Bench:
    """A module of this package, and the most seconds it may take."""

    name: str
    limit_s: float
    words: tuple[str, ...] = ()


BENCHES = (
    Bench("start", 90),
    Bench("bytes", 180),
    Bench("bookkeeping", 240),
    Bench("inflight", 1_100),
    Bench("makespan", 700, ("--loop", "2")),
    Bench("waiting", 400),
    Bench("growth", 500),
    Bench("rendering", 500),
    Bench("storm", 540),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a bench printed, and how it ended."""

    lines: list[str]
    code: int

    @property
    def rows(self) -> list[str]:
        """Its rows of the table, without the head."""
        table = [line for line in self.lines if line.startswith("| ")]
        return [line for line in table if line not in HEAD.splitlines()]

    @property
    def notes(self) -> list[str]:
        """What else it said, without the machine's line."""
        return [line for line in self.lines[1:] if line and not line.startswith("|")]


def run(bench: Bench, left_s: float) -> Outcome:
    """Run one bench to its end or its limit."""
    if left_s <= 0:
        return Outcome(["", f"{bench.name}: left out, the {LIMIT_S // 60} minutes are over"], 1)
    command = [sys.executable, "-m", f"bench.{bench.name}", *bench.words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = process.communicate(timeout=min(bench.limit_s, left_s))
    except subprocess.TimeoutExpired:
        process.send_signal(2)  # its stages end their servers and workers
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        return Outcome(["", f"{bench.name}: did not end in time"], 1)
    lines = said.splitlines()
    if not lines:
        return Outcome(["", f"{bench.name}: ended with {process.returncode} and said nothing"], 1)
    return Outcome(lines, process.returncode)


def main() -> int:
    print(machine(), flush=True)
    began, outcomes = time.monotonic(), []
    for bench in BENCHES:
        print(f"{bench.name} ...", file=sys.stderr, flush=True)
        outcomes.append(run(bench, LIMIT_S - (time.monotonic() - began)))
    print("\n".join(["", HEAD, *(row for outcome in outcomes for row in outcome.rows), ""]))
    print("\n".join(note for outcome in outcomes for note in outcome.notes))
    print(f"\nAll in {(time.monotonic() - began) / 60:.0f} minutes.")
    return max(outcome.code for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main())
