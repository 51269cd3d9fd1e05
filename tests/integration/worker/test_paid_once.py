"""Whatever the service, the ledger or a person does in between: an instruction is paid once, and counted."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nemovideo
from jobs import control
from jobs.limits import RateLimiter
from jobs.model import InstructionStatus, State, Step
from nemovideo import NemoVideo
from tests.integration.worker.harness import FAST, Studio, WorkerHarness, open_worker
from worker.runner import Runner
from worker.runtime import make_sleep

pytestmark = pytest.mark.integration


def let_timeline_lag(patch: pytest.MonkeyPatch, reads: int) -> None:
    """Let the timeline look as before for so many reads after an edit, as a service of many hosts may."""
    real_edit, real_state = NemoVideo.edit, NemoVideo.state
    stale: list[nemovideo.SessionState] = []

    def edit(client: NemoVideo, session_id: str, *args: Any, **options: Any) -> nemovideo.EditReply:
        before = real_state(client, session_id)
        reply = real_edit(client, session_id, *args, **options)
        stale.extend([before] * reads)
        return replace(reply, texts=("Which mood would you like for this video: calm, happy or epic?",))

    def state(client: NemoVideo, session_id: str) -> nemovideo.SessionState:
        return stale.pop() if stale else real_state(client, session_id)

    patch.setattr(NemoVideo, "edit", edit)
    patch.setattr(NemoVideo, "state", state)


def watch_looks(patch: pytest.MonkeyPatch, studio: Studio) -> list[int]:
    """Record, at each look at a timeline, how many messages had been sent by then."""
    looks: list[int] = []
    real = NemoVideo.state

    def state(client: NemoVideo, session_id: str) -> nemovideo.SessionState:
        looks.append(studio.paths().count("run_sse"))
        return real(client, session_id)

    patch.setattr(NemoVideo, "state", state)
    return looks


def do_during_edit(patch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something while the stream of an edit is open."""
    real = NemoVideo.edit

    def edit(client: NemoVideo, *args: Any, **options: Any) -> nemovideo.EditReply:
        return real(client, *args, **options | {"on_started": act})

    patch.setattr(NemoVideo, "edit", edit)


# --- what the service does ------------------------------------------------------------------------


def test_a_follow_up_is_sent_only_after_the_settling_reads(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_timeline_lag(monkeypatch, reads=2)
    job_id = worker.submit(clip)
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert studio.paths().count("run_sse") == studio.charges() == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_error_of_the_service_without_an_event_is_sent_once_more_and_only_after_all_looks(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "status", "status": status})
    looks = watch_looks(monkeypatch, studio)
    job_id = worker.submit(clip)
    worker.run()
    assert worker.job(job_id).state is State.UNCONFIRMED
    assert studio.paths().count("run_sse") == 2
    between = len(worker.runtime.settings.disconnect_waits_s)
    assert looks.count(1) == between + 1  # and one right before it is sent again
    assert looks.count(2) == between
    assert studio.charges() == 0


def test_a_504_is_never_sent_again(worker: WorkerHarness, studio: Studio, clip: Path) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "status", "status": 504})
    job_id = worker.submit(clip)
    worker.run()
    assert worker.job(job_id).state is State.UNCONFIRMED
    assert studio.paths().count("run_sse") == 1


