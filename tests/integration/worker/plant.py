"""A worker without Celery: the real runner, clock, ledger, client and studio; messages go through a list."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

import nemo
from config.settings import Settings
from jobs.connection import connect
from jobs.ledger import Ledger, Letter
from jobs.model import ACTIVE, Gate, Job, Spec, State, Step, identity
from worker.clock import Clock, Prober
from worker.runner import Runner
from worker.shop import Shop, open_shop


@dataclass
class Studio:
    """A real studio process, and the handles to steer it."""

    url: str
    process: "subprocess.Popen[str]"
    http: httpx.Client

    def faults(self, *rules: dict[str, Any], seed: int = 0) -> None:
        self.http.post("/_studio/faults", json={"seed": seed, "rules": rules}).raise_for_status()

    def credits(self, available: int) -> None:
        body = {"account": None, "available": available}
        self.http.post("/_studio/credits", json=body).raise_for_status()

    def plan(self, plan: str) -> None:
        self.http.post("/_studio/plan", json={"plan": plan}).raise_for_status()

    def ledger(self) -> dict[str, Any]:
        return dict(self.http.get("/_studio/ledger").json())

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
    plenty = ["--credits", "100000", "--think-s", "0.05", "--silent-share", "0", "--tokens-per-ip", "99"]
    found = start_studio(root, *plenty)
    yield found
    found.http.close()
    found.process.terminate()
    found.process.wait(10)
    assert found.process.stdout is not None
    found.process.stdout.close()


@dataclass
class Plant:
    """One worker in this process, driven by hand."""

    shop: Shop
    studio: Studio
    runner: Runner
    clock: Clock
    prober: Prober
    outbox: Path
    messages: "Messages"

    def submit(self, source: Path, *instructions: str, name: str = "", **changes: Any) -> str:
        """Take a file in as the producer does; answers the job's id."""
        said = instructions or ("add calm background music",)
        job_id = identity(name or str(source), said, "add-music")
        spec = Spec(
            source=str(source),
            root=str(source.parent),
            output="",
            result="",
            skill="add-music",
            instructions=said,
            fingerprint=name or str(source),
            size_bytes=source.stat().st_size,
            created=time.time(),
        ).evolve(**changes)
        self.shop.ledger.submit(job_id, spec, [str(self.outbox / f"{name or source.stem}.mp4")])
        return job_id

    def step(self) -> bool:
        """Run one message; False when there is none."""
        if not self.messages:
            return False
        self.runner.run(*self.messages.popleft())
        return True

    def run(self, until: Callable[[], bool] | None = None, timeout_s: float = 40) -> None:
        """Run messages, clock and prober until nothing is active (or ``until`` says so)."""
        ends = time.monotonic() + timeout_s
        with ThreadPoolExecutor(8) as pool:
            while not (until() if until else self.quiet()):
                assert time.monotonic() < ends, {state: n for state, n in self.counts().items() if n}
                self.clock.tick()
                self.prober.probe_due()
                batch = [self.messages.popleft() for _ in range(len(self.messages))]
                list(pool.map(lambda message: self.runner.run(*message), batch))
                time.sleep(0.01)

    def quiet(self) -> bool:
        counts = self.counts()
        waits = counts[State.PARKED] and Gate.RATE in self.shop.gates.closed()
        return not self.messages and not waits and not any(counts[state] for state in ACTIVE)

    def counts(self) -> dict[State, int]:
        return self.shop.ledger.counts()

    def job(self, job_id: str) -> Job:
        return self.shop.ledger.get(job_id)

    def result(self, job_id: str) -> dict[str, Any]:
        return dict(json.loads(Path(self.job(job_id).spec.result).read_text()))


QUEUE = "plant:messages"
FAST: dict[str, Any] = {
    "DROPSCORE_BACKEND": "local",
    "DROPSCORE_POLL_INTERVAL": 0.1,
    "DROPSCORE_DISCONNECT_WAITS": "0.2,0.2,0.2",
    "DROPSCORE_RATE_LIMIT_WAIT": 0.3,
    "DROPSCORE_GATE_PROBE": 0.3,
    "NEMO_ALLOW_PRIVATE_URLS": True,
}


class Messages:
    """What lies in the broker's place."""

    def __init__(self, ledger: Ledger) -> None:
        self._client = ledger.client

    def __len__(self) -> int:
        return int(self._client.llen(QUEUE))

    def popleft(self) -> tuple[str, Step]:
        job_id, step = str(self._client.rpop(QUEUE)).split()
        return job_id, Step(step)


def _letter(job_id: str, step: Step, _lane: str = "begun") -> Letter:
    return Letter(QUEUE, f"{job_id} {step}")


class open_plant:  # noqa: N801  (a context manager used like a function)
    """A plant with settings of one's own."""

    def __init__(self, redis_url: str, studio: Studio, outbox: Path, **said: Any) -> None:
        self._client = connect(redis_url)
        self._client.flushall()
        settings = Settings(**{"NEMO_API_URL": studio.url, **said})
        self._http = nemo.http_client(50)
        ledger = Ledger(self._client)
        shop = open_shop(settings, ledger, self._http, _letter)
        outbox.mkdir(parents=True, exist_ok=True)
        clock = Clock(ledger, _letter, [], settings.lease_s)
        prober = Prober(
            ledger, shop.gates, shop.client, probe_s=settings.gate_probe_s, edit_credits=settings.edit_credits
        )
        self._plant = Plant(shop, studio, Runner(shop), clock, prober, outbox, Messages(ledger))

    def __enter__(self) -> Plant:
        self._plant.shop.heartbeat.start()
        return self._plant

    def __exit__(self, *_: object) -> None:
        self._plant.shop.heartbeat.stop()
        self._http.close()
        self._client.close()
