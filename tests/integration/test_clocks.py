"""Hosts with wrong clocks: nobody acts by one, neither at the start nor after it was set."""

import threading
import time
from pathlib import Path

import pytest

from config.settings import Settings
from jobs.ledger import Ledger
from jobs.redis import connect
from tests.conftest import Wall, start_redis
from worker.runtime import wait_for_ledger

pytestmark = pytest.mark.integration


def test_a_worker_begins_nothing_before_it_has_seen_the_servers_clock(tmp_path: Path) -> None:
    client = connect(f"unix://{tmp_path / 'redis.sock'}")
    ledger = Ledger(client, Wall(at=5.0))
    seen = threading.Event()
    asking = threading.Thread(target=lambda: (wait_for_ledger(ledger, Settings(), time.sleep), seen.set()))
    asking.start()
    assert not seen.wait(1), "it went on without a server"
    server, _ = start_redis(tmp_path)
    try:
        assert seen.wait(30)
        assert abs(ledger.now() - time.time()) < 5
        assert ledger.is_durable
    finally:
        asking.join(30)
        client.close()
        server.kill()
        server.wait(30)


def test_a_wall_clock_that_is_set_moves_nothing(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(redis_url)
    ledger = Ledger(client)
    before = ledger.now()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    assert ledger.now() - before < 60
    ledger.sync_clock()
    assert ledger.now() - before < 60
    client.close()
