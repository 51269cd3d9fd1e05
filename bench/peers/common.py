"""How every peer is started, and how it says what it took."""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Job:
    """The files of a run and where they go."""

    url: str
    clips: list[Path]
    outbox: Path
    poll_s: float


def read_job() -> Job:
    """The run as the command line tells it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--inbox", type=Path, required=True)
    parser.add_argument("--outbox", type=Path, required=True)
    parser.add_argument("--poll-s", type=float, default=3.0)
    parser.add_argument("--files", type=int, help="only the first so many")
    told = parser.parse_args()
    clips = sorted(told.inbox.glob("*.mp4"))[: told.files]
    told.outbox.mkdir(parents=True, exist_ok=True)
    return Job(told.url, clips, told.outbox, told.poll_s)


@contextmanager
def timed(job: Job) -> Iterator[None]:
    """Print as JSON how many files took how many seconds; the start of the program is left out."""
    began = time.monotonic()
    yield
    print(json.dumps({"files": len(job.clips), "took_s": time.monotonic() - began}), flush=True)
