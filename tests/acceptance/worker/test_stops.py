"""A polite stop, an impatient one, and leases that are kept until the very end."""

import signal
import time
from pathlib import Path

import pytest

from jobs.model import State, Step
from tests.chaos.scenes import editing
from tests.chaos.stage import Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

SETTINGS = {
    "DROPSCORE_POLL_INTERVAL": 0.3,
    "DROPSCORE_CONCURRENCY": 20,
    "DROPSCORE_MAX_EDITS": 8,
    "DROPSCORE_DISCONNECT_WAITS": "2,2,2,2,4,8,16",
}
THINK_S = "8"


def test_sigterm_ends_a_worker_with_an_open_stream_and_nothing_is_sent_again(
    tmp_path: Path, clip: Path
) -> None:
    with Stage(tmp_path, "--think-s", THINK_S, DROPSCORE_LEASE=4, **SETTINGS) as stage:
        ids = stage.submit(clip, 2)
        worker = stage.worker()
        stage.wait(lambda: editing(stage, ids, 2), 90)
        worker.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert worker.wait(30) == 0
        assert time.monotonic() - began < float(THINK_S) - 2, "it waited for its streams"
        stage.worker()
        stage.wait(stage.quiet, 60)
        assert stage.done(ids) == 2
        assert len(stage.charges()) == 2
        assert stage.requests("run_sse") == 2


def test_a_second_signal_ends_it_at_once(tmp_path: Path, clip: Path) -> None:
    with Stage(tmp_path, DROPSCORE_LEASE=4, **SETTINGS) as stage:
        (job_id,) = stage.submit(clip, 1)
        worker = stage.worker("tests.chaos.stubborn_worker", CHAOS_HOLD_S="60")
        stage.wait(lambda: stage.jobs([job_id])[0].state is State.RUNNING, 90)
        worker.send_signal(signal.SIGTERM)
        time.sleep(1.5)
        assert worker.poll() is None, "the first signal waits for a step that cannot be left"
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(3) == 128 + signal.SIGTERM
        stage.worker()
        stage.wait(stage.quiet, 60)
        assert stage.done([job_id]) == 1
        assert len(stage.charges()) == 1


def test_leases_are_renewed_for_as_long_as_a_step_runs_though_nothing_is_consumed_any_more(
    tmp_path: Path, clip: Path
) -> None:
    with Stage(tmp_path, DROPSCORE_LEASE=2, **SETTINGS) as stage:
        (job_id,) = stage.submit(clip, 1)
        worker = stage.worker("tests.chaos.stubborn_worker", CHAOS_HOLD_S="9")
        stage.wait(lambda: stage.jobs([job_id])[0].state is State.RUNNING, 90)
        (held,) = stage.jobs([job_id])
        worker.send_signal(signal.SIGTERM)  # its consumer has ended, its step has not
        stage.worker()
        ends = time.monotonic() + 6  # three leases
        while time.monotonic() < ends and worker.poll() is None:
            (job,) = stage.jobs([job_id])
            if job.step is Step.UPLOAD and job.state is State.RUNNING:
                assert (job.fence, job.crashes) == (held.fence, 0), "another worker took a job that was held"
            time.sleep(0.1)
        stage.wait(stage.quiet, 60)
        assert stage.done([job_id]) == 1
        assert len(stage.charges()) == 1
