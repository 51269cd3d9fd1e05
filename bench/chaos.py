"""Everything goes wrong at once: is any file lost, paid twice or broken, and is anything left over?

`dropscore watch` takes files in while they are dropped. The service refuses, hangs up, cuts streams off,
answers 503 before and after it took a message, fails renders and sends half of a file. Every 10 s the Redis
server, a worker and the producer are killed with `kill -9` and started again; every 5 s all connections to
the server are cut. Jobs are cancelled and retried, and everything is paused now and then. When the service
has gone wrong ``--faults`` times it behaves; what failed or is unconfirmed is retried then, as a person
would, and never sent again by force. Leases are 10 s and a lost edit is read back after 2, 4, 8, 8 and 8 s,
so that it ends in an hour.
"""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from bench.figures import Row, machine, numbers, show
from bench.stage import Process, Stage, describe, end, find_faults, place, start_redis
from jobs.control import cancel, pause, resume, retry
from jobs.errors import LedgerUnreachable, NoSuchJob, NotAllowed, ResultNotWritten
from jobs.gates import Gates
from jobs.model import ENDED, State
from jobs.redis import PREFIX

COMMAND = "python -m bench.chaos"
KILL_EACH_S, RESET_EACH_S, CANCEL_EACH_S, PAUSE_EACH_S = 10.0, 5.0, 1.5, 20.0
WORKERS, REQUESTS_A_FILE = 3, 13
SETTINGS = {"DROPSCORE_LEASE": 10, "DROPSCORE_DISCONNECT_WAITS": "2,4,8,8,8", "DROPSCORE_SETTLE": 0}
ROUNDS = 4
"""How often a person tries again what failed."""


