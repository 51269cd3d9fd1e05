"""The producer against kills, and against a ledger that goes away."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from config.settings import load, to_environment
from jobs.redis import connect
from tests.conftest import start_redis
from tests.integration.producer.conftest import can_make_namespaces
from tests.patience import allow

pytestmark = pytest.mark.integration
FILES, KILLS = 160, 6


@pytest.fixture
def start(bench):
    """Start producers as processes; none of them outlives its test."""
    started = []

    def start(*flags, **options):
        environment = {**os.environ, **to_environment(bench.settings), "DROPSCORE_LOG_LEVEL": "WARNING"}
        command = [sys.executable, "-m", "producer", str(bench.inbox), "--outbox", str(bench.outbox), *flags]
        process = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[3], **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_killed_at_random_nothing_is_lost_and_nothing_taken_twice(bench, start, unlike):
    for number in range(FILES):
        bench.put(f"{number % 7}/{number}.mp4", unlike(number))
    chance = random.Random(5)
    for _ in range(KILLS):
        process = start("--once")
        before, until = len(bench.jobs()), time.monotonic() + 30
        while len(bench.jobs()) < min(before + chance.randrange(1, 25), FILES) and time.monotonic() < until:
            time.sleep(0.005)
        process.kill()
        process.wait()
    process = start("--once")
    assert process.wait(100) == 0
    jobs = bench.jobs()
    assert len(jobs) == len({job.spec.source for job in jobs}) == FILES
    assert len({job.spec.output for job in jobs}) == FILES
    assert bench.duplicates() == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_code_0(bench, start, unlike, number):
    bench.put("a.mp4", unlike(1))
    process = start()
    bench.wait(1)
    asked = time.monotonic()
    process.send_signal(number)
    assert process.wait(30) == 0
    assert time.monotonic() - asked < allow(2)


def test_a_signal_ends_it_even_while_the_ledger_is_away(bench, start, tmp_path):
    flags = {"redis_url": f"unix://{tmp_path}/none.sock", "state_dir": tmp_path / "state"}
    bench.settings = load(flags, environ={})
    process = start(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert any("waiting for the ledger" in line for line in process.stdout)
    asked = time.monotonic()
    process.terminate()
    assert process.wait(30) == 0
    assert time.monotonic() - asked < allow(2)


def test_a_signal_ends_it_though_it_comes_in_the_middle_of_a_wait():
    """The lock of an event is held by its wait(); who sets the event in a signal's handler waits for it."""
    lines = (
        "import os, signal, threading",
        "from producer.__main__ import set_on_signals",
        "stop = threading.Event()",
        "set_on_signals(stop)",
        "with stop._cond:",
        "    os.kill(os.getpid(), signal.SIGTERM)",
    )
    command = [sys.executable, "-c", "\n".join(lines)]
    assert subprocess.run(command, cwd=Path(__file__).parents[3], timeout=30, check=False).returncode == 0


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
        running.thread.join(30)
        server.kill()
        server.wait()


UNMOUNTS = """
mount -t tmpfs none "$DISK"
"$@" --once || exit 11
"$@" > "$SAID" 2>&1 & producer=$!
until [ -e "$SAID.go" ]; do sleep 0.05; done
umount -l "$DISK"
touch "$SAID.gone"
until [ -e "$SAID.end" ]; do sleep 0.05; done
kill $producer; wait $producer
exec "$@" --once
"""


@pytest.mark.skipif(not can_make_namespaces(), reason="the disk is mounted in a namespace of the test's own")
def test_an_outbox_whose_disk_is_away_is_waited_for_and_not_made_on_another_disk(bench, unlike, tmp_path):
    disk, said = tmp_path / "disk", tmp_path / "said"
    disk.mkdir()
    bench.outbox = disk / "out"
    bench.put("a.mp4", unlike(1))
    producer = [sys.executable, "-m", "producer", str(bench.inbox), "--outbox", str(bench.outbox)]
    process = subprocess.Popen(
        ["unshare", "-r", "-m", "sh", "-c", UNMOUNTS, "sh", *producer],
        env={**os.environ, **to_environment(bench.settings), "DISK": str(disk), "SAID": str(said)},
        cwd=Path(__file__).parents[3],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        bench.wait(1)
        wait_until(lambda: said.exists() and "watching" in said.read_text())
        Path(f"{said}.go").touch()
        wait_until(Path(f"{said}.gone").exists)
        bench.put("empty.mp4", b"")  # whose result would be written at once
        bench.put("b.mp4", unlike(2))
        wait_until(lambda: "is not mounted" in said.read_text())
        Path(f"{said}.end").touch()
        _out, why = process.communicate(timeout=60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 2
    assert f"{bench.outbox}: {disk} is not mounted; mount it" in why
    assert len(bench.jobs()) == 1
    assert list(disk.iterdir()) == []


def wait_until(there, seconds=60.0):
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until
        time.sleep(0.02)
