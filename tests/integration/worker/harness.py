"""A worker without Celery: real runner, scheduler, ledger, client and studio; messages go through a list."""

import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

import nemovideo
from config.settings import Settings
from jobs.gates import HOLDS
from jobs.ledger import DueJob, Ledger
from jobs.model import ACTIVE, Gate, Job, JobSpec, State, Step, job_id_for
from jobs.redis import connect
from jobs.stats import publish_ceilings
from worker.gates import GateProber
from worker.metrics import Metrics
from worker.runner import Runner
from worker.runtime import Runtime, limit_bounds, open_runtime
from worker.scheduler import Scheduler

THREADS = 64
"""What the worker tells the ledger it has; a limit's share of them must leave room for a few jobs."""


@dataclass
class Studio:
    """A real studio process, and the handles to steer it."""

    url: str
    process: "subprocess.Popen[str]"
    http: httpx.Client
    seen: dict[str, int] = field(default_factory=dict)

    def reset(self) -> None:
        """Begin as if it were new: no faults, and what happened so far does not count."""
        self.faults()
        self.plan("pro")
        ledger = self.http.get("/_studio/ledger").json()
        self.seen = {name: len(rows) for name, rows in ledger.items() if isinstance(rows, list)}

    def faults(self, *rules: dict[str, Any], seed: int = 0) -> None:
        self.http.post("/_studio/faults", json={"seed": seed, "rules": rules}).raise_for_status()

    def credits(self, available: int) -> None:
        body = {"account": None, "available": available}
        self.http.post("/_studio/credits", json=body).raise_for_status()

    def plan(self, plan: str) -> None:
        self.http.post("/_studio/plan", json={"plan": plan}).raise_for_status()

    def ledger(self) -> dict[str, Any]:
        """What happened since `reset`: charges, requests, renders."""
        ledger = self.http.get("/_studio/ledger").json()
        return {
            name: rows[self.seen.get(name, 0) :] if isinstance(rows, list) else rows
            for name, rows in ledger.items()
        }

    def charges(self) -> int:
        return len(self.ledger()["charges"])

    def paths(self) -> list[str]:
        return [request["endpoint"] for request in self.ledger()["requests"]]


