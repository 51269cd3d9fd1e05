"""The scheduler: each due job is sent once, none while the ledger is away, and nothing ends it."""

import threading
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest
from structlog.testing import capture_logs

from jobs.errors import LedgerUnreachable
from jobs.ledger import DueJob, Ledger
from jobs.model import JobSpec, Step
from tests.conftest import LIMITS, Wall
from worker.scheduler import MAX_WAITING, Scheduler, SchedulerThread

LEASE_S = 30.0


@pytest.fixture(autouse=True)
def keep_wall(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time goes by the test's clock alone: a scheduler would set it by the server's."""
    ledger.sync_clock("w", 1000)
    monkeypatch.setattr(ledger, "sync_clock", lambda *_: None)


def make_scheduler(ledger: Ledger, sent: list[DueJob], name: str = "w") -> Scheduler:
    return Scheduler(ledger, sent.append, lease_s=LEASE_S, probe_s=60, worker=name, threads=1000)


def submit(ledger: Ledger, count: int) -> None:
    for number in range(count):
        ledger.submit(f"j{number}", JobSpec(source=f"/in/{number}.mp4"), [f"/out/{number}.mp4"])


def test_many_schedulers_send_one_message_for_a_due_job(ledger: Ledger) -> None:
    submit(ledger, 3)
    sent: list[DueJob] = []
    schedulers = [make_scheduler(ledger, sent, f"w{number}") for number in range(4)]
    assert sum(scheduler.tick() for _ in range(3) for scheduler in schedulers) == 3
    assert sorted(job.job_id for job in sent) == ["j0", "j1", "j2"]
    assert sent[0] == DueJob("j0", Step.UPLOAD, "/in/0.mp4")


def test_a_message_that_was_lost_is_sent_again_after_a_lease(ledger: Ledger, wall: Wall) -> None:
    submit(ledger, 1)
    sent: list[DueJob] = []
    scheduler = make_scheduler(ledger, sent)
    scheduler.tick()
    wall.go(LEASE_S - 1)
    assert scheduler.tick() == 0
    wall.go(2)
    assert scheduler.tick() == 1
    assert sent[0] == sent[1]


def test_no_more_is_sent_than_workers_have_taken_up(wall: Wall) -> None:
    wide = {kind: bounds.__class__(1000, 1000) for kind, bounds in LIMITS.items()}
    ledger = Ledger(fakeredis.FakeRedis(decode_responses=True), wall, limits=wide)
    submit(ledger, 3 * MAX_WAITING)
    sent: list[DueJob] = []
    scheduler = Scheduler(ledger, sent.append, lease_s=LEASE_S, probe_s=60, worker="w", threads=100_000)
    for _ in range(5):
        scheduler.tick()
    assert len(sent) == MAX_WAITING
    for job in sent[:10]:
        assert ledger.claim(job.job_id, job.step, "w", LEASE_S)
    scheduler.tick()
    assert len(sent) == MAX_WAITING + 10


def test_a_ledger_that_is_away_is_logged_quietly_and_its_workers_renew_first_when_it_is_back(
    ledger: Ledger, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(ledger, 1)
    sent: list[DueJob] = []
    scheduler = make_scheduler(ledger, sent)
    with monkeypatch.context() as patch, capture_logs() as logs:

        def be_away(*_: Any) -> None:
            raise LedgerUnreachable("away")

        patch.setattr(ledger, "sync_clock", be_away)
        assert [scheduler.tick() for _ in range(5)] == [0] * 5
    assert {line["event"] for line in logs} == {"ledger away; waiting for it"}
    assert all(line["at_most_each_s"] == 60 for line in logs)
    assert scheduler.tick() == 0
    wall.go(LEASE_S / 3 + 2)
    assert scheduler.tick() == 1


def test_an_error_that_nobody_foresaw_does_not_end_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.scheduler.CALM_S", 0.01)
    ledger, ticks, went_on = Ledger(fakeredis.FakeRedis(decode_responses=True)), [], threading.Event()

    def tick() -> int:
        ticks.append(1)
        if len(ticks) > 2:
            went_on.set()
        raise RuntimeError("unforeseen")

    prober = SimpleNamespace(probe_due=lambda: None)
    thread = SchedulerThread(SimpleNamespace(tick=tick), prober, ledger)  # type: ignore[arg-type]  # it calls these alone
    with capture_logs():
        thread.start()
        assert went_on.wait(10)
        thread.stop()


def test_a_submission_wakes_it_at_once() -> None:
    client = fakeredis.FakeRedis(decode_responses=True)
    ledger, woken = Ledger(client, limits=LIMITS), threading.Event()
    thread = SchedulerThread(
        SimpleNamespace(tick=lambda: 0),  # type: ignore[arg-type]  # as above
        SimpleNamespace(probe_due=lambda: None),  # type: ignore[arg-type]  # as above
        ledger,
    )
    thread.wake = woken.set  # type: ignore[method-assign]  # what a submission is to call
    thread.start()
    for _ in range(50):  # its subscription may take a moment
        submit(ledger, 1)
        client.delete("dropscore:job:j0")
        if woken.wait(0.1):
            break
    thread.stop()
    assert woken.is_set()
