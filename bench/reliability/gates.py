"""``python -m bench.reliability.gates``: no credits after the third of 20 files, a free plan, a full disk.

The disk is a small tmpfs; without the right to mount one (root, Linux) that part says so and is left out.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.reliability.common import FAST, broken_outputs, clip, double_charges, place, states
from jobs.model import State
from tests.chaos.stage import Stage

SETTINGS = {**FAST, "DROPSCORE_GATE_PROBE": 2}
FILES = 20


def logged(stage: Stage, words: str) -> int:
    """How often the workers logged these words."""
    return sum(path.read_text(errors="replace").count(words) for path in stage.folder.glob("worker*.log"))


def attempts(stage: Stage, ids: list[str]) -> int:
    """The most attempts any step of any of the jobs took."""
    return max(record.attempts for job in stage.jobs(ids) for record in job.steps)


def no_credits(folder: Path) -> bool:
    """2001 after the third of 20 files, then credits again."""
    with Stage(folder / "credits", **SETTINGS, DROPSCORE_MAX_EDITS=1) as stage:
        first = stage.submit(clip(folder), 1)
        stage.worker()
        stage.wait(lambda: stage.done(first) == 1, 60)
        stage.http.post("/_studio/credits", json={"account": None, "available": 100}).raise_for_status()
        ids = first + stage.submit(clip(folder), FILES - 1, start=1)
        stage.wait(lambda: stage.counts().get("parked", 0) == FILES - 3 and stage.done(ids) == 3, 120)
        print(
            f"no credits after the third: {states(stage.jobs(ids))}; messages: {logged(stage, 'gate closed')}"
        )
        stage.http.post("/_studio/credits", json={"account": None, "available": 10000}).raise_for_status()
        took = stage.wait(lambda: stage.done(ids) == FILES, 120)
        good = attempts(stage, ids) == 1 and double_charges(stage) == 0
        print(
            f"credits back: {stage.done(ids)} done {took:.1f} s later; "
            f"most attempts of a step {attempts(stage, ids)}"
        )
        return good and broken_outputs(stage, stage.jobs(ids)) == 0


def no_plan(folder: Path) -> bool:
    """402 on every render, then the plan opens."""
    with Stage(folder / "plan", "--plan", "free", **SETTINGS) as stage:
        ids = stage.submit(clip(folder), FILES)
        stage.worker()
        stage.wait(lambda: stage.counts().get("parked", 0) == FILES, 120)
        edits = stage.requests("run_sse")
        print(f"free plan: {states(stage.jobs(ids))}; {len(stage.charges())} charges")
        stage.http.post("/_studio/plan", json={"plan": "pro"}).raise_for_status()
        stage.wait(lambda: stage.done(ids) == FILES, 120)
        print(f"plan open: {stage.done(ids)} done; edits sent since then {stage.requests('run_sse') - edits}")
        return len(stage.charges()) == FILES == stage.requests("run_sse")


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A tmpfs of 100 MB in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)], check=True, capture_output=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def full_disk(folder: Path) -> bool:
    """No room in the outbox, then room again."""
    with Stage(folder / "disk", **SETTINGS) as stage, small_disk(stage.outbox):
        filler = stage.outbox / "filler.bin"
        filler.write_bytes(bytes(60 * 2**20))
        ids = stage.submit(clip(folder), 5)
        stage.worker()
        stage.wait(lambda: stage.counts().get("parked", 0) == 5, 60)
        left = Counter(path.suffix for path in stage.outbox.iterdir())
        print(
            f"disk full: {states(stage.jobs(ids))}; {len(stage.charges())} charges; "
            f"in the outbox {dict(left)}"
        )
        unpaid = not stage.charges()
        filler.unlink()
        took = stage.wait(lambda: stage.done(ids) == 5, 60)
        print(f"room again: {stage.done(ids)} done {took:.1f} s later")
        return unpaid and all(job.state is State.DONE for job in stage.jobs(ids))


def main() -> int:
    good = []
    with place() as folder:
        good += [no_credits(folder), no_plan(folder)]
        try:
            good.append(full_disk(folder))
        except (subprocess.CalledProcessError, FileNotFoundError):
            print("disk full: left out, no right to mount a tmpfs here")
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
