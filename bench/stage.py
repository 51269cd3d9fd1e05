"""What the benches share: a Redis server, the service and workers as processes, files and their jobs.

Everything runs at default settings but for the addresses; what a bench changes, it says.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import imageio_ffmpeg
import redis

from bench.service import draw_s
from cli.embedded_redis import find_program
from jobs.ledger import Ledger, NewJob
from jobs.model import ENDED, Job, JobSpec, State, job_id_for
from jobs.redis import PREFIX, connect
from worker.delivery import measure_video
from worker.errors import OutputBroken

Process = subprocess.Popen[bytes]
INSTRUCTIONS = ("add calm background music",)
SCALE = 0.1
AT_ONCE = 200
"""So many files are submitted in one round trip."""
LINKS = 50_000
"""A file system allows only so many names of one file."""

_CLAIM_ENDED = re.compile(rb'"event": ?"(?:queued|waiting|parked|done|failed|unconfirmed|cancelled)"')


@contextmanager
def place() -> Iterator[Path]:
    """Make a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dropscore-bench-") as folder:
        yield Path(folder)


def clip(folder: Path) -> Path:
    """Make one second of picture and sound."""
    path = folder / "clip.mp4"
    lines = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=1"]
    lines += ["-f", "lavfi", "-i", "sine=frequency=440:duration=1", "-pix_fmt", "yuv420p", "-shortest"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *lines, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def free_port() -> int:
    """Find a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_redis(
    folder: Path, *flags: str, fsync: str = "always", log: Path | None = None
) -> tuple[Process, str]:
    """Start a server set as the embedded one, on a socket in ``folder``; answers it and its URL."""
    path = folder / "redis.sock"
    path.unlink(missing_ok=True)
    command = [str(find_program()), "--port", "0", "--unixsocket", str(path), "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", fsync, "--aof-load-truncated", "yes"]
    command += ["--maxmemory-policy", "noeviction", "--save", "", "--loglevel", "warning", *flags]
    with (log or Path(os.devnull)).open("ab") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    wait_for_redis(f"unix://{path}", server)
    return server, f"unix://{path}"


def wait_for_redis(url: str, server: Process, timeout_s: float = 30) -> None:
    """Wait until a server answers and has loaded its file. Raises RuntimeError when it ends instead."""
    gives_up = time.monotonic() + timeout_s
    with redis.Redis.from_url(url) as client:
        while True:
            with suppress(redis.ConnectionError, redis.exceptions.BusyLoadingError):
                client.ping()
                return
            if server.poll() is not None or time.monotonic() > gives_up:
                raise RuntimeError("the Redis server did not start")
            time.sleep(0.02)


def end(*processes: Process | None) -> None:
    """Kill processes that still run, and wait for them."""
    for process in processes:
        if process is not None:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(20)


class Service:
    """The service of the benches (`bench.service`) as a process of its own."""

    def __init__(self, folder: Path, *flags: str, scale: float = SCALE, video: Path | None = None) -> None:
        self.video = video or clip(folder)
        command = [
            sys.executable,
            "-m",
            "bench.service",
            "--video",
            str(self.video),
            "--scale",
            str(scale),
            *flags,
        ]
        with (folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().decode().strip()
        self.process.stdout.close()
        self.http = httpx.Client(base_url=self.url, timeout=120)

    def stats(self) -> dict[str, Any]:
        """Return what the service saw."""
        return dict(self.http.get("/bench/stats").json())

    def wait_for_charge(self, after: int) -> None:
        """Wait until it has taken more than so many messages."""
        self.http.get(f"/bench/charged?after={after}")

    def close(self) -> None:
        """End it."""
        self.http.close()
        end(self.process)


class Stage:
    """A Redis server, the service, and workers as they are asked for. Use it in ``with``."""

    def __init__(
        self,
        folder: Path,
        *service_flags: str,
        scale: float = SCALE,
        service: Service | None = None,
        **settings: object,
    ) -> None:
        """``settings`` are environment variables of the workers. A ``service`` that is given is not ended."""
        self.folder, self.inbox, self.outbox = folder, folder / "in", folder / "out"
        for one in (self.inbox, self.outbox, folder / "redis", folder / "state"):
            one.mkdir(parents=True, exist_ok=True)
        self.workers: list[Process] = []
        self._settings = {key: str(value) for key, value in settings.items()}
        self._flags, self._scale, self._given = service_flags, scale, service

    def __enter__(self) -> Self:
        self.redis, self.redis_url = start_redis(self.folder / "redis", log=self.folder / "redis.log")
        self.open(self._given or Service(self.folder, *self._flags, scale=self._scale))
        return self

    def open(self, service: Service) -> None:
        """Connect to the server and the service."""
        self.service = service
        self.client = connect(self.redis_url)
        self.ledger = Ledger(self.client)

    def __exit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        end(*self.workers, self.redis)
        if self._given is None:
            self.service.close()
        self.client.close()

    def environment(self) -> dict[str, str]:
        """Return the environment of our processes: default settings, with the addresses of this stage."""
        bare = {
            key: value for key, value in os.environ.items() if not key.startswith(("DROPSCORE_", "NEMO_"))
        }
        named = {
            "DROPSCORE_REDIS_URL": self.redis_url,
            "DROPSCORE_LOG_JSON": "true",
            "DROPSCORE_STATE_DIR": str(self.folder / "state"),
            "NEMO_API_URL": self.service.url,
            "NEMO_ALLOW_PRIVATE_URLS": "1",
        }
        return bare | named | self._settings

    def start_worker(self, **extra: str) -> Process:
        """Start a worker as the docs say; it takes about two seconds until it works."""
        command = [sys.executable, "-m", "celery", "-q", "-A", "worker.app", "worker"]
        command += ["--without-mingle", "--without-gossip", "-n", f"w{len(self.workers)}@bench"]
        log = self.folder / f"worker{len(self.workers)}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(command, env=self.environment() | extra, stdout=output, stderr=output)
        self.workers.append(process)
        return process

    def wait_for_workers(self, count: int = 1, timeout_s: float = 120) -> None:
        """Wait until so many workers schedule."""
        self.wait(lambda: self.client.hlen(f"{PREFIX}workers") >= count, timeout_s, 0.02)

    def make_files(self, names: Sequence[str]) -> list[Path]:
        """Put files of these names into the inbox; they share one clip's content."""
        paths, original = [], self.service.video
        for number, name in enumerate(names):
            if number % LINKS == LINKS - 1:
                original = self.folder / f"clip-{number}.mp4"
                original.write_bytes(self.service.video.read_bytes())
            path = self.inbox / f"{name}.mp4"
            os.link(original, path)
            paths.append(path)
        return paths

    def submit(self, paths: Sequence[Path], *, backlog: bool = False) -> list[str]:
        """Submit files, through the ledger's own operation; a second time it is the same job."""
        ids: list[str] = []
        for first in range(0, len(paths), AT_ONCE):
            entries = [describe_file(path, self.outbox, backlog) for path in paths[first : first + AT_ONCE]]
            ids += [one.job_id for one in self.ledger.submit_many(entries)]
        return ids

    def wait(self, until: Callable[[], bool], timeout_s: float, poll_s: float = 0.05) -> float:
        """Wait for something; answers how many seconds it took. Raises TimeoutError."""
        began = time.monotonic()
        while not until():
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(f"{self.folder}: {self.count_states()}")
            time.sleep(poll_s)
        return time.monotonic() - began

    def all_ended(self) -> bool:
        """Tell whether no job is left to do."""
        counts = self.ledger.counts()
        return not any(count for state, count in counts.items() if state not in ENDED)

    def count_states(self) -> dict[str, int]:
        """Count the jobs in each state that any is in."""
        return {state.value: count for state, count in self.ledger.counts().items() if count}

    def count_delivered(self) -> int:
        """Count the videos in the outbox; asks nobody but the file system."""
        return sum(entry.name.endswith(".mp4") and entry.name[0] != "." for entry in os.scandir(self.outbox))

    def count_claims(self) -> int:
        """Count the claims whose end the workers have logged (a line each, at the default level)."""
        return sum(len(_CLAIM_ENDED.findall(log.read_bytes())) for log in self.folder.glob("worker*.log"))

    def count_messages(self) -> int:
        """Count the messages that were sent to workers: nobody but Celery's transport pushes to lists."""
        return int(self.client.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0))