def test_a_gateway_that_answers_503_while_the_edit_goes_on_is_not_paid_twice(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, threads = NemoVideo.edit, []

    def answer_early(client: NemoVideo, *args: Any, **options: Any) -> nemovideo.EditReply:
        options.pop("should_stop"), options.pop("on_started")
        threads.append(threading.Timer(0.3, real, (client, *args), options))
        threads[-1].start()
        raise nemovideo.ServerError("503", service_code=503, outcome_unknown=True)

    monkeypatch.setattr(NemoVideo, "edit", answer_early)
    job_id = worker.submit(clip)
    worker.run()
    for thread in threads:
        thread.join(30)
    assert worker.job(job_id).state is State.DONE
    assert studio.paths().count("run_sse") == studio.charges() == 1


def test_a_service_that_charges_a_message_once_is_sent_a_lost_one_again(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = NemoVideo.open_session

    def promise(client: NemoVideo, *args: Any, **options: Any) -> nemovideo.Session:
        return replace(real(client, *args, **options), idempotent_edits=True)

    monkeypatch.setattr(NemoVideo, "open_session", promise)
    studio.faults(
        {"endpoint": "run_sse", "kind": "cut", "landed": True, "count": 1},
        {"endpoint": "run_sse", "kind": "cut", "landed": False, "after": 1, "count": 1},
    )
    ids = [worker.submit(clip, name=f"clip{number}") for number in range(2)]
    worker.run()
    assert [worker.job(job_id).state for job_id in ids] == [State.DONE] * 2
    assert studio.charges() == 2
    assert worker.runtime.limits.budget.spending().spent == 100


# --- what a person does ---------------------------------------------------------------------------


def test_the_advice_after_an_agent_failed_really_sends_again(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "error_in_stream", "landed": False, "count": 1})
    job_id = worker.submit(clip)
    worker.run()
    assert worker.result(job_id)["error"]["code"] == "agent_failed"
    assert "dropscore retry JOB --resend" in worker.result(job_id)["error"]["advice"]
    control.retry(worker.ledger, job_id)
    worker.run()
    assert (worker.job(job_id).state, studio.paths().count("run_sse")) == (State.FAILED, 1)
    control.retry(worker.ledger, job_id, resend=True)
    worker.run()
    assert (worker.job(job_id).state, studio.paths().count("run_sse")) == (State.DONE, 2)
    assert studio.charges() == 1


def test_a_cancel_during_an_edit_leaves_nothing_set_aside(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = worker.submit(clip)
    do_during_edit(monkeypatch, lambda: control.cancel(worker.ledger, job_id) and None)
    worker.run()
    spending = worker.runtime.limits.budget.spending()
    assert (spending.aside, spending.spent) == (0, 50)  # it was on its way: it may have been charged
    assert worker.result(job_id)["state"] == "cancelled"
    assert worker.in_flight() == {}


@pytest.mark.parametrize(
    ("rule", "state", "spent"),
    [
        ({"endpoint": "run_sse", "kind": "noop"}, "failed", 50),
        ({"endpoint": "run_sse", "kind": "cut", "landed": False}, "unconfirmed", 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_an_edit_cost_that_came_to_nothing_is_in_its_result(
    worker: WorkerHarness, studio: Studio, clip: Path, rule: dict[str, Any], state: str, spent: int
) -> None:
    studio.faults(rule)
    job_id = worker.submit(clip)
    worker.run()
    result = worker.result(job_id)
    assert result["state"] == state
    before = result["credits"]["before"]
    assert result["credits"] == {"before": before, "after": before - spent, "spent": spent}


def test_what_a_lost_session_cost_is_in_its_result(worker: WorkerHarness, studio: Studio, clip: Path) -> None:
    studio.faults(
        {"endpoint": "run_sse", "kind": "cut", "landed": True, "count": 1},
        {"endpoint": "state", "kind": "code", "code": 1002, "after": 1},
    )
    job_id = worker.submit(clip)
    worker.run()
    result = worker.result(job_id)
    assert (result["state"], result["error"]["code"]) == ("unconfirmed", "session_gone")
    assert result["credits"]["spent"] == 50


# --- what the worker, the ledger and its limits do ------------------------------------------------


def test_a_stop_while_the_limiter_waits_leaves_the_instruction_pending_and_nothing_set_aside(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    stopping = worker.runtime.stopping
    rate = RateLimiter(worker.ledger, 0.05, make_sleep(stopping))
    slow = replace(worker.runtime, limits=replace(worker.runtime.limits, rate=rate))
    job_id = worker.submit(clip)
    worker.run_until_at(job_id, Step.EDIT)
    rate.wait()  # the next permit is twenty seconds away
    threading.Timer(0.4, stopping.set).start()
    message = worker.messages.popleft()
    began = time.monotonic()
    Runner(slow).run(message.job_id, message.step)
    assert 0.3 < time.monotonic() - began < 10
    job = worker.job(job_id)
    assert (job.state, job.step, job.attempts) == (State.QUEUED, Step.EDIT, 0)
    assert job.checkpoint.instructions[0].status is InstructionStatus.PENDING
    assert worker.runtime.limits.budget.spending().aside == 0
    assert studio.paths().count("run_sse") == 0
    stopping.clear()
    worker.run()
    assert studio.charges() == 1


def test_nothing_is_sent_when_no_replica_confirms_that_it_will_be(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.ledger.WAIT_FOR_REPLICA_MS", 100)
    monkeypatch.setattr(worker.ledger, "replicas", 1)  # and the server has none
    job_id = worker.submit(clip)
    worker.run_until_at(job_id, Step.EDIT)
    worker.step()
    job = worker.job(job_id)
    assert (job.state, job.step) == (State.WAITING, Step.EDIT)
    assert "no replica" in job.reason
    assert job.checkpoint.instructions[0].status is InstructionStatus.PENDING
    assert worker.runtime.limits.budget.spending().aside == 0
    assert studio.paths().count("run_sse") == 0


def test_a_worker_in_mid_stream_tells_a_ledger_that_came_back_older_what_it_has_sent(
    worker: WorkerHarness, studio: Studio, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = worker.submit(clip)
    worker.run_until_at(job_id, Step.EDIT)
    client = worker.ledger.client
    keys = [key for key in client.keys("dropscore:*") if key != "dropscore:clock"]
    before = {key: dict(client.hgetall(key)) for key in keys if client.type(key) == "hash"}
    sets = {key: client.zrange(key, 0, -1, withscores=True) for key in keys if client.type(key) == "zset"}
    seen: list[InstructionStatus] = []

    def lose_last_writes() -> None:
        client.delete(*[key for key in client.keys("dropscore:*") if key != "dropscore:clock"])
        for key, fields in before.items():
            client.hset(key, mapping=fields)
        for key, members in sets.items():
            client.zadd(key, dict(members))
        assert worker.job(job_id).checkpoint.instructions[0].status is InstructionStatus.PENDING
        worker.runtime.heartbeat.renew_all()
        seen.append(worker.job(job_id).checkpoint.instructions[0].status)

    with monkeypatch.context() as patch:
        do_during_edit(patch, lose_last_writes)
        worker.step()
    assert seen == [InstructionStatus.SENDING]
    # The lease is a while ahead; the test need not wait for it.
    client.zadd("dropscore:due:edit", {job_id: worker.ledger.now()})
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert studio.paths().count("run_sse") == studio.charges() == 1


def test_a_follower_of_a_lost_lease_that_another_worker_has_changes_nothing(
    redis_url: str, studio: Studio, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        open_worker(redis_url, studio, tmp_path / "out", **FAST) as one,
        open_worker(redis_url, studio, tmp_path / "out", name="two", keep=True, **FAST) as two,
    ):
        job_id = one.submit(clip)
        one.run_until_at(job_id, Step.EDIT)

        def let_the_other_take_over() -> None:
            monkeypatch.undo()
            one.ledger.client.zadd("dropscore:due:edit", {job_id: one.ledger.now()})
            two.run(until=lambda: two.job(job_id).step is not Step.EDIT or two.job(job_id).ended)
            one.runtime.heartbeat.renew_all()

        do_during_edit(monkeypatch, let_the_other_take_over)
        one.step()
        two.run()
        assert studio.paths().count("run_sse") == studio.charges() == 1
        assert two.job(job_id).state is State.DONE
        assert two.in_flight() == {}
