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
from jobs.ledger import Ledger, LimitBounds
from jobs.model import Job, State, Step
from jobs.redis import RedisClient, connect
from jobs.sources import Sources
from producer.roots import check_roots
from producer.service import Options, produce

SETTLE_S = 0.3


def can_make_namespaces() -> bool:
    """Return whether this system lets a test mount disks and set limits that nobody else sees."""
    try:
        tried = subprocess.run(["unshare", "-r", "-m", "true"], capture_output=True, check=False)
    except OSError:
        return False
    return tried.returncode == 0


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
        self.thread.join(30)
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
        kinds = ("upload", "edit", "render", "download")
        return Ledger(self.client, limits=dict.fromkeys(kinds, LimitBounds(100, 100)))

    def claim(self, job: Job) -> tuple[Ledger, Job]:
        """A worker takes a job that is due; answers its ledger and the job as it holds it."""
        ledger = self.ledger
        ledger.sync_clock("w", 100)
        ledger.fetch_due(1000, 30)  # it stays admitted until it is claimed
        held = ledger.claim(job.id, Step.UPLOAD, "w", 30)
        assert held is not None
        return ledger, held

    def put(self, name: str, content: bytes) -> Path:
        there = self.inbox / name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(content)
        return there

    def once(self, **options: object) -> int:
        stop = threading.Event()
        settings, options = self._told(options)
        roots = check_roots(settings, [self.inbox], self.outbox)
        return produce(settings, roots, stop, Options(once=True, **options))

    def start(self, *roots: Path, **options: object) -> Running:
        stop, codes = threading.Event(), []
        settings, options = self._told(options)
        watched = check_roots(settings, list(roots) or [self.inbox], self.outbox)
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
        return dict(Sources(self.ledger).duplicates())

    def queued(self) -> int:
        return self.ledger.counts()[State.QUEUED]

    def wait(self, count: int, seconds: float = 60.0) -> list[Job]:
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
        running.thread.join(30)
    client.close()
