"""How long a person waits: for ``run --once`` on one tiny clip and on nothing new, ``status`` and ``--help``.

The CPU time beside each figure says what a machine with more to do would make of it.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.figures import Row, machine, numbers, show, summarize
from bench.stage import clip, place

COMMAND = "python -m bench.start"
PROGRAM = str(Path(sys.executable).with_name("dropscore"))
SETTLED_S = 2.5
ONCE = ["run", "in", "--outbox", "out", "--once"]


def measure(words: list[str], folder: Path) -> tuple[float, float]:
    """Seconds, and CPU seconds, of one run of the program in a folder, with none of our own settings."""
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("DROPSCORE_", "NEMO_"))}
    bare["XDG_STATE_HOME"] = str(folder / "state")
    began, before = time.monotonic(), os.times()
    subprocess.run(
        [PROGRAM, *words], cwd=folder, env=bare, check=True, stdout=subprocess.DEVNULL, timeout=120
    )
    took_s, after = time.monotonic() - began, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return took_s, cpu_s


def first_run(folder: Path, *, lies_for_s: float) -> tuple[float, float]:
    """The first run in a fresh folder with one clip of a second, which was copied there so long ago."""
    here = folder / str(time.monotonic_ns())
    (here / "in").mkdir(parents=True)
    shutil.copy(clip(folder), here / "in" / "clip.mp4")
    time.sleep(lies_for_s)
    found = measure(ONCE, here)
    assert (here / "out" / "clip.mp4").exists()
    return found


def main() -> int:
    chosen = numbers(__doc__, runs=5)
    start = machine()
    with place() as folder:
        first_run(folder, lies_for_s=0.0)  # the byte code is there afterwards, as it is after an installation
        used = next(found.parent.parent for found in folder.glob("*/out/clip.mp4"))
        ways: list[tuple[str, float, Callable[[], tuple[float, float]]]] = [
            ("`dropscore run --once`, one tiny clip", 2.5, lambda: first_run(folder, lies_for_s=SETTLED_S)),
            ("the same, the clip copied just before", 2.5, lambda: first_run(folder, lies_for_s=0.0)),
            ("`dropscore run --once`, nothing to do", 1.5, lambda: measure(ONCE, used)),
            ("`dropscore status`, no run going on", 0.6, lambda: measure(["status"], used)),
            ("`dropscore --help`", 0.4, lambda: measure(["--help"], used)),
        ]
        rows = []
        for what, bar_s, once in ways:
            found = [once() for _ in range(chosen.runs)]
            took = [took_s for took_s, _ in found]
            told = f"{summarize(took, 's', 2)}; {median(cpu_s for _, cpu_s in found):.2f} s of CPU"
            rows.append(Row(what, f"≤ {bar_s} s", told, COMMAND, median(took) <= bar_s))
    return show(rows, start)


if __name__ == "__main__":
    sys.exit(main())
