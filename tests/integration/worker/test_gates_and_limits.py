"""Gates and limits: what is held back, for how long, and that nothing is touched meanwhile."""

import shutil
import subprocess
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import control
from jobs.model import Gate, State, Step
from jobs.stats import read_stats
from tests.integration.worker.harness import FAST, Studio, WorkerHarness, open_worker

pytestmark = pytest.mark.integration

DiskUsage = namedtuple("DiskUsage", "total used free")


def fill_disk(patch: pytest.MonkeyPatch) -> None:
    """Let every disk look full to the worker."""
    patch.setattr("worker.delivery.shutil.disk_usage", lambda _path: DiskUsage(10, 10, 0))


# --- paused ---------------------------------------------------------------------------------------


def test_a_pause_with_a_backlog_touches_nothing(worker: WorkerHarness, studio: Studio, clip: Path) -> None:
    studio.reset()
    ids = [worker.submit(clip, name=f"clip{number}", backlog=number > 9) for number in range(200)]
    worker.tick()
    sent = list(worker.messages)
    assert sent
    control.pause(worker.runtime.gates)
    while worker.step():  # what was on its way when it was paused is not claimed either
        pass
    for _ in range(5):
        assert worker.tick() == 0
    jobs = worker.ledger.many(ids)
    assert {(job.state, job.step, job.started, job.fence) for job in jobs} == {
        (State.QUEUED, Step.UPLOAD, 0, "")
    }
    assert list(worker.outbox.iterdir()) == []
    assert studio.paths() == []
    assert {name for name in worker.in_flight() if "due" not in name} == set()
    control.resume(worker.runtime.gates)
    assert worker.tick() > 0


def test_a_drain_lets_what_was_uploaded_go_to_its_end_and_begins_nothing(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    begun = worker.submit(clip, name="begun")
    worker.run_until_at(begun, Step.EDIT)
    rest = [worker.submit(clip, name=f"rest{number}") for number in range(3)]
    worker.ledger.drain(True)
    worker.run(until=lambda: worker.job(begun).ended)
    assert worker.job(begun).state is State.DONE
    assert {worker.job(job_id).step for job_id in rest} == {Step.UPLOAD}
    worker.ledger.drain(False)
    worker.run()
    assert studio.charges() == 4


# --- disk -----------------------------------------------------------------------------------------


def test_the_disk_gate_opens_when_there_is_room_and_whatever_the_balance(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = worker.submit(clip)
    worker.run_until_at(job_id, Step.DOWNLOAD)
    studio.credits(0)
    with monkeypatch.context() as patch:
        fill_disk(patch)
        worker.run(until=lambda: Gate.DISK in worker.runtime.gates.closed())
        worker.run(until=lambda: worker.job(job_id).state is State.PARKED)
        studio.credits(1000)  # a balance opens no disk
        closed = worker.runtime.gates.closed()[Gate.DISK]
        assert closed.path == str(worker.outbox)
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends:  # several probes
            worker.prober.probe_due()
            assert Gate.DISK in worker.runtime.gates.closed()
            assert worker.tick() == 0
            time.sleep(0.05)
        studio.credits(0)
    worker.run(until=lambda: worker.job(job_id).ended)
    assert worker.job(job_id).state is State.DONE
    assert worker.runtime.gates.closed() == {}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 80 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_really_full_is_waited_for_before_anything_is_paid(
    redis_url: str, studio: Studio, clip: Path, small_disk: Path
) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(b"\0" * (40 << 20))
    with open_worker(redis_url, studio, small_disk / "out", **FAST) as worker:
        job_id = worker.submit(clip)
        worker.run(until=lambda: worker.job(job_id).state is State.PARKED)
        assert Gate.DISK in worker.runtime.gates.closed()
        assert studio.charges() == 0
        time.sleep(0.4)
        worker.prober.probe_due()
        assert Gate.DISK in worker.runtime.gates.closed()
        filler.unlink()
        worker.run(until=lambda: worker.job(job_id).ended)
        assert worker.job(job_id).state is State.DONE


# --- plan -----------------------------------------------------------------------------------------


def test_the_plan_gate_is_tried_by_one_job_at_a_time(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    studio.plan("free")
    ids = [worker.submit(clip, name=f"clip{number}") for number in range(3)]
    worker.run()
    assert Gate.PLAN in worker.runtime.gates.closed()
    assert {worker.job(job_id).step for job_id in ids} == {Step.RENDER}
    refused = studio.paths().count("render")

    time.sleep(0.4)
    assert [worker.tick(), worker.tick(), worker.tick()] == [1, 0, 0]  # one tries, the others wait for it
    worker.step()
    assert studio.paths().count("render") == refused + 1
    assert Gate.PLAN in worker.runtime.gates.closed()
    assert worker.tick() == 0

    studio.plan("pro")
    time.sleep(0.4)
    assert [worker.tick(), worker.tick()] == [1, 0]
    worker.step()
    assert worker.runtime.gates.closed() == {}
    assert worker.tick() == 2
    worker.run()
    assert [worker.job(job_id).state for job_id in ids] == [State.DONE] * 3
    assert studio.charges() == 3


def test_a_trial_that_ends_otherwise_leaves_the_plan_gate_closed(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    studio.plan("free")
    worker.submit(clip)
    worker.run()
    studio.faults({"endpoint": "render", "kind": "429", "count": 1})
    time.sleep(0.4)
    assert worker.tick() == 1
    worker.step()
    assert Gate.PLAN in worker.runtime.gates.closed(), "a 429 says nothing about the plan"


# --- 429 ------------------------------------------------------------------------------------------


def test_a_429_slows_its_own_kind_while_others_go_on(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    ahead = worker.submit(clip, name="ahead")
    worker.run_until_at(ahead, Step.RENDER)
    before = read_stats(worker.ledger).limits
    studio.faults({"endpoint": "upload", "kind": "429"})
    behind = worker.submit(clip, name="behind")
    worker.run(until=lambda: worker.job(ahead).ended)
    assert worker.job(ahead).state is State.DONE
    assert worker.runtime.gates.closed() == {}
    job = worker.job(behind)
    assert (job.step, job.attempts) == (Step.UPLOAD, 0)
    limits = read_stats(worker.ledger).limits
    assert limits["upload"].limit < before["upload"].limit
    assert limits["render"].limit >= before["render"].limit
    studio.faults()
    worker.run()
    assert worker.job(behind).state is State.DONE


def test_a_429_that_says_for_how_long_holds_everybody_until_then(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    ahead = worker.submit(clip, name="ahead")
    worker.run_until_at(ahead, Step.RENDER)
    held = list(worker.messages)
    worker.messages.clear()
    studio.faults({"endpoint": "upload", "kind": "429", "retry_after": 2, "count": 1})
    behind = worker.submit(clip, name="behind")
    worker.run_until_at(behind, Step.UPLOAD)
    worker.step()
    closed = worker.runtime.gates.closed()[Gate.RATE]
    assert closed.probe_at - worker.ledger.now() == pytest.approx(2, abs=0.7)
    asked = len(studio.paths())
    worker.messages.extend(held)
    worker.step()  # its message was on its way: it is not claimed
    worker.prober.probe_due()
    assert worker.tick() == 0
    assert len(studio.paths()) == asked
    began = worker.ledger.now()
    worker.run()
    assert worker.ledger.now() > max(began, closed.probe_at)
    assert [worker.job(job_id).state for job_id in (ahead, behind)] == [State.DONE] * 2
