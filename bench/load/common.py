"""What the load benches share: tiny distinct sources, a stage with a simulated service, memory and rates."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.reliability.common import clip, place
from tests.chaos.stage import Stage

QUIET = {"DROPSCORE_LOG_LEVEL": "WARNING", "DROPSCORE_MAX_RENDERS": 100_000, "DROPSCORE_MAX_EDITS": 100_000}


@contextmanager
def simulated(scale: float, **settings: object) -> Iterator[tuple[Stage, Path]]:
    """A stage whose service draws its durations from the contract's ranges, times ``scale``; and a clip."""
    flags = ("--simulate", "--time-scale", str(scale), "--renders-at-once", "100000", "--silent-share", "0")
    with place() as folder, Stage(folder / "stage", *flags, **{**QUIET, **settings}) as stage:
        yield stage, clip(folder)


def rss_mb(pid: int) -> float:
    """Resident memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def commands(stage: Stage) -> int:
    """How many commands Redis has carried out."""
    return int(stage.client.info("stats")["total_commands_processed"])
