"""What the benches share: a stage with a simulated service, files of known durations, and their jobs."""

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.reliability.common import clip, place
from jobs.model import Spec, identity
from studio.settings import StudioSettings
from studio.simulation import simulated_s
from tests.chaos.stage import EDIT, Stage

POLL_S = 3.0
SCALE = 0.1
CONTRACT_POLL_S = 30.0
"""Between two looks at a render at the service's own pace (api-contract 2.8)."""
QUIET = {"DROPSCORE_LOG_LEVEL": "WARNING", "DROPSCORE_MAX_RENDERS": 100_000, "DROPSCORE_MAX_EDITS": 100_000}
SERVICE = ("--simulate", "--renders-at-once", "100000", "--silent-share", "0")


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the simulated service takes for a file, and when a poll each ``poll_s`` sees its render's end."""

    edit_s: float
    render_s: float
    poll_s: float

    @property
    def polls(self) -> int:
        """The looks it takes; the first comes one interval after the submission."""
        return max(1, math.ceil(self.render_s / self.poll_s))

    @property
    def whole_s(self) -> float:
        """The least that the file can take with these polls."""
        return self.edit_s + self.polls * self.poll_s


def drawn(name: str, scale: float = SCALE, poll_s: float = POLL_S) -> Drawn:
    """What the service will draw for a file of this name."""
    settings = StudioSettings(simulate=True, time_scale=scale)
    edit_s, render_s = (simulated_s(what, name, settings) for what in ("edit", "render"))
    return Drawn(edit_s, render_s, poll_s)


@contextmanager
def simulated(scale: float, *flags: str, **settings: object) -> Iterator[Stage]:
    """A stage whose service takes what it draws times ``scale``, and answers at once with 0."""
    told = {**QUIET, **settings}
    flags = (*SERVICE, "--time-scale", str(scale), *flags)
    with place() as folder, Stage(folder / "stage", *flags, **told) as stage:
        yield stage


def sources(stage: Stage, files: int) -> list[Path]:
    """So many names of one small clip, in an inbox."""
    inbox = stage.folder / "in"
    inbox.mkdir()
    one = clip(stage.folder)
    names = [inbox / f"clip{number:05d}.mp4" for number in range(files)]
    for name in names:
        os.link(one, name)
    return names


def submit(stage: Stage, clips: Sequence[Path], run: str = "", outbox: Path | None = None) -> list[str]:
    """Take each of the clips in; another ``run`` makes other jobs of them."""
    there = outbox or stage.outbox
    there.mkdir(exist_ok=True)
    ids = []
    for source in clips:
        key = f"{run}{source.stem}"
        job_id = identity(key, EDIT, "add-music")
        spec = Spec(
            source=str(source),
            root="",
            output="",
            result="",
            skill="add-music",
            instructions=EDIT,
            fingerprint=key,
            size_bytes=source.stat().st_size,
            created=time.time(),
        )
        stage.ledger.submit(job_id, spec, [str(there / f"{key}.mp4")])
        ids.append(job_id)
    return ids


def delivered(folder: Path) -> int:
    """How many films are there; asks nobody but the file system."""
    return sum(entry.name.endswith(".mp4") for entry in os.scandir(folder)) if folder.exists() else 0


def ready(stage: Stage, seconds: float = 60) -> None:
    """Wait until a worker consumes."""
    stage.wait(lambda: bool(stage.client.exists("dropscore:broker:_kombu.binding.dropscore")), seconds)
