"""Figures and how they are shown: medians, bars, the machine, and rows for docs/performance.md."""

import argparse
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HEAD = "| What | Must reach | Measured | | Command |\n|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; `reached` is None where there is no bar."""

    what: str
    bar: str
    measured: str
    command: str
    reached: bool | None = None

    def __str__(self) -> str:
        mark = {None: "", True: "ok", False: "MISSED"}[self.reached]
        return f"| {self.what} | {self.bar} | {self.measured} | {mark} | `{self.command}` |"


def summarize(values: Sequence[float], unit: str, digits: int = 1) -> str:
    """Return the median, and where there is more than one the least and the most."""
    middle = f"{statistics.median(values):,.{digits}f} {unit}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of all does not exceed; infinite when there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")


def machine() -> str:
    """Return the machine and the moment, in one line."""
    load, memory_mb = os.getloadavg()[0], _memory_kb() / 2**20
    now = datetime.now(UTC)
    return (
        f"{now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores ({_processor()}), {memory_mb:.0f} GB, "
        f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}, "
        f"load {load:.1f} at the start"
    )


def numbers(doc: str | None, **defaults: float) -> argparse.Namespace:
    """Read the counts of a bench from the command line, each a flag."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    return parser.parse_args()


def show(rows: Sequence[Row], *notes: str) -> int:
    """Print the notes and the rows; answers 1 when a bar was missed."""
    load = f"Load {os.getloadavg()[0]:.1f} at the end."
    print("\n".join([*notes, load, "", HEAD, *map(str, rows)]), flush=True)
    return int(any(row.reached is False for row in rows))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _memory_kb() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:"))
