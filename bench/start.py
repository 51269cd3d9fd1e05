"""How long a person waits: ``dropscore run --once`` on one tiny clip, and ``dropscore --help``."""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Row, machine, numbers, show, summarize
from bench.stage import clip, place

COMMAND = "python -m bench.start"
PROGRAM = str(Path(sys.executable).with_name("dropscore"))
RUN_S, HELP_S = 4.0, 0.4


def timed_s(words: list[str], folder: Path) -> float:
    """Seconds of one run of the program in a folder, with none of our own settings."""
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("DROPSCORE_", "NEMO_"))}
    bare["XDG_STATE_HOME"] = str(folder / "state")
    began = time.monotonic()
    subprocess.run(
        [PROGRAM, *words], cwd=folder, env=bare, check=True, stdout=subprocess.DEVNULL, timeout=120
    )
    return time.monotonic() - began


def run_s(folder: Path, number: int) -> float:
    """The first run in a fresh folder with one clip of a second."""
    here = folder / str(number)
    (here / "in").mkdir(parents=True)
    shutil.copy(clip(folder), here / "in" / "clip.mp4")
    took_s = timed_s(["run", "in", "--outbox", "out", "--once"], here)
    assert (here / "out" / "clip.mp4").exists()
    return took_s


def main() -> int:
    chosen = numbers(__doc__, runs=5)
    start = machine()
    with place() as folder:
        timed_s(["--help"], folder)  # the byte code is there afterwards, as it is after an installation
        help_s = [timed_s(["--help"], folder) for _ in range(chosen.runs)]
        whole_s = [run_s(folder, number) for number in range(chosen.runs)]
    rows = [
        Row(
            "`dropscore run --once` on one tiny clip",
            f"≤ {RUN_S:.0f} s",
            summarize(whole_s, "s"),
            COMMAND,
            statistics.median(whole_s) <= RUN_S,
        ),
        Row(
            "`dropscore --help`",
            f"≤ {HELP_S} s",
            summarize(help_s, "s", 2),
            COMMAND,
            statistics.median(help_s) <= HELP_S,
        ),
    ]
    return show(rows, start)


if __name__ == "__main__":
    sys.exit(main())
