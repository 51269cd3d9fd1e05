"""A stage for real processes: Redis, a studio, workers; each can be killed, frozen and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from jobs.ledger import Ledger
from jobs.model import ACTIVE, Job, JobSpec, State, job_id_for
from jobs.redis import connect
from tests.conftest import start_redis

EDIT = ("add calm background music",)

WORKER = (
    "-q",
    "-A",
    "tests.chaos.contract",
    "worker",
    "--without-mingle",
    "--without-gossip",
    "--hostname",
    "w@%h-%i",
)
"""How a worker is started: ``celery`` and these."""


class Stage:
    """Redis and a studio in ``folder``; workers as they are asked for. Use it in ``with``."""

    def __init__(self, folder: Path, *studio_flags: str, **settings: object) -> None:
        self.folder = folder
        self.outbox = folder / "out"
        self.outbox.mkdir(parents=True)
        (folder / "redis").mkdir()
        self.workers: list[subprocess.Popen[bytes]] = []
        self._studio_flags = studio_flags
        self._settings = settings

    def __enter__(self) -> "Stage":
        self.redis, self.redis_url = start_redis(self.folder / "redis")
        self.studio = self._start_studio()
        self.http = httpx.Client(base_url=self.studio_url, timeout=30)
        self.client = connect(self.redis_url)
        self.ledger = Ledger(self.client)
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.workers, self.studio, self.redis):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(30)
        self.http.close()
        self.client.close()

    def _start_studio(self) -> "subprocess.Popen[bytes]":
        flags = [
            "--root",
            str(self.folder / "studio"),
            "--port",
            "0",
            "--credits",
            "10000000",
            "--think-s",
            "0.3",
        ]
        command = [sys.executable, "-m", "studio", *flags, "--tokens-per-ip", "99", *self._studio_flags]
        with self._log("studio") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        self.studio_url = process.stdout.readline().decode().split()[-1]
        process.stdout.close()
        return process

    def _log(self, name: str) -> Any:
        return (self.folder / f"{name}.log").open("ab")

    def environment(self) -> dict[str, str]:
        named = {key: str(value) for key, value in self._settings.items()}
        return {
            **{
                key: value for key, value in os.environ.items() if not key.startswith(("DROPSCORE_", "NEMO_"))
            },
            "DROPSCORE_REDIS_URL": self.redis_url,
            "DROPSCORE_BACKEND": "local",
            "DROPSCORE_LOG_JSON": "true",
            "DROPSCORE_STATE_DIR": str(self.folder / "state"),
            "NEMO_API_URL": self.studio_url,
            **named,
        }

    def worker(self, module: str = "worker", **extra: str) -> "subprocess.Popen[bytes]":
        """Start a worker process: the product's, or a ``module`` that does something to it first."""
        flags = ["celery", *WORKER] if module == "worker" else [module]
        command = [sys.executable, "-m", *flags]
        with self._log(f"worker{len(self.workers)}") as log:
            process = subprocess.Popen(command, env={**self.environment(), **extra}, stdout=log, stderr=log)
        self.workers.append(process)
        return process

    def submit(
        self, clip: Path, count: int, *, start: int = 0, instructions: tuple[str, ...] = EDIT
    ) -> list[str]:
        """Take ``count`` jobs in, all with the same clip."""
        ids = []
        for number in range(start, start + count):
            name = f"clip{number:05d}"
            job_id = job_id_for(name, instructions, "add-music")
            spec = JobSpec(
                source=str(clip),
                skill="add-music",
                instructions=instructions,
                fingerprint=name,
                size_bytes=clip.stat().st_size,
                created=time.time(),
            )
            self.ledger.submit(job_id, spec, [str(self.outbox / f"{name}.mp4")])
            ids.append(job_id)
        return ids

    def wait(self, until: Callable[[], bool], timeout_s: float, poll_s: float = 0.05) -> float:
        """Wait for something; answers how many seconds it took."""
        began = time.monotonic()
        while not until():
            assert time.monotonic() - began < timeout_s, self.counts()
            time.sleep(poll_s)
        return time.monotonic() - began

    def quiet(self) -> bool:
        """Whether nothing moves any more."""
        counts = self.ledger.counts()
        return not any(counts[state] for state in ACTIVE)

    def counts(self) -> dict[str, int]:
        return {state.value: number for state, number in self.ledger.counts().items() if number}

    def jobs(self, ids: list[str]) -> list[Job]:
        return self.ledger.many(ids)

    def done(self, ids: list[str]) -> int:
        return sum(job.state is State.DONE for job in self.jobs(ids))

    def logs(self) -> str:
        """What all workers have logged."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("worker*.log")))

    def wait_for_log(self, text: str, timeout_s: float) -> None:
        """Wait until a worker has logged a text; for when Redis cannot be asked."""
        ends = time.monotonic() + timeout_s
        while text not in self.logs():
            assert time.monotonic() < ends, self.logs()[-2000:]
            time.sleep(0.05)

    def charges(self) -> list[dict[str, Any]]:
        return list(self.http.get("/_studio/ledger").json()["charges"])

    def requests(self, endpoint: str) -> int:
        return sum(one["endpoint"] == endpoint for one in self.http.get("/_studio/ledger").json()["requests"])
