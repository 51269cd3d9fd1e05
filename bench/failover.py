"""A failover to a replica that lagged, through Sentinel: is anything paid twice, or lost?

A master, a replica and a Sentinel for each failover. What the master sends its replica goes through a proxy
that holds it back for ``--lag`` seconds. Right after the service took a message the master is killed: the
replica never gets what was on its way. Sentinel promotes it; the old master comes back as its replica, for
a paid call waits until a replica confirms what is written before it (`WAIT`). Workers are told
``sentinel://host:port`` and go on by themselves.
"""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import redis

from bench.figures import Row, machine, numbers, show
from bench.stage import (
    Process,
    Service,
    Stage,
    add_up,
    describe,
    end,
    find_faults,
    free_port,
    place,
    wait_for_redis,
)
from cli.embedded_redis import find_program

COMMAND = "python -m bench.failover"
LATEST_S = 0.3
DOWN_MS = 1_000
"""After so long without an answer Sentinel counts a master as gone."""


@contextmanager
def delay(port: int, lag_s: float) -> Iterator[int]:  # noqa: C901 - a proxy, and the thread it runs in
    """Hold back what a server on ``port`` sends for so long; answers the port to connect to."""
    loop, listening = asyncio.new_event_loop(), free_port()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait_s: float) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def send() -> None:
            while True:
                due_s, data = await queue.get()
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                writer.write(data)
                if not data:
                    writer.close()
                    return

        sending = asyncio.ensure_future(send())
        data = b"-"
        while data:
            try:
                data = await reader.read(65_536)
            except OSError:
                data = b""
            if not data:  # the master was killed: what is on its way is lost
                sending.cancel()
                writer.close()
                return
            queue.put_nowait((loop.time() + wait_s, data))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            master_reader, master_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            copy(reader, master_writer, 0.0), copy(master_reader, writer, lag_s), return_exceptions=True
        )

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", listening))
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, name="delay", daemon=True)
    thread.start()
    try:
        yield listening
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


class Cluster(Stage):
    """A stage whose ledger is a master with a replica that lags, watched by a Sentinel."""

    def __init__(self, folder: Path, service: Service, lag_s: float) -> None:
        super().__init__(folder, service=service)
        self._lag_s = lag_s
        self.ports = [free_port() for _ in range(2)]
        self.sentinel_port = free_port()
        self.servers: list[Process] = []

    def __enter__(self) -> "Cluster":
        self._proxy = delay(self.ports[0], self._lag_s)
        proxy = self._proxy.__enter__()
        self.servers = [self.start_server(0), self.start_server(1, "--replicaof", f"127.0.0.1 {proxy}")]
        self.redis = self.servers[0]
        for port, server in zip(self.ports, self.servers, strict=True):
            wait_for_redis(f"redis://127.0.0.1:{port}", server)
        self.wait_for_replica(0)
        self.sentinel = self.start_sentinel()
        self.redis_url = f"sentinel://127.0.0.1:{self.sentinel_port}"
        assert self._given is not None
        self.open(self._given)
        return self

    def __exit__(self, *how: object) -> None:
        end(*self.workers, self.sentinel, *self.servers)
        self.client.close()
        self._proxy.__exit__(None, None, None)

    def start_server(self, number: int, *flags: str) -> Process:
        """Start one of the two servers, with the settings of the embedded one."""
        folder = self.folder / f"redis{number}"
        folder.mkdir(exist_ok=True)
        command = [str(find_program()), "--port", str(self.ports[number]), "--bind", "127.0.0.1"]
        command += ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        command += ["--loglevel", "warning", "--repl-diskless-sync-delay", "0", *flags]
        with (self.folder / f"redis{number}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def start_sentinel(self) -> Process:
        """Start a Sentinel that knows the replica by its own address."""
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"port {self.sentinel_port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor mymaster 127.0.0.1 {self.ports[0]} 1\n"
            f"sentinel down-after-milliseconds mymaster {DOWN_MS}\n"
            "sentinel failover-timeout mymaster 5000\n"
        )
        with (self.folder / "sentinel.log").open("ab") as log:
            process = subprocess.Popen(
                [str(find_program()), str(config), "--sentinel"], stdout=log, stderr=log
            )
        with redis.Redis(port=self.sentinel_port) as client:
            self.wait(lambda: self._knows_a_replica(client), 30)
        return process

    def _knows_a_replica(self, client: "redis.Redis") -> bool:
        with suppress(redis.RedisError):
            return bool(client.execute_command("SENTINEL", "REPLICAS", "mymaster"))
        return False

    def count_states(self) -> dict[str, int]:
        with suppress(Exception):  # asked for a message while nobody answers
            return super().count_states()
        return {}

    def wait_for_replica(self, number: int) -> None:
        """Wait until a server has a replica that is in step."""
        with redis.Redis(port=self.ports[number], decode_responses=True) as client:
            self.wait(
                lambda: (
                    "state=online"
                    in str(client.info("replication").get("slave0", "")).replace(
                        "'state': 'online'", "state=online"
                    )
                ),
                60,
            )

    def fail_over(self) -> float:
        """Kill the master; answers after how many seconds the replica takes writes."""
        began = time.monotonic()
        end(self.servers[0])
        with redis.Redis(port=self.ports[1], decode_responses=True) as client:
            self.wait(lambda: client.info("replication")["role"] == "master", 60)
        took_s = time.monotonic() - began
        self.servers[0] = self.start_server(0)
        return took_s


def fail_once(folder: Path, number: int, lag_s: float, files: int) -> tuple[dict[str, int], str, float]:
    """Fail over once; answers what is wrong, how the files ended, and seconds until the new master."""
    rng = Random(number)
    folder.mkdir(parents=True)
    service = Service(folder)
    try:
        with Cluster(folder, service, lag_s) as stage:
            ids = stage.submit(stage.make_files([f"fail{number:02d}-{one:02d}" for one in range(files)]))
            time.sleep(2 * lag_s)  # what was submitted is confirmed, as by a producer that has ended
            stage.start_worker()
            service.wait_for_charge(rng.randrange(files // 2))
            time.sleep(rng.uniform(0, LATEST_S))
            took_s = stage.fail_over()
            stage.wait(stage.all_ended, 500, 0.5)
            return find_faults(stage, ids), describe(stage.count_states()), took_s
    finally:
        service.close()


def main() -> int:
    chosen = numbers(__doc__, failovers=20, files=12, lag=1.0, at_once=4)
    start = machine()
    with place() as folder, ThreadPoolExecutor(chosen.at_once) as pool:
        seen = list(
            pool.map(
                lambda number: fail_once(folder / str(number), number, chosen.lag, chosen.files),
                range(chosen.failovers),
            )
        )
    faults, note = add_up([(found, states) for found, states, _ in seen])
    row = Row(
        f"failover to a replica that lagged {chosen.lag} s, {chosen.failovers} times",
        "0 double charges, 0 lost",
        describe(faults),
        f"{COMMAND} --failovers {chosen.failovers} --lag {chosen.lag}",
        not any(faults.values()),
    )
    return show(
        [row],
        start,
        note,
        f"The replica took over {max(one[2] for one in seen):.1f} s after the kill at most.",
    )


if __name__ == "__main__":
    sys.exit(main())
