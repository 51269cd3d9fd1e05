"""Hosts with wrong clocks: nobody acts by one, neither at the start nor after it was set."""

import threading
import time
from pathlib import Path

import pytest

from jobs.connection import connect
from jobs.intake import Intake
from jobs.ledger import Ledger
from producer.run import say_alive
from tests.conftest import start_redis
from worker.main import compare_clocks

pytestmark = pytest.mark.integration

WRONG_S = 600.0


def test_a_worker_claims_nothing_before_it_has_seen_the_servers_clock(tmp_path: Path) -> None:
    client = connect(f"unix://{tmp_path / 'redis.sock'}")
    ledger = Ledger(client, lambda: time.time() + WRONG_S)
    compared = threading.Event()
    asking = threading.Thread(target=lambda: (compare_clocks(ledger), compared.set()))
    asking.start()
    assert not compared.wait(1), "it went on without a server"
    server, _ = start_redis(tmp_path)
    try:
        assert compared.wait(15)
        assert abs(ledger.now() - time.time()) < 1
    finally:
        asking.join(5)
        client.close()
        server.kill()
        server.wait(10)


def test_a_producer_looks_at_the_servers_clock_each_time_it_says_that_it_lives(redis_url: str) -> None:
    client = connect(redis_url)
    wrong = [0.0]
    ledger = Ledger(client, lambda: time.time() + wrong[0])
    say_alive(ledger, "here")
    wrong[0] = WRONG_S  # somebody sets this host's clock
    assert ledger.now() > time.time() + WRONG_S / 2
    say_alive(ledger, "here")
    assert abs(ledger.now() - time.time()) < 1
    assert Intake(ledger).beats("here")
    client.close()