class Chaos:
    """Kills, cuts, cancels and pauses, each at its own pace, until told to stop."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.rng, self.done = stage, Random(seed), Counter[str]()
        self._over = threading.Event()
        self._guard = threading.Lock()
        self.producer = self.start_producer()
        todo: list[tuple[Callable[[], None], float]] = [
            (self.kill_redis, KILL_EACH_S),
            (self.kill_worker, KILL_EACH_S),
            (self.kill_producer, KILL_EACH_S),
            (self.cut_connections, RESET_EACH_S),
            (self.cancel_and_retry, CANCEL_EACH_S),
            (self.pause_and_resume, PAUSE_EACH_S),
        ]
        self._threads = [
            threading.Thread(target=self._repeat, args=one, name=one[0].__name__, daemon=True) for one in todo
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, everything running and open."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        resume(Gates(self.stage.ledger))

    def _repeat(self, action: Callable[[], None], each_s: float) -> None:
        while not self._over.wait(self.rng.uniform(0.7, 1.3) * each_s):
            with suppress(LedgerUnreachable, NotAllowed, NoSuchJob, ResultNotWritten):
                action()
                self.done[action.__name__] += 1

    def start_producer(self) -> Process:
        """Start `dropscore watch` on the inbox."""
        program = str(Path(sys.executable).with_name("dropscore"))
        command = [program, "watch", str(self.stage.inbox), "--outbox", str(self.stage.outbox), "--log-json"]
        with (self.stage.folder / "producer.log").open("ab") as log:
            return subprocess.Popen(command, env=self.stage.environment(), stdout=log, stderr=log)

    def kill_redis(self) -> None:
        """Kill the server, and start it from its file."""
        end(self.stage.redis)
        self.stage.redis, _ = start_redis(self.stage.folder / "redis", log=self.stage.folder / "redis.log")

    def kill_worker(self) -> None:
        """Kill a worker, and start another."""
        alive = [worker for worker in self.stage.workers if worker.poll() is None]
        if alive:
            victim = self.rng.choice(alive)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
        for _ in range(WORKERS - len(alive) + 1):
            self.stage.start_worker()

    def kill_producer(self) -> None:
        """Kill the producer, and start another."""
        end(self.producer)
        self.producer = self.start_producer()

    def cut_connections(self) -> None:
        """Cut all connections to the server."""
        with suppress(Exception):  # the server may be away just now
            self.stage.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def cancel_and_retry(self) -> None:
        """Cancel any job, and let it go on a moment later."""
        state = self.rng.choice([State.QUEUED, State.RUNNING, State.WAITING])
        ids = self.stage.ledger.ids(state, limit=200)
        if ids:
            job_id = self.rng.choice(ids)
            cancel(self.stage.ledger, job_id)
            self._over.wait(self.rng.uniform(0, 3))
            retry(self.stage.ledger, job_id)

    def pause_and_resume(self) -> None:
        """Pause everything for a moment."""
        gates = Gates(self.stage.ledger)
        pause(gates)
        self._over.wait(1.0)
        resume(gates)


def drop_files(stage: Stage, files: int, over_s: float) -> None:
    """Drop files that are unlike each other, over some time; each is whole when it gets its name."""
    content = stage.service.video.read_bytes()
    for number in range(files):
        note = f"number {number:08d}".encode()
        part = stage.inbox / f".drop{number}.part"
        part.write_bytes(content + (8 + len(note)).to_bytes(4, "big") + b"free" + note)
        part.rename(stage.inbox / f"clip{number:05d}.mp4")
        time.sleep(over_s / files)


def retry_all(stage: Stage) -> int:
    """Retry what is not done, as a person would; answers how many."""
    count = 0
    for state in (State.FAILED, State.UNCONFIRMED, State.CANCELLED):
        for job_id in stage.ledger.ids(state, limit=100_000):
            retry(stage.ledger, job_id)
            count += 1
    return count


def list_jobs(stage: Stage) -> list[str]:
    """List the ids of all jobs."""
    return [str(key).rpartition(":")[2] for key in stage.client.scan_iter(f"{PREFIX}job:*", count=5_000)]


def main() -> int:
    chosen = numbers(__doc__, files=300, faults=600, seconds=3_000, seed=1)
    start = machine()
    wanted = chosen.faults / chosen.files
    share = wanted / (REQUESTS_A_FILE + wanted)
    with place() as folder, Stage(folder, "--faults", f"{share:.3f}", **SETTINGS) as stage:
        for _ in range(WORKERS):
            stage.start_worker()
        chaos, began = Chaos(stage, chosen.seed), time.monotonic()
        chaos.start()
        drop_files(stage, chosen.files, 0.05 * chosen.files)
        gives_up = began + chosen.seconds
        while time.monotonic() < gives_up:
            seen = sum(stage.service.stats()["faults"].values())
            with suppress(LedgerUnreachable):
                counts = stage.ledger.counts()
                ended = sum(count for state, count in counts.items() if state in ENDED)
                if seen >= chosen.faults or ended >= chosen.files:
                    break
            time.sleep(1.0)
        stage.service.http.get("/bench/faults?0")
        stage.wait(
            lambda: len(list_jobs(stage)) >= chosen.files, 300, 1.0
        )  # the producer is killed meanwhile
        chaos.stop()
        first = {}
        for number in range(ROUNDS):
            stage.wait(stage.all_ended, 900, 0.5)
            first = first or stage.count_states()
            if number < ROUNDS - 1 and not retry_all(stage):
                break
        took_s = time.monotonic() - began
        end(chaos.producer)
        faults = find_faults(stage, list_jobs(stage))
        faults["lost"] += chosen.files - len(list_jobs(stage))
        states, stats = stage.count_states(), stage.service.stats()
    injected = sum(stats["faults"].values())
    row = Row(
        f"{injected:,} faults over {chosen.files:,} files; workers, Redis and producer killed every 10 s",
        "0 lost, 0 double, 0 broken, nothing left",
        describe(faults),
        f"{COMMAND} --files {chosen.files} --faults {chosen.faults}",
        not any(faults.values()),
    )
    notes = [
        f"Faults of the service: {describe(stats['faults'])}.",
        f"Besides: {describe(chaos.done)}.",
        f"Ended: {describe(first)}; after retries {describe(states)}; {took_s:.0f} s; "
        f"{sum(stats['charges'].values())} charges.",
    ]
    return show([row], start, *notes)


if __name__ == "__main__":
    sys.exit(main())
