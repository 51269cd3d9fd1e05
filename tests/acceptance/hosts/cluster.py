"""Redis, a studio, workers and a producer, each on a host of its own, and what can be seen of them."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.ledger import Ledger
from jobs.model import ACTIVE, Job, State, Step
from jobs.redis import connect
from tests.acceptance.hosts.hosts import Hosts

LEASE_S = 30.0
THINK_S = 25
SETTINGS = {
    "DROPSCORE_BACKEND": "local",
    "DROPSCORE_LOG_JSON": "true",
    "DROPSCORE_LEASE": str(LEASE_S),
    "DROPSCORE_POLL_INTERVAL": "1",
    "DROPSCORE_SETTLE": "0.5",
    "DROPSCORE_MAX_RENDERS": "8",
    "DROPSCORE_MAX_EDITS": "8",
    "DROPSCORE_DISCONNECT_WAITS": "5,5,5,5,5",
}
WORKER_BY_A_CLOCK = """
import sys, time
right, ahead_s = time.time, float(sys.argv.pop())
time.time = lambda: right() + ahead_s
from worker.app import app
app.worker_main(["worker", "--without-mingle", "--without-gossip", "--hostname", "worker@%h"])
"""
ASK = """
import sys, urllib.request as web
body = sys.argv[2].encode() or None
kind = {"Content-Type": "application/json"}
asked = web.Request("http://127.0.0.1:8700/_studio/" + sys.argv[1], body, kind)
print(web.urlopen(asked, timeout=20).read().decode())
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The whole product on hosts. The test sees the ledger by a Unix socket, whatever is cut off."""

    hosts: Hosts
    ledger: Ledger

    @property
    def inbox(self) -> Path:
        """What the producer watches."""
        return self.hosts.folder / "inbox"

    @property
    def outbox(self) -> Path:
        """What the workers deliver to."""
        return self.hosts.folder / "outbox"

    def worker(self, name: str, ahead_s: float = 0) -> None:
        """Start a worker, by a clock that is so many seconds ahead, and wait until it consumes."""
        self.hosts.start(name, [self.hosts.python, "-c", WORKER_BY_A_CLOCK, str(ahead_s)], self._settings())
        self.wait(lambda: self._consumes(name), 60)

    def _consumes(self, name: str) -> bool:
        mailboxes = self.ledger.client.smembers("dropscore:broker:_kombu.binding.celery.pidbox")
        return any(f"@{name}." in box for box in mailboxes)

    def producer(self, name: str) -> None:
        """Start a producer and wait until it has looked for the first time."""
        folders = [str(self.inbox), "--outbox", str(self.outbox)]
        self.hosts.start(name, [self.hosts.python, "-m", "producer", *folders], self._settings())
        self.wait(lambda: bool(self.ledger.client.exists(f"dropscore:producer:{name}")), 60)

    def health(self, name: str, part: str) -> str:
        """Run a host's own check of its health, as compose does; fails when something is wrong there."""
        settings = [f"{key}={value}" for key, value in self._settings().items()]
        check = {
            "worker": ["celery", "-A", "worker.app", "inspect", "ping", "--timeout", "10"],
            "producer": ["producer.health"],
        }[part]
        return self.hosts.run(name, "env", *settings, self.hosts.python, "-m", *check)

    def _settings(self) -> dict[str, str]:
        addresses = {
            "DROPSCORE_REDIS_URL": f"redis://{self.hosts.address('redis')}:6379/0",
            "NEMO_API_URL": f"http://{self.hosts.address('studio')}:8700",
        }
        return SETTINGS | addresses

    def drop(self, clip: Path, *names: str) -> None:
        """Put clips into the inbox; each is work of its own."""
        for name in names:
            part = self.hosts.folder / f"{name}.part"
            shutil.copy(clip, part)
            with part.open("ab") as file:
                file.write(name.encode())
            part.rename(self.inbox / f"{name}.mp4")

    def jobs(self, *names: str) -> dict[str, Job]:
        """The jobs there are by their file's name; all of them, or those of these names."""
        ids = [job_id for state in State for job_id in self.ledger.ids(state)]
        found = {Path(job.spec.source).stem: job for job in self.ledger.many(ids)}
        return {name: job for name, job in found.items() if not names or name in names}

    def many(self, jobs: list[Job]) -> list[Job]:
        """The same jobs as they are now."""
        return self.ledger.many([job.id for job in jobs])

    def owner(self, job: Job) -> str:
        """The host whose worker took the job's last lease."""
        return str(self.ledger.client.hget(f"dropscore:job:{job.id}", "owner")).partition(":")[0]

    def running(self, count: int, step: Step) -> bool:
        """Whether workers hold so many jobs in that step; in an edit, with the instruction sent."""
        held = [job for job in self.jobs().values() if (job.state, job.step) == (State.RUNNING, step)]
        sent = [
            job for job in held if step is not Step.EDIT or job.checkpoint.instructions[0].status == "sending"
        ]
        return len(sent) == count

    def begun(self, *names: str) -> bool:
        """Whether a worker has begun each of these files."""
        jobs = self.jobs(*names).values()
        return len(jobs) == len(names) and all(
            job.step is not Step.UPLOAD or job.state is not State.QUEUED for job in jobs
        )

    def quiet(self) -> bool:
        """Whether nothing moves any more."""
        counts = self.ledger.counts()
        return not any(counts[state] for state in ACTIVE)

    def done(self, *names: str) -> bool:
        """Whether all of these files are done."""
        jobs = self.jobs(*names).values()
        return len(jobs) == len(names) and all(job.state is State.DONE for job in jobs)

    def log_lines(self, name: str, since: int = 0) -> list[dict[str, Any]]:
        """The lines of a host's log after its first ``since`` characters."""
        lines = self.hosts.log(name)[since:].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def faults(self, *rules: dict[str, Any]) -> None:
        """Let the studio do wrong by these rules from now on; none ends it."""
        self._ask("faults", json.dumps({"seed": 0, "rules": rules}))

    def charges(self) -> list[dict[str, Any]]:
        """What the studio charged."""
        return list(self._ask("ledger")["charges"])

    def _ask(self, what: str, body: str = "") -> dict[str, Any]:
        return dict(json.loads(self.hosts.run("studio", self.hosts.python, "-c", ASK, what, body)))

    def wait(self, until: Callable[[], bool], within_s: float) -> float:
        """Wait for something; answers how many seconds it took."""
        began = time.monotonic()
        while not until():
            assert time.monotonic() - began < within_s, self._state()
            time.sleep(0.1)
        return time.monotonic() - began

    def _state(self) -> str:
        jobs = [
            f"{name} {job.state} {job.step} {self.owner(job)}" for name, job in sorted(self.jobs().items())
        ]
        logs = [
            f"--- {path.stem}\n{path.read_text()[-2000:]}" for path in sorted(self.hosts.folder.glob("*.log"))
        ]
        return "\n".join(["it did not come", *jobs, *logs])


