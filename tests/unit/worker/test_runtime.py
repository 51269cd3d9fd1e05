"""What the steps of a worker share: limits, sleeps that end, and a lost lease with an open stream."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

import nemovideo
from config.settings import Settings
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from jobs.redis import Durability
from worker.runtime import (
    FIRST_LIMIT,
    detect_platform,
    limit_bounds,
    make_sleep,
    on_lease_lost,
    wait_for_ledger,
)


def test_limits_begin_small_and_may_grow_as_far_as_is_set() -> None:
    bounds = limit_bounds(Settings(DROPSCORE_BACKEND="cloud", DROPSCORE_MAX_EDITS=7))
    assert (bounds["edit"].initial, bounds["edit"].ceiling) == (7, 7)
    assert (bounds["upload"].initial, bounds["upload"].ceiling) == (FIRST_LIMIT, 1000)
    assert set(bounds) == {"upload", "edit", "render", "download"}
    assert all(0 < one.share <= 1 for one in bounds.values())


def test_at_the_local_studio_as_much_is_at_work_as_there_are_cores_and_two_renders_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    bounds = limit_bounds(Settings(DROPSCORE_BACKEND="local"))
    assert (bounds["edit"].ceiling, bounds["render"].ceiling) == (3, 5)


def test_a_sleep_ends_when_the_worker_stops_and_says_so() -> None:
    stopping = threading.Event()
    sleep = make_sleep(stopping)
    sleep(0.01)
    threading.Timer(0.1, stopping.set).start()
    began = time.monotonic()
    with pytest.raises(nemovideo.Stopped):
        sleep(60)
    assert time.monotonic() - began < 30


def test_a_platform_that_was_set_is_sent() -> None:
    assert detect_platform(Settings(SKILL_SOURCE="of-my-own")) == "of-my-own"


class Reasserting:
    """A ledger that can be told again what was sent."""

    def __init__(self, answer: bool | Exception) -> None:
        self.answer, self.calls = answer, 0

    def reassert(self, *_: Any, **__: Any) -> bool:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("sending", "answer", "calls", "event"),
    [
        (False, True, 0, "lease lost"),
        (True, False, 1, "lease lost"),
        (True, True, 1, "the ledger had lost that an instruction was sent; it has it again"),
        (True, LedgerUnreachable("away"), 1, "a lost lease could not be looked into"),
    ],
)
def test_a_lost_lease_with_an_open_stream_makes_sure_that_the_ledger_knows_of_it(
    sending: bool, answer: bool | Exception, calls: int, event: str
) -> None:
    ledger = Reasserting(answer)
    lease = SimpleNamespace(
        job=SimpleNamespace(id="j1"), checkpoint=None, lease_s=30, sending=sending, ledger=ledger
    )
    with capture_logs() as logs:
        on_lease_lost(lease)  # type: ignore[arg-type]  # a lease, as far as it is asked
    assert ledger.calls == calls
    assert logs[-1]["event"] == event


def test_what_the_server_cannot_promise_is_said_at_the_start(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Durability(1, ("The Redis server keeps no append-only file: …",))
    answers = iter([LedgerUnreachable("away"), found])
    sleeps: list[float] = []

    def check(*_: Any, **__: Any) -> Durability:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("worker.runtime.check_durability", check)
    with capture_logs() as logs:
        wait_for_ledger(ledger, Settings(DROPSCORE_REDIS_URL="redis://h"), sleeps.append)
    assert [(line["event"], line.get("at_most_each_s")) for line in logs] == [
        ("waiting for the ledger", 60),
        ("not promised", None),
    ]
    assert len(sleeps) == 1
    assert (ledger.replicas, ledger.is_durable) == (1, False)
