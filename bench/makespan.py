"""200 files by one worker at default settings, and by an asyncio script that starts all of them at once.

Whole processes, from their start to the last file in its place; both poll as their authors would, the script
each 3 s. They take turns, each with a service of its own that draws the same durations for the same names.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Row, machine, numbers, show, summarize
from bench.memory import Watch
from bench.stage import Stage, draw_longest_s, find_faults, place

COMMAND = "python -m bench.makespan"


def run_dropscore(folder: Path, files: int) -> tuple[float, float, float]:
    """Answers seconds from the worker's start, seconds since it was ready, and its memory in MB."""
    with Stage(folder) as stage:
        ids = stage.submit(stage.make_files([f"clip{number:05d}" for number in range(files)]))
        began = time.monotonic()
        worker = stage.start_worker()
        with Watch(worker.pid) as memory:
            ready_s = stage.wait(lambda: stage.count_states().get("running", 0) > 0, 60, 0.02)
            stage.wait(lambda: stage.count_delivered() == files, 400, 0.05)
            took_s = time.monotonic() - began
        stage.wait(stage.all_ended, 30)
        faults = find_faults(stage, ids)
        if any(faults.values()):
            raise RuntimeError(f"{faults} {stage.count_states()}")
        return took_s, took_s - ready_s, memory.peak_mb


def run_script(folder: Path, files: int) -> tuple[float, float]:
    """Answers seconds from the script's start, and its memory in MB."""
    with Stage(folder) as stage:
        stage.make_files([f"clip{number:05d}" for number in range(files)])
        command = [sys.executable, "-m", "bench.peers.script", "--url", stage.service.url]
        command += ["--inbox", str(stage.inbox), "--outbox", str(stage.outbox)]
        began = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as script, Watch(script.pid) as memory:
            code = script.wait(400)
            took_s = time.monotonic() - began
        if code or stage.count_delivered() != files:
            raise RuntimeError(f"the script ended with {code} and {stage.count_delivered()} files")
        return took_s, memory.peak_mb


def main() -> int:
    chosen = numbers(__doc__, files=200, runs=3)
    start, own, script = machine(), [], []
    with place() as folder:
        for number in range(chosen.runs):
            own.append(run_dropscore(folder / f"own{number}", chosen.files))
            script.append(run_script(folder / f"script{number}", chosen.files))
    own_s, ready_s, own_mb = (list(column) for column in zip(*own, strict=True))
    script_s, script_mb = (list(column) for column in zip(*script, strict=True))
    ratio = statistics.median(own_s) / statistics.median(script_s)
    row = Row(
        f"{chosen.files} files, defaults, whole process",
        "≤ 1.0 × the asyncio script",
        f"{ratio:.2f} ×: {summarize(own_s, 's')}, {summarize(own_mb, 'MB', 0)}; "
        f"the script {summarize(script_s, 's')}, {summarize(script_mb, 'MB', 0)}",
        f"{COMMAND} --files {chosen.files}",
        ratio <= 1.0,
    )
    notes = [f"Since the worker's first claim: {summarize(ready_s, 's')}. Memory is PSS."]
    notes += [f"The longest edit and render of one file: {draw_longest_s(chosen.files):.1f} s without polls."]
    return show([row], start, *notes)


if __name__ == "__main__":
    sys.exit(main())