def start_studio(root: Path, *flags: str) -> Studio:
    command = [sys.executable, "-m", "studio", "--root", str(root), "--port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    return Studio(url, process, httpx.Client(base_url=url, timeout=10))


@contextmanager
def running_studio(root: Path) -> Iterator[Studio]:
    """A studio with credits for many edits, that thinks fast and always says something."""
    plenty = ["--credits", "100000", "--think-s", "0.05", "--silent-share", "0"]
    plenty += ["--tokens-per-ip", "9999"]
    found = start_studio(root, *plenty)
    yield found
    found.http.close()
    found.process.terminate()
    found.process.wait(30)
    assert found.process.stdout is not None
    found.process.stdout.close()


@dataclass
class WorkerHarness:
    """One worker in this process, driven by hand."""

    runtime: Runtime
    studio: Studio
    runner: Runner
    scheduler: Scheduler
    prober: GateProber
    outbox: Path
    messages: deque[DueJob]

    @property
    def ledger(self) -> Ledger:
        return self.runtime.ledger

    def submit(self, source: Path, *instructions: str, name: str = "", **changes: Any) -> str:
        """Take a file in as the producer does; answers the job's id."""
        wanted = instructions or ("add calm background music",)
        job_id = job_id_for(name or str(source), wanted, "add-music")
        seen = source.stat()
        spec = JobSpec(
            source=str(source),
            root=str(source.parent),
            skill="add-music",
            instructions=wanted,
            fingerprint=name or str(source),
            size_bytes=seen.st_size,
            mtime_ns=seen.st_mtime_ns,
            created=time.time(),
        ).evolve(**changes)
        self.ledger.submit(job_id, spec, [str(self.outbox / f"{name or source.stem}.mp4")])
        return job_id

    def tick(self) -> int:
        """Let the scheduler look once; answers how many messages it sent."""
        return self.scheduler.tick()

    def step(self) -> bool:
        """Run one message; False when there is none."""
        if not self.messages:
            return False
        message = self.messages.popleft()
        self.runner.run(message.job_id, message.step)
        return True

    def run(self, until: Callable[[], bool] | None = None, timeout_s: float = 40) -> None:
        """Run messages, scheduler and prober until nothing is active (or ``until`` says so)."""
        ends = time.monotonic() + timeout_s
        with ThreadPoolExecutor(8) as pool:
            while not (until() if until else self.is_quiet()):
                assert time.monotonic() < ends, {state: n for state, n in self.counts().items() if n}
                self.tick()
                self.prober.probe_due()
                batch = [self.messages.popleft() for _ in range(len(self.messages))]
                list(pool.map(lambda message: self.runner.run(message.job_id, message.step), batch))
                time.sleep(0.01)

    def run_until_at(self, job_id: str, step: Step) -> None:
        """Run until a message for this step of the job is there, and not carried out yet."""
        ends = time.monotonic() + 40
        with patch("worker.runner.SHORT_STEPS", frozenset[Step]()):  # each step has a message of its own
            while not any(message.job_id == job_id and message.step is step for message in self.messages):
                assert time.monotonic() < ends, self.job(job_id)
                self.step()
                self.tick()
                time.sleep(0.005)

    def is_quiet(self) -> bool:
        """Whether nothing goes on without a person, but what a closed gate holds back."""
        if self.messages or self.counts()[State.RUNNING]:
            return False
        closed = set(self.runtime.gates.closed()) - {Gate.RATE}  # which opens by itself
        held = {step for gate in closed for step in HOLDS[gate]}
        unended = (job for state in (*ACTIVE, State.PARKED) for job in self.ledger.all_in(state))
        return all(job.step in held for job in unended)

    def counts(self) -> dict[State, int]:
        return self.ledger.counts()

    def job(self, job_id: str) -> Job:
        return self.ledger.get(job_id)

    def result(self, job_id: str) -> dict[str, Any]:
        return dict(json.loads(Path(self.job(job_id).spec.result).read_text()))

    def in_flight(self) -> dict[str, int]:
        """Count what is left in the sets that should be empty when nothing runs."""
        keys = [f"dropscore:inflight:{kind}" for kind in ("upload", "edit", "render", "download")]
        keys += [f"dropscore:due:{name}" for name in (*Step, "backlog")] + ["dropscore:admitted"]
        sizes = {key: int(self.ledger.client.zcard(key)) for key in keys}
        return {key: size for key, size in sizes.items() if size}


FAST: dict[str, Any] = {
    "DROPSCORE_BACKEND": "local",
    "DROPSCORE_POLL_INTERVAL": 0.1,
    "DROPSCORE_DISCONNECT_WAITS": "0.2,0.2,0.2",
    "DROPSCORE_RATE_LIMIT_WAIT": 0.3,
    "DROPSCORE_GATE_PROBE": 0.3,
    "DROPSCORE_MAX_EDITS": 8,
    "DROPSCORE_MAX_RENDERS": 8,
    "NEMO_ALLOW_PRIVATE_URLS": True,
}


@contextmanager
def open_worker(
    redis_url: str, studio: Studio, outbox: Path, *, name: str = "one", keep: bool = False, **chosen: Any
) -> Iterator[WorkerHarness]:
    """Open a worker with settings of one's own; the ledger is emptied first, unless ``keep``."""
    client = connect(redis_url)
    if not keep:
        client.flushall()
    settings = Settings(
        **{"NEMO_API_URL": studio.url, "DROPSCORE_STATE_DIR": outbox.parent / "state", **chosen}
    )
    ledger = Ledger(client, limits=limit_bounds(settings))
    ledger.is_durable = True
    outbox.mkdir(parents=True, exist_ok=True)
    messages: deque[DueJob] = deque()
    with nemovideo.http_client(50) as http:
        runtime = open_runtime(settings, ledger, http)
        if settings.metrics_port is not None:
            metrics = Metrics(ledger, runtime.heartbeat.count_held, "127.0.0.1", settings.metrics_port)
            runtime.middleware.add(metrics)
            metrics.start()
        publish_ceilings(ledger)
        prober = GateProber(ledger, runtime.gates, runtime.client, settings)
        scheduler = Scheduler(
            ledger,
            messages.append,
            lease_s=settings.lease_s,
            probe_s=settings.gate_probe_s,
            worker=name,
            threads=THREADS,
        )
        runtime.heartbeat.start()
        yield WorkerHarness(runtime, studio, Runner(runtime), scheduler, prober, outbox, messages)
        if settings.metrics_port is not None:
            metrics.close()
        runtime.stopping.set()
    client.close()
