"""Notifications: each comes once, and an address that hangs, fails or is none is nobody's trouble."""

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import config.logs
from jobs.connection import connect
from jobs.gates import Gates
from jobs.ledger import Ledger
from jobs.model import Gate
from tests.integration.worker.receiver import Receiver
from worker.notices import Notice
from worker.notify import MOST_WAITING, Courier, Notifier

pytestmark = pytest.mark.integration

TOKEN = "s3cr3tpath"
NOTICE = Notice("a title", "a body", "info")


@pytest.fixture
def ledger(redis_url: str) -> Iterator[Ledger]:
    client = connect(redis_url)
    client.flushall()
    yield Ledger(client)
    client.close()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a worker logs at its most talkative."""
    root, told = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    config.logs.configure("DEBUG", as_json=True)
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(told)
    yield told
    root.handlers[:] = before
    root.setLevel(level)


def wait(until: Callable[[], object], timeout_s: float = 15) -> None:
    ends = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < ends
        time.sleep(0.02)


def url(receiver: Receiver) -> str:
    return f"json://127.0.0.1:{receiver.port}/{TOKEN}"


def test_of_four_workers_one_tells_and_each_address_hears_it_once(
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
    assert '"event": "telling"' in logged.getvalue()


def test_an_address_that_hangs_holds_up_neither_the_others_nor_the_end(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.notify.CLOSE_S", 0.5)
    with Receiver(hangs=threading.Event()) as hanging, Receiver() as good:
        worker = Notifier(ledger, [url(hanging), url(good)], look_s=0.05)
        worker.start()
        for gate in (Gate.PLAN, Gate.CREDITS, Gate.DISK):
            Gates(ledger).close(gate, probe_at=0, message="m", advice="a")
        wait(lambda: len(good.got) == 3)
        began = time.monotonic()
        worker.close()
        assert time.monotonic() - began < 2


def test_a_courier_tries_again_and_gives_up_without_a_word_of_the_address(logged: io.StringIO) -> None:
    waits: list[float] = []
    with Receiver(status=500) as broken:
        courier = Courier(1, url(broken), sleep=waits.append)
        courier.start()
        courier.take(NOTICE)
        courier.finish(time.monotonic() + 10)
        assert len(broken.got) == 3
    assert waits == [0, 5, 30]
    assert '"event": "notification not delivered"' in logged.getvalue()
    assert "1 (json)" in logged.getvalue()
    assert TOKEN not in logged.getvalue()


def test_more_than_an_address_takes_is_dropped_at_once() -> None:
    courier = Courier(1, "json://127.0.0.1:9/x")  # not started: nothing is taken off
    began = time.monotonic()
    for _ in range(MOST_WAITING + 20):
        courier.take(NOTICE)
    assert time.monotonic() - began < 2
    assert courier.waiting() == MOST_WAITING


@pytest.mark.parametrize(
    "address", [f"nosuch://127.0.0.1/{TOKEN}", f"discord://{TOKEN}", f"json://:x/{TOKEN}"]
)
def test_an_address_that_apprise_does_not_know_is_one_line(
    ledger: Ledger, logged: io.StringIO, address: str
) -> None:
    worker = Notifier(ledger, [address], look_s=0.05)
    worker.start()
    Gates(ledger).close(Gate.PLAN, probe_at=0, message="m", advice="a")
    wait(lambda: "telling" in logged.getvalue())
    worker.close()
    assert "see dropscore doctor" in logged.getvalue()
    assert TOKEN not in logged.getvalue()
