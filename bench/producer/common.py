"""What the benches of the producer share: clips without number, a place, a producer process."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from jobs.ledger import Ledger
from jobs.model import State
from jobs.redis import connect
from tests.conftest import start_redis

SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """An inbox, an outbox, and a ledger on a real server of its own."""

    inbox: Path
    outbox: Path
    ledger: Ledger
    url: str

    def jobs(self) -> int:
        return sum(self.ledger.counts().values())

    def queued(self) -> int:
        return self.ledger.counts()[State.QUEUED]


@contextmanager
def place() -> Iterator[Place]:
    """A place that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dropscore-bench-") as folder:
        here = Path(folder)
        (here / "in").mkdir()
        server, url = start_redis(here)
        try:
            with closing(connect(url)) as client:
                yield Place(here / "in", here / "out", Ledger(client), url)
        finally:
            server.kill()
            server.wait()


def clip() -> bytes:
    """A tiny clip of one second."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder, "clip.mp4")
        lines = ["-f", "lavfi", "-i", "testsrc=size=32x32:rate=5:duration=1", str(there)]
        subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *lines], check=True)
        return there.read_bytes()


def unlike(one: bytes, number: int) -> bytes:
    """The clip with content of its own: a free box that holds the number."""
    return one + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")


def fill(inbox: Path, files: int, folders: int) -> None:
    """So many distinct clips, spread over so many folders."""
    one = clip()
    for number in range(folders):
        (inbox / f"{number:04}").mkdir()
    for number in range(files):
        (inbox / f"{number % folders:04}" / f"{number:06}.mp4").write_bytes(unlike(one, number))


def start(here: Place, *flags: str) -> "subprocess.Popen[bytes]":
    """A producer as a process of its own, at low priority: the machine is shared."""
    told = {
        **os.environ,
        "DROPSCORE_REDIS_URL": here.url,
        "DROPSCORE_STATE_DIR": str(here.inbox.parent / "state"),
        "DROPSCORE_SETTLE": str(SETTLE_S),
        "DROPSCORE_LOG_LEVEL": "ERROR",
    }
    argv = ["nice", sys.executable, "-m", "producer", str(here.inbox), "--outbox", str(here.outbox), *flags]
    return subprocess.Popen(argv, env=told)


def watch(process: "subprocess.Popen[bytes]") -> tuple[float, float]:
    """Wait for its end; answers the seconds it took, and its peak memory in MB."""
    began, peak_kb = time.monotonic(), 0
    while process.poll() is None:
        peak_kb = max(peak_kb, _peak_kb(process.pid))
        time.sleep(0.2)
    return time.monotonic() - began, peak_kb / 1024


def _peak_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
