"""A producer to run in a thread, on a real server, with a real Celery app and files of our own."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg
import pytest

from config.settings import Settings, load
from jobs.connection import RedisClient, connect
from jobs.intake import Intake
from jobs.ledger import Ledger
from jobs.model import Job
from producer.roots import checked
from producer.run import Options, produce

SETTLE_S = 0.3
QUEUES = ("dropscore:broker:dropscore.new", "dropscore:broker:dropscore.backlog")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A clip of a second; `unlike` makes others of it."""
    there = tmp_path_factory.mktemp("clip") / "clip.mp4"
    source = "testsrc=size=32x32:rate=5:duration=1"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", source, str(there)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return there.read_bytes()


@pytest.fixture
def unlike(clip: bytes) -> Callable[..., bytes]:
    """A clip with content of its own for every number, and of any size."""

    def make(number: int, size_bytes: int = 0) -> bytes:
        body = number.to_bytes(8, "big") + bytes(max(0, size_bytes - len(clip) - 16))
        return clip + (len(body) + 8).to_bytes(4, "big") + b"free" + body

    return make


@dataclass
class Running:
    """A producer in a thread."""

    stop: threading.Event
    thread: threading.Thread
    codes: list[int]

    def end(self) -> int:
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()
        return self.codes[0]


@dataclass
class Bench:
    """Folders, settings and the ledger of one test."""

    inbox: Path
    outbox: Path
    settings: Settings
    client: RedisClient
    running: list[Running] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.client)

    def put(self, name: str, content: bytes) -> Path:
        there = self.inbox / name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(content)
        return there

    def once(self, **options: object) -> int:
        stop = threading.Event()
        settings, options = self._told(options)
        roots = checked(settings, [self.inbox], self.outbox)
        return produce(settings, roots, stop, Options(once=True, **options))

    def start(self, *roots: Path, **options: object) -> Running:
        stop, codes = threading.Event(), []
        settings, options = self._told(options)
        watched = checked(settings, list(roots) or [self.inbox], self.outbox)
        thread = threading.Thread(
            target=lambda: codes.append(produce(settings, watched, stop, Options(**options)))
        )
        running = Running(stop, thread, codes)
        self.running.append(running)
        thread.start()
        return running

    def _told(self, said: dict[str, object]) -> tuple[Settings, dict[str, object]]:
        """The settings, those that a test names changed, and the options that are none."""
        ours = {name: value for name, value in said.items() if name in Settings.model_fields}
        rest = {name: value for name, value in said.items() if name not in ours}
        return self.settings.model_copy(update=ours), rest

    def jobs(self) -> list[Job]:
        jobs = self.ledger.many(key.rpartition(":")[2] for key in self.client.keys("dropscore:job:*"))
        return sorted(jobs, key=lambda job: job.spec.source)

    def sources(self) -> list[str]:
        return [Path(job.spec.source).relative_to(self.inbox).as_posix() for job in self.jobs()]

    def duplicates(self) -> dict[str, str]:
        return dict(Intake(self.ledger).duplicates())

    def messages(self) -> int:
        return sum(self.client.llen(queue) for queue in QUEUES)

    def wait(self, count: int, seconds: float = 10.0) -> list[Job]:
        until = time.monotonic() + seconds
        while len(self.jobs()) < count:
            assert time.monotonic() < until, f"{len(self.jobs())} of {count} jobs after {seconds} s"
            time.sleep(0.01)
        return self.jobs()


@pytest.fixture
def bench(tmp_path: Path, redis_url: str) -> Iterator[Bench]:
    """An inbox, an outbox and an empty ledger."""
    client = connect(redis_url)
    client.flushall()
    (tmp_path / "in").mkdir()
    flags = {"redis_url": redis_url, "state_dir": tmp_path / "state", "settle_s": SETTLE_S, "rescan_s": 60}
    bench = Bench(tmp_path / "in", tmp_path / "out", load(flags, environ={}), client)
    yield bench
    for running in bench.running:
        running.stop.set()
        running.thread.join(10)
    client.close()
