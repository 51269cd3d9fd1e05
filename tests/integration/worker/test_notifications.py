"""Notifications: each comes once, and an address that hangs, fails or is none is nobody's trouble."""

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import config.logs
from jobs.gates import Gates
from jobs.ledger import Ledger
from jobs.model import Gate
from jobs.redis import connect
from tests.integration.worker.receiver import Receiver
from tests.patience import allow
from worker.notifications import Notifier, find_notices

pytestmark = pytest.mark.integration

TOKEN = "s3cr3tpath"


@pytest.fixture
def ledger(redis_url: str) -> Iterator[Ledger]:
    client = connect(redis_url)
    client.flushall()
    found = Ledger(client)
    assert list(find_notices(found)) == []  # the first look of all finds no news
    yield found
    client.close()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a worker logs at its most talkative."""
    root, lines = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    config.logs.configure("DEBUG", as_json=True)
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(lines)
    yield lines
    root.handlers[:] = before
    root.setLevel(level)


def wait(until: Callable[[], object], timeout_s: float = 15) -> None:
    ends = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < ends
        time.sleep(0.02)


def url(receiver: Receiver) -> str:
    return f"json://127.0.0.1:{receiver.port}/{TOKEN}"


def test_of_four_workers_one_notifies_and_each_address_hears_it_once(
    ledger: Ledger, logged: io.StringIO
) -> None:
    with Receiver() as one, Receiver() as other:
        workers = [Notifier(ledger, [url(one), url(other)], look_s=0.05) for _ in range(4)]
        for worker in workers:
            worker.start()
        gates = Gates(ledger)
        gates.close(Gate.PLAN, probe_at=0, message="needs a plan", advice="Upgrade.")
        wait(lambda: one.got and other.got)
        gates.open(Gate.PLAN)
        wait(lambda: len(one.got) == len(other.got) == 2)
        for worker in workers:
            worker.close()
    for receiver in (one, other):
        closed, opened = sorted((json.loads(body) for body in receiver.bodies()), key=lambda m: m["title"])
        assert (closed["title"], closed["message"], closed["type"]) == (
            "Dropscore: the gate 'plan' is closed",
            "needs a plan\nUpgrade.",
            "warning",
        )
        assert opened["title"] == "Dropscore: the gate 'plan' is open"
    assert TOKEN not in logged.getvalue()
    assert '"event": "notifying"' in logged.getvalue()


def test_an_address_that_hangs_holds_up_neither_the_others_nor_the_end(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.notifications.CLOSE_S", 0.5)
    with Receiver(hangs=threading.Event()) as hanging, Receiver() as good:
        worker = Notifier(ledger, [url(hanging), url(good)], look_s=0.05)
        worker.start()
        for gate in (Gate.PLAN, Gate.CREDITS, Gate.DISK):
            Gates(ledger).close(gate, probe_at=0, message="m", advice="a")
        wait(lambda: len(good.got) == 3)
        began = time.monotonic()
        worker.close()
        assert time.monotonic() - began < allow(2)


def test_an_address_that_refuses_is_tried_three_times_and_given_up_without_showing_it(
    ledger: Ledger, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.notifications.TRIES_AFTER_S", (0.0, 0.05, 0.05))
    with Receiver(status=500) as broken:
        worker = Notifier(ledger, [url(broken)], look_s=0.05)
        worker.start()
        Gates(ledger).close(Gate.PLAN, probe_at=0, message="m", advice="a")
        wait(lambda: "notification not delivered" in logged.getvalue())
        worker.close()
        assert len(broken.got) == 3
    assert "1 (json)" in logged.getvalue()
    assert TOKEN not in logged.getvalue()


@pytest.mark.parametrize(
    "address", [f"nosuch://127.0.0.1/{TOKEN}", f"discord://{TOKEN}", f"json://:x/{TOKEN}"]
)
def test_an_address_that_apprise_does_not_know_is_one_line(
    ledger: Ledger, logged: io.StringIO, address: str
) -> None:
    worker = Notifier(ledger, [address], look_s=0.05)
    worker.start()
    Gates(ledger).close(Gate.PLAN, probe_at=0, message="m", advice="a")
    wait(lambda: "notifying" in logged.getvalue())
    worker.close()
    assert "see dropscore doctor" in logged.getvalue()
    assert TOKEN not in logged.getvalue()
