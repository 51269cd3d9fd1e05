"""What the reliability benches share: a clip, a place, and how outcomes are judged."""

import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.model import Job, State
from tests.chaos.media import small_clip as clip
from tests.chaos.stage import Stage
from worker.errors import OutputBroken
from worker.output import playable

__all__ = ["FAST", "broken_outputs", "clip", "double_charges", "place", "spread", "states"]

FAST = {"DROPSCORE_POLL_INTERVAL": 0.3, "DROPSCORE_MAX_RENDERS": 4}


@contextmanager
def place() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dropscore-bench-") as folder:
        yield Path(folder)


def states(jobs: list[Job]) -> str:
    """How many jobs are in each state, in words."""
    return ", ".join(
        f"{number} {state}" for state, number in sorted(Counter(job.state for job in jobs).items())
    )


def double_charges(stage: Stage) -> int:
    """Charges beyond one for a session: each job has one session and one instruction."""
    sessions = Counter(charge["session"] for charge in stage.charges())
    return sum(number - 1 for number in sessions.values())


def broken_outputs(stage: Stage, jobs: list[Job]) -> int:
    """Done jobs without a playable output, and files in the outbox that no done job explains."""
    done = {job.spec.output for job in jobs if job.state is State.DONE}
    return sum(not _plays(path) for path in done) + len({str(p) for p in stage.outbox.glob("*.mp4")} - done)


def _plays(path: str) -> bool:
    try:
        return playable(Path(path), None) > 0
    except OutputBroken:
        return False


def spread(seconds: list[float]) -> str:
    """Median and worst of some times."""
    if not seconds:
        return "none"
    return f"median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s, of {len(seconds)}"