def describe_file(path: Path, outbox: Path, backlog: bool) -> NewJob:
    """Describe the job of a file, as the producer submits it."""
    job_id = job_id_for(path.stem, INSTRUCTIONS, "add-music")
    stat = path.stat()
    spec = JobSpec(
        source=str(path),
        skill="add-music",
        instructions=INSTRUCTIONS,
        fingerprint=path.stem,
        size_bytes=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        backlog=backlog,
        created=time.time(),
    )
    return NewJob(job_id, spec, (str(outbox / path.name),), note=f"{stat.st_size} {stat.st_mtime_ns}")


def cpu_s(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def plays(path: str) -> bool:
    """Tell whether a video is whole and playable."""
    try:
        return measure_video(Path(path), None) > 0
    except OutputBroken:
        return False


def find_faults(stage: Stage, ids: Sequence[str]) -> dict[str, int]:
    """Account for every file afterwards; all counts are 0 when nothing is wrong.

    ``lost``: submitted and not in the ledger, or not ended. ``double``: charges beyond one, by source file,
    at the service. ``broken``: done without a playable video, or a video that no done job explains. ``left``:
    entries of the due, admitted, in-flight and group sets, and credits set aside.
    """
    jobs: list[Job] = stage.ledger.many(ids)
    stats, client = stage.service.stats(), stage.client
    done = {job.spec.output for job in jobs if job.state is State.DONE}
    present = {str(path) for path in stage.outbox.glob("*.mp4")}
    left = sum(client.zcard(key) for key in client.scan_iter(f"{PREFIX}due:*"))
    left += sum(client.zcard(key) for key in client.scan_iter(f"{PREFIX}inflight:*")) + client.zcard(
        f"{PREFIX}admitted"
    )
    left += int(float(client.hget(f"{PREFIX}budget", "aside") or 0) != 0)
    return {
        "lost": len(ids) - sum(job.state in ENDED for job in jobs),
        "double": sum(count - 1 for count in stats["charges"].values()),
        "broken": sum(not plays(path) for path in done) + len(present ^ done),
        "left": left,
        "refused by the service": len(stats["violations"]),
    }


def describe(counts: dict[str, int] | Counter[str]) -> str:
    """Return counts in words: ``0 lost, 0 double``."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def add_up(runs: Sequence[tuple[dict[str, int], str]]) -> tuple[dict[str, int], str]:
    """Add up the faults of several runs (as of `find_faults`); the note says how often each end was seen."""
    faults = {name: sum(found[name] for found, _ in runs) for name in runs[0][0]}
    ends = Counter(states for _, states in runs)
    return (
        faults,
        f"How they ended: {'; '.join(f'{count} times {states}' for states, count in ends.items())}.",
    )


def draw_longest_s(files: int, scale: float = SCALE) -> float:
    """Return the longest edit and render that one of so many files draws."""
    names = [f"clip{number:05d}.mp4" for number in range(files)]
    return max(draw_s("edit", name, scale) + draw_s("render", name, scale) for name in names)
