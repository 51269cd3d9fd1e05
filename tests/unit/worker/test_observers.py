"""What observers a worker has, and that none of them is in anybody's way."""

import sys
import threading
import time

import fakeredis
import pytest
from structlog.testing import capture_logs

from config.settings import Settings
from jobs.lease import Heartbeat
from jobs.ledger import Ledger
from jobs.model import Checkpoint, Job, Problem, Spec, State, Step, StepRecord
from tests.integration.worker.receiver import Receiver
from worker.observe import Observer, Observers, Run
from worker.observers import NO_TRACING, open_observers
from worker.tracing import Tracing, trace_id


def job(**changes: object) -> Job:
    spec = Spec(
        source="/in/a.mp4",
        root="",
        output="",
        result="",
        skill="s",
        instructions=(),
        fingerprint="f",
        created=5.0,
    )
    plain = Job(
        "j1",
        spec,
        State.RUNNING,
        Step.EDIT,
        1,
        0,
        0,
        30,
        True,
        "",
        Checkpoint(),
        (),
        None,
        started=10,
        updated=10,
    )
    return plain.evolve(**changes)


RECORD = StepRecord(step=Step.EDIT, started=10, ended=14, attempts=1)
PROBLEM = Problem(kind="NoMusic")


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (job(state=State.QUEUED, step=Step.VERIFY, steps=(RECORD,)), "through"),
        (job(state=State.DONE, steps=(RECORD,)), "done"),
        (job(state=State.FAILED, steps=(RECORD,), problem=PROBLEM), "failed"),
        (job(state=State.PARKED, problem=PROBLEM), "parked"),
        (job(state=State.WAITING, problem=PROBLEM), "retried"),
        (job(state=State.WAITING), "again"),
    ],
)
def test_a_run_says_what_came_of_it(after: Job, outcome: str) -> None:
    assert Run(job(), after).outcome == outcome


def test_an_observer_that_breaks_is_told_of_once_and_the_next_one_hears_all() -> None:
    class Broken(Observer):
        def ended(self, run: Run) -> None:
            raise RuntimeError("broken")

    class Hears(Observer):
        def __init__(self) -> None:
            self.heard: list[Run] = []

        def ended(self, run: Run) -> None:
            self.heard.append(run)

    hears = Hears()
    observers = Observers(Broken(), hears)
    with capture_logs() as logs:
        for _ in range(3):
            observers.ended(Run(job(), job()))
    assert len(hears.heard) == 3
    assert [(line["event"], line["observer"]) for line in logs] == [("an observer broke", "Broken")]


def test_without_the_extra_a_worker_says_so_and_works() -> None:
    ledger = Ledger(fakeredis.FakeRedis(decode_responses=True))
    settings = Settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", DROPSCORE_BACKEND="local")
    kept = sys.modules.pop("worker.tracing")
    blocked = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    exporter, sys.modules[blocked] = sys.modules[blocked], None  # as if not installed
    try:
        with capture_logs() as logs:
            observers = open_observers(settings, ledger, Heartbeat(ledger, 30, print), "w")
    finally:
        sys.modules["worker.tracing"], sys.modules[blocked] = kept, exporter
    assert [(line["event"], line["reason"]) for line in logs] == [("not traced", NO_TRACING)]
    observers.start()
    observers.close()


def test_a_collector_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.tracing.CLOSE_S", 0.5)
    with Receiver(hangs=threading.Event()) as collector:
        tracing = Tracing(f"http://127.0.0.1:{collector.port}", "w")
        tracing.ended(Run(job(), job(state=State.DONE, steps=(RECORD,))))
        began = time.monotonic()
        tracing.close()
        assert time.monotonic() - began < 2
        assert len(collector.got) == 1


def test_the_same_work_taken_in_anew_is_another_trace() -> None:
    first = job()
    assert trace_id(first) == trace_id(first.evolve(step=Step.POLL, epoch=9))
    assert trace_id(first) != trace_id(first.evolve(spec=first.spec.evolve(created=6.0)))
