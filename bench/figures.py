"""Figures and how they are told: medians, extrapolations, the machine, and rows for docs/performance.md."""

import argparse
import heapq
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HEAD = "| What | Must reach | Measured | Command |\n|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; `reached` is None where there is no bar."""

    what: str
    bar: str
    measured: str
    command: str
    reached: bool | None = None

    def __str__(self) -> str:
        missed = " (missed)" if self.reached is False else ""
        return f"| {self.what} | {self.bar} | {self.measured}{missed} | `{self.command}` |"


def told(values: Sequence[float], unit: str, digits: int = 1) -> str:
    """The median, and where there is more than one the least and the most."""
    middle = f"{statistics.median(values):,.{digits}f} {unit}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def spread(values: Sequence[float]) -> float:
    """How far the farthest lies from the median, as a share of it; infinite about a median of 0."""
    middle = statistics.median(values)
    return max(abs(value - middle) for value in values) / middle if middle else float("inf")


def scheduled_s(durations_s: Sequence[float], slots: int) -> float:
    """How long the works take in their order, each begun by the first of so many slots that is free."""
    free_at = [0.0] * slots
    for duration_s in durations_s:
        heapq.heappush(free_at, heapq.heappop(free_at) + duration_s)
    return max(free_at)


def extrapolated_s(measured_s: float, of: int, durations_s: Sequence[float], slots: int) -> float:
    """What all the works would take, by what the first ``of`` of them took and how long each must take.

    What the works need beyond their drawn durations is taken to grow with them.
    """
    return measured_s * scheduled_s(durations_s, slots) / scheduled_s(durations_s[:of], slots)


def busiest(times_s: Sequence[float], window_s: float) -> int:
    """The most moments in any window."""
    ordered, first, most = sorted(times_s), 0, 0
    for last, at_s in enumerate(ordered):
        while at_s - ordered[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def machine() -> str:
    """The machine and the moment, in one line."""
    load, memory_mb = os.getloadavg()[0], _memory_kb() / 2**20
    now = datetime.now(UTC)
    return (
        f"{now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores ({_processor()}), {memory_mb:.0f} GB, "
        f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}, "
        f"load {load:.1f} at the start"
    )


def numbers(doc: str | None, **defaults: int) -> argparse.Namespace:
    """The counts of a bench as the command line tells them, each a flag."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    return parser.parse_args()


def tell(rows: Sequence[Row], *notes: str) -> int:
    """Print the notes and the rows; answers 1 when a bar was missed."""
    print("\n".join([*notes, "", HEAD, *map(str, rows)]), flush=True)
    return int(any(row.reached is False for row in rows))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _memory_kb() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:"))
