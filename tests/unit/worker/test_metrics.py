"""Metrics: what each run of a step counts as."""

from collections.abc import Callable
from typing import Any

import fakeredis
import pytest
from prometheus_client.exposition import generate_latest

from config.errors import ConfigError
from jobs.gates import Gates
from jobs.ledger import Ledger
from jobs.model import ENDED, Checkpoint, Gate, Job, Problem, State, Step, StepRecord, UploadRef
from jobs.stats import publish_ceilings
from tests.conftest import LIMITS, Wall
from tests.unit.jobs.actions import claim, submit
from worker.metrics import Metrics
from worker.middleware import StepRun

Read = Callable[..., float | None]


@pytest.fixture
def job(fake_ledger: Ledger) -> Job:
    submit(fake_ledger)
    return claim(fake_ledger)


@pytest.fixture
def metrics(fake_ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Metrics:
    monkeypatch.setattr("worker.metrics.make_impatient", lambda client: client)
    return Metrics(fake_ledger, lambda: {Step.EDIT: 3}, "127.0.0.1", 0)


@pytest.fixture
def read(metrics: Metrics) -> Read:
    """Read a number as Prometheus does."""

    def value(name: str, **labels: str) -> float | None:
        found = metrics.registry.get_sample_value(f"dropscore_{name}", labels)
        return None if found is None else float(found)

    return value


def end(metrics: Metrics, job: Job, **after: Any) -> None:
    """End a run; with a state that is an end, the step ended too."""
    ended = after.get("state") in ENDED
    record = StepRecord(step=job.step, started=job.updated, ended=job.updated, attempts=1)
    metrics.after_step(StepRun(job, job.evolve(**({"steps": (record,)} if ended else {}) | after)))


def test_a_step_that_is_through_counts_with_its_time_and_its_bytes(
    metrics: Metrics, read: Read, job: Job
) -> None:
    record = StepRecord(step=Step.UPLOAD, started=job.updated - 7, ended=job.updated + 5, attempts=2)
    point = Checkpoint(upload=UploadRef(size_bytes=1234))
    end(
        metrics,
        job,
        state=State.QUEUED,
        step=Step.EDIT,
        steps=(record,),
        checkpoint=point,
        updated=job.updated + 5,
    )
    assert read("runs_total", step="upload", outcome="through") == 1
    assert read("step_seconds_sum", step="upload") == pytest.approx(12, abs=0.001)
    assert read("bytes_total", direction="up") == 1234
    assert read("bytes_total", direction="down") == 0


def test_an_upload_counts_once_whatever_later_steps_carry_along(
    metrics: Metrics, read: Read, job: Job
) -> None:
    point = Checkpoint(upload=UploadRef(size_bytes=1234))
    end(metrics, job.evolve(step=Step.EDIT, checkpoint=point), state=State.WAITING, step=Step.EDIT)
    assert read("bytes_total", direction="up") == 0
    assert read("runs_total", step="edit", outcome="again") == 1


def test_a_delivered_file_counts_its_bytes_and_a_question_alone_none(
    metrics: Metrics, read: Read, job: Job
) -> None:
    end(metrics, job.evolve(step=Step.VERIFY), state=State.DONE, step=Step.VERIFY)
    assert read("bytes_total", direction="down") == 0
    point = Checkpoint(sha256="x", size_bytes=99)
    end(metrics, job.evolve(step=Step.DOWNLOAD), state=State.DONE, step=Step.DOWNLOAD, checkpoint=point)
    assert read("bytes_total", direction="down") == 99
    assert read("runs_total", step="download", outcome="done") == 1


@pytest.mark.parametrize("state", [State.FAILED, State.UNCONFIRMED])
def test_what_needs_a_person_counts_by_its_code(metrics: Metrics, read: Read, job: Job, state: State) -> None:
    end(metrics, job, state=state, problem=Problem(code="no_music"))
    assert read("failures_total", error="no_music") == 1
    assert read("runs_total", step="upload", outcome=state) == 1
    assert read("retries_total", step="upload", error="no_music") is None


def test_an_attempt_that_is_made_again_counts_by_its_code(metrics: Metrics, read: Read, job: Job) -> None:
    problem = Problem(code="server_error")
    end(metrics, job, state=State.WAITING, problem=problem, attempts=1)
    assert read("runs_total", step="upload", outcome="retried") == 1
    assert read("retries_total", step="upload", error="server_error") == 1
    assert read("failures_total", error="server_error") is None


def test_how_long_a_job_lay_there_counts_from_the_end_of_the_dead_workers_lease(
    metrics: Metrics, read: Read, job: Job
) -> None:
    metrics.before_step(job)
    assert read("recovery_seconds_count") == 0
    metrics.before_step(job.evolve(lapsed=job.updated - 3))
    assert read("recovery_seconds_sum") == pytest.approx(3, abs=0.001)


def test_the_ledger_is_asked_when_prometheus_asks(
    metrics: Metrics, read: Read, fake_ledger: Ledger, wall: Wall
) -> None:
    publish_ceilings(fake_ledger)
    for number in range(3):
        submit(fake_ledger, f"j{number}", root="/in")
    Gates(fake_ledger).close(Gate.SOURCE, probe_at=0, message="m", advice="a", root="/in")
    fake_ledger.fetch_due(10, 30)
    wall.go(12)
    assert read("ledger_up") == 1
    assert read("files", state="queued") == 3
    assert (read("gate_closed", gate="source"), read("gate_parked", gate="source")) == (1, 3)
    assert read("gate_closed", gate="disk") == 0
    assert read("concurrency_limit", kind="edit") == LIMITS["edit"].initial
    assert read("queue_age_seconds") == pytest.approx(12, abs=1)
    assert read("steps_in_flight", step="edit") == 3
    assert read("steps_in_flight", step="poll") == 0


def test_a_ledger_that_is_away_takes_its_own_numbers_along_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = fakeredis.FakeServer()
    ledger = Ledger(fakeredis.FakeRedis(server=server, decode_responses=True), limits=LIMITS)
    ledger.sync_clock()
    monkeypatch.setattr("worker.metrics.make_impatient", lambda client: client)
    metrics = Metrics(ledger, dict, "127.0.0.1", 0)
    server.connected = False
    page = generate_latest(metrics.registry).decode()
    assert "dropscore_ledger_up 0.0" in page
    assert "dropscore_files" not in page
    assert 'dropscore_runs_total{outcome="done",step="download"} 0.0' in page


def test_a_port_that_is_taken_is_one_line(metrics: Metrics, fake_ledger: Ledger) -> None:
    metrics.start()
    try:
        port = metrics._server.server_port
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be listened on"):
            Metrics(fake_ledger, dict, "127.0.0.1", port).start()
    finally:
        metrics.close()
