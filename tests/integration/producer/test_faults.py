"""The producer against kills, and against a ledger that goes away."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.settings import load, to_environment
from jobs.connection import connect
from tests.conftest import start_redis

pytestmark = pytest.mark.integration
FILES, KILLS = 160, 6


def start(bench, *flags):
    environment = {**os.environ, **to_environment(bench.settings), "DROPSCORE_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "producer", str(bench.inbox), "--outbox", str(bench.outbox), *flags]
    return subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[3])


def test_killed_at_random_nothing_is_lost_and_nothing_taken_twice(bench, unlike):
    for number in range(FILES):
        bench.put(f"{number % 7}/{number}.mp4", unlike(number))
    chance = random.Random(5)
    for _ in range(KILLS):
        process = start(bench, "--once")
        before, until = len(bench.jobs()), time.monotonic() + 10
        while len(bench.jobs()) < min(before + chance.randrange(1, 25), FILES) and time.monotonic() < until:
            time.sleep(0.005)
        process.kill()
        process.wait()
    process = start(bench, "--once")
    assert process.wait(30) == 0
    jobs = bench.jobs()
    assert len(jobs) == len({job.spec.source for job in jobs}) == FILES
    assert len({job.spec.output for job in jobs}) == FILES
    assert bench.duplicates() == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_code_0(bench, unlike, number):
    bench.put("a.mp4", unlike(1))
    process = start(bench)
    bench.wait(1)
    asked = time.monotonic()
    process.send_signal(number)
    assert process.wait(5) == 0
    assert time.monotonic() - asked < 1.2


def test_a_signal_ends_it_even_while_the_ledger_is_away(bench, tmp_path):
    flags = {"redis_url": f"unix://{tmp_path}/none.sock", "state_dir": tmp_path / "state"}
    bench.settings = load(flags, environ={})
    process = start(bench)
    time.sleep(2.0)
    assert process.poll() is None, "it waits for the ledger"
    asked = time.monotonic()
    process.terminate()
    assert process.wait(5) == 0
    assert time.monotonic() - asked < 1.2


def test_a_missing_inbox_is_one_line_and_code_2(bench):
    environment = {**os.environ, **to_environment(bench.settings)}
    command = [sys.executable, "-m", "producer", str(bench.inbox / "none"), "--outbox", str(bench.outbox)]
    ended = subprocess.run(
        command, env=environment, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr == f"folder {bench.inbox / 'none'} does not exist; make it, or name another\n"


def test_a_ledger_that_comes_late_and_goes_away_loses_nothing(bench, unlike, tmp_path):
    folder = tmp_path / "late"
    folder.mkdir()
    flags = {"redis_url": f"unix://{folder}/redis.sock", "state_dir": tmp_path / "state", "settle_s": 0.1}
    bench.settings = load(flags, environ={})
    bench.put("a.mp4", unlike(1))
    running = bench.start()
    time.sleep(0.5)
    server, url = start_redis(folder)
    bench.client.close()
    bench.client = connect(url)
    try:
        bench.wait(1, 30)
        server.kill()
        server.wait()
        (folder / "redis.sock").unlink(missing_ok=True)
        bench.put("b.mp4", unlike(2))
        time.sleep(0.5)
        assert running.thread.is_alive()
        server, _url = start_redis(folder)
        assert [job.spec.source[-5:] for job in bench.wait(2, 30)] == ["a.mp4", "b.mp4"]
    finally:
        running.stop.set()
        running.thread.join(15)
        server.kill()
        server.wait()
