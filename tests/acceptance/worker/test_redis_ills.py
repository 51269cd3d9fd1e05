"""What a Redis server may suffer from: no worker ends, it says little, and goes on by itself afterwards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.chaos.proxy import Proxy
from tests.chaos.stage import Stage
from tests.conftest import start_redis

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

SETTINGS = {"DROPSCORE_POLL_INTERVAL": 0.3, "DROPSCORE_LEASE": 3, "DROPSCORE_CONCURRENCY": 20}
LINES = 12
"""So many lines an ill may cost: one of each kind (scheduler, consumer, pool, step), whatever it lasts."""
CPU_SHARE = 0.25
"""Of a core; a loop without a pause takes all of it."""

Ill = Callable[[Stage, Proxy, float], None]


def be_read_only(stage: Stage, _proxy: Proxy, for_s: float) -> None:
    """As after a failover that the client has not noticed."""
    stage.client.execute_command("REPLICAOF", "127.0.0.1", "1")
    time.sleep(for_s)
    stage.client.execute_command("REPLICAOF", "NO", "ONE")


def answer_garbage(_stage: Stage, proxy: Proxy, for_s: float) -> None:
    """As when another server has its port."""
    proxy.answer_garbage(on=True)
    time.sleep(for_s)
    proxy.answer_garbage(on=False)


def reset_again_and_again(_stage: Stage, proxy: Proxy, for_s: float) -> None:
    """As a load balancer does that closes what is idle."""
    ends = time.monotonic() + for_s
    while time.monotonic() < ends:
        proxy.reset()
        time.sleep(min(5.0, for_s / 4))


def run_out_of_memory(stage: Stage, _proxy: Proxy, for_s: float) -> None:
    """As a server that others fill."""
    stage.client.config_set("maxmemory", 1)
    time.sleep(for_s)
    stage.client.config_set("maxmemory", 0)


def be_away(stage: Stage, proxy: Proxy, for_s: float) -> None:
    """As while its host is started again."""
    stage.redis.kill()
    stage.redis.wait(30)
    proxy.reset()
    time.sleep(for_s)
    stage.redis, _ = start_redis(stage.folder / "redis")


ILLS = (be_read_only, answer_garbage, reset_again_and_again, run_out_of_memory, be_away)
numbers = count()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("ills"), **SETTINGS) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Sufferer:
    """A worker, the proxy between it and Redis, and its log."""

    worker: "subprocess.Popen[bytes]"
    proxy: Proxy
    log: Path


@pytest.fixture(scope="module")
def sufferer(stage: Stage, clip: Path) -> Iterator[Sufferer]:
    """One worker that goes through all short ills."""
    with running_worker(stage, clip) as found:
        yield found


@contextmanager
def running_worker(stage: Stage, clip: Path) -> Iterator[Sufferer]:
    """Run a worker behind a proxy; it has done a file already."""
    proxy = Proxy(stage.folder / "redis" / "redis.sock")
    log = stage.folder / f"worker{len(stage.workers)}.log"
    worker = stage.worker(DROPSCORE_REDIS_URL=f"redis://127.0.0.1:{proxy.port}")
    run_file(stage, clip, 90)
    try:
        yield Sufferer(worker, proxy, log)
    finally:
        worker.kill()
        worker.wait(30)
        proxy.close()


def run_file(stage: Stage, clip: Path, within_s: float) -> None:
    """Submit a file and wait for its end; the server may have to get well for it first."""
    ids = stage.submit(clip, 1, start=next(numbers))
    stage.wait(lambda: stage.done(ids) == 1, within_s)


def read_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def suffer(stage: Stage, sufferer: Sufferer, clip: Path, ill: Ill, for_s: float) -> None:
    worker, log = sufferer.worker, sufferer.log
    charged = len(stage.charges())
    lines, cpu_s = len(log.read_bytes().splitlines()), read_cpu_s(worker.pid)
    began = time.monotonic()
    ill(stage, sufferer.proxy, for_s)
    took_s = time.monotonic() - began
    used_s = read_cpu_s(worker.pid) - cpu_s
    news = log.read_text(errors="replace").splitlines()[lines:]
    assert worker.poll() is None, news[-20:]
    run_file(stage, clip, 60)
    assert worker.poll() is None
    assert len(news) <= LINES, news
    assert used_s / took_s < CPU_SHARE
    assert len(stage.charges()) == charged + 1


@pytest.mark.parametrize("ill", ILLS, ids=lambda ill: ill.__name__)
def test_a_short_ill_ends_no_worker(stage: Stage, sufferer: Sufferer, clip: Path, ill: Ill) -> None:
    suffer(stage, sufferer, clip, ill, for_s=5)


@pytest.mark.slow
@pytest.mark.parametrize("ill", ILLS, ids=lambda ill: ill.__name__)
def test_a_minute_of_an_ill_ends_no_worker(stage: Stage, clip: Path, ill: Ill) -> None:
    with running_worker(stage, clip) as sufferer:
        suffer(stage, sufferer, clip, ill, for_s=60)


def test_a_worker_that_is_started_while_redis_is_away_waits_for_it_quietly(
    tmp_path: Path, clip: Path
) -> None:
    with Stage(tmp_path, **SETTINGS) as stage:
        stage.redis.kill()
        stage.redis.wait(30)
        worker = stage.worker()
        stage.wait_for_log("waiting for the ledger", 60)
        time.sleep(3)
        assert worker.poll() is None
        assert len(stage.logs().splitlines()) <= LINES
        stage.redis, _ = start_redis(tmp_path / "redis")
        run_file(stage, clip, 60)


@pytest.mark.parametrize(("number", "ends_with"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_a_worker_that_is_stopped_while_it_waits_for_redis_ends_at_once(
    tmp_path: Path, number: signal.Signals, ends_with: int
) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("this shell's background jobs ignore the signal")
    with Stage(tmp_path, **SETTINGS) as stage:
        stage.redis.kill()
        stage.redis.wait(30)
        worker = stage.worker()
        stage.wait_for_log("waiting for the ledger", 60)
        worker.send_signal(number)
        assert worker.wait(30) == ends_with
        assert "Traceback" not in stage.logs()
