"""The producer's health check: it passes while one looks, and not before or after."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.redis import connect

pytestmark = pytest.mark.integration


def asked(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "producer.health"]
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)


def healthy(environment: dict[str, str]) -> int:
    return asked(environment).returncode


def test_a_producer_that_looks_is_healthy(redis_url: str, tmp_path: Path) -> None:
    with connect(redis_url) as client:
        client.flushall()
    (tmp_path / "in").mkdir()
    environment = {
        **os.environ,
        "DROPSCORE_REDIS_URL": redis_url,
        "DROPSCORE_STATE_DIR": str(tmp_path / "state"),
    }
    assert healthy(environment) == 1
    command = [sys.executable, "-m", "producer", str(tmp_path / "in"), "--outbox", str(tmp_path / "out")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as producer:
        try:
            ends = time.monotonic() + 90
            while healthy(environment) != 0:
                assert time.monotonic() < ends
        finally:
            producer.terminate()
            producer.wait(30)


def test_without_a_ledger_it_is_one_clear_line() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DROPSCORE_")}
    ended = asked(environment)
    assert ended.returncode == 1
    assert ended.stderr == "dropscore producer: DROPSCORE_REDIS_URL is not set\n"