@contextmanager
def started(hosts: Hosts) -> Iterator[Cluster]:
    """Redis and a studio on fresh hosts; all hosts are gone at the end."""
    folder = hosts.folder
    for name in ("inbox", "outbox", "redis", "studio"):
        (folder / name).mkdir()
    client = connect(f"unix://{folder / 'redis.sock'}")
    with hosts, closing(client):
        hosts.start("redis", [hosts.server, *_redis_flags(folder)])
        flags = ["--host=0.0.0.0", "--port=8700", f"--root={folder / 'studio'}", f"--think-s={THINK_S}"]
        flags += [f"--public-url=http://{hosts.address('studio')}:8700", "--credits=1000000"]
        hosts.start("studio", [hosts.python, "-m", "studio", *flags])
        cluster = Cluster(hosts, Ledger(client))
        cluster.wait((folder / "redis.sock").exists, 20)
        cluster.wait(lambda: "8700" in hosts.log("studio"), 60)
        yield cluster


def _redis_flags(folder: Path) -> list[str]:
    flags = {"bind": "*", "port": "6379", "protected-mode": "no", "dir": str(folder / "redis")}
    flags |= {"appendonly": "yes", "save": "", "unixsocket": str(folder / "redis.sock")}
    return [part for name, value in flags.items() for part in (f"--{name}", value)]
