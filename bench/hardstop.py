"""A local run of many clips is killed with `kill -9` in the middle: what does the next run do?

Run, worker, studio, producer and server are killed together, so that nothing is said goodbye to. The same
command is given again; every clip must be done, none unconfirmed, and a person asked for nothing.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Row, machine, numbers, show
from bench.stage import clip, describe, place
from bench.start import PROGRAM

COMMAND = "python -m bench.hardstop"
SETTLE = {"DROPSCORE_SETTLE": "0.2"}


def make_clips(folder: Path, files: int) -> None:
    """Write clips that differ by a box that players skip."""
    whole = clip(folder).read_bytes()
    (folder / "in").mkdir()
    for number in range(files):
        word = f"{number:05}".encode()
        box = (8 + len(word)).to_bytes(4, "big") + b"free" + word
        (folder / "in" / f"clip {number:05}.mp4").write_bytes(whole + box)


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """Start ``dropscore run --once`` on the clips, as a session of its own."""
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("DROPSCORE_", "NEMO_"))}
    command = [PROGRAM, "run", "in", "--outbox", "out", "--once", "--state-dir", "state"]
    with (folder / "said").open("ab") as said:
        return subprocess.Popen(
            command, cwd=folder, env=bare | SETTLE, stdout=said, stderr=said, start_new_session=True
        )


def list_processes(folder: Path) -> list[int]:
    """Return the processes that work in a folder: the run and its parts, each in a group of its own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink().is_relative_to(folder) and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def kill_all(folder: Path) -> int:
    """Kill everything that works in a folder until nothing is left; answers how many were killed."""
    killed: set[int] = set()
    while here := list_processes(folder):
        for pid in here:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.update(here)
        time.sleep(0.05)
    return len(killed)


def main() -> int:
    chosen = numbers(__doc__, files=500, done=100)
    start_of_all = machine()
    with place() as folder:
        make_clips(folder, chosen.files)
        run = start(folder)
        while len([*folder.glob("out/*.mp4")]) < chosen.done and run.poll() is None:
            time.sleep(0.1)
        killed = kill_all(folder)
        run.wait()
        before = len([*folder.glob("out/*.mp4")])
        began = time.monotonic()
        again = start(folder)
        code = again.wait()
        took_s = time.monotonic() - began
        words = [PROGRAM, "status", "--json", "--state-dir", "state"]
        said = subprocess.run(words, cwd=folder, capture_output=True, check=True, timeout=120)
        states = {state: count for state, count in json.loads(said.stdout)["states"].items() if count}
        outputs = len([*folder.glob("out/*.mp4")])
    row = Row(
        f"`kill -9` of all {killed} processes at {before} of {chosen.files} local clips, then the same again",
        "all done, 0 unconfirmed",
        f"{describe(states)}, {outputs} outputs, exit code {code}, in {took_s:.0f} s",
        f"{COMMAND} --files {chosen.files} --done {chosen.done}",
        code == 0 and states == {"done": chosen.files} and outputs == chosen.files,
    )
    return show([row], start_of_all)


if __name__ == "__main__":
    sys.exit(main())
