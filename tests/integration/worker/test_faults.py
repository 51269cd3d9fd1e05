"""What the service can do to us: each file ends as the contract says, and each instruction is paid once."""

from pathlib import Path
from typing import Any

import av
import pytest

from jobs import control
from jobs.model import Gate, State, Step
from tests.integration.worker.harness import Studio, WorkerHarness

pytestmark = pytest.mark.integration

ONCE: dict[str, Any] = {"count": 1}


def whole(path: Path) -> bool:
    with av.open(str(path)) as container:
        return {stream.type for stream in container.streams} == {"video", "audio"}


def test_a_file_goes_all_the_way(worker: WorkerHarness, studio: Studio, clip: Path) -> None:
    job_id = worker.submit(clip)
    worker.run()
    result = worker.result(job_id)
    assert result["state"] == "done"
    assert result["timeline"].startswith("Timeline (2 tracks): 1. Video: clip (0-1s) 2. BGM: ")
    assert result["error"] is None
    assert result["credits"]["spent"] == 50
    assert [record["step"] for record in result["steps"]] == list(Step)
    assert result["changes"]
    assert studio.charges() == 1
    assert whole(Path(result["output"]))
    assert result["bytes"] == Path(result["output"]).stat().st_size


SURVIVED = [
    {"endpoint": "token", "kind": "429", "retry_after": 0.2},
    {"endpoint": "session", "kind": "status", "status": 503},
    {"endpoint": "session", "kind": "no_envelope"},
    {"endpoint": "session", "kind": "reset"},
    {"endpoint": "upload", "kind": "status", "status": 500},
    {"endpoint": "upload", "kind": "reset"},
    {"endpoint": "upload", "kind": "429"},
    {"endpoint": "upload", "kind": "code", "code": 1002},
    {"endpoint": "state", "kind": "status", "status": 502},
    {"endpoint": "balance", "kind": "code", "code": 1001, "carrier": "both"},
    {"endpoint": "run_sse", "kind": "429", "retry_after": 0.2},
    {"endpoint": "run_sse", "kind": "429", "retry_after_date": True},
    {"endpoint": "run_sse", "kind": "code", "code": 1002, "carrier": "status"},
    {"endpoint": "run_sse", "kind": "code", "code": 1001},
    {"endpoint": "run_sse", "kind": "status", "status": 503},
    {"endpoint": "run_sse", "kind": "status", "status": 500, "landed": True},
    {"endpoint": "run_sse", "kind": "cut", "landed": True},
    {"endpoint": "run_sse", "kind": "reset", "landed": True},
    {"endpoint": "run_sse", "kind": "silent"},
    {"endpoint": "run_sse", "kind": "question"},
    {"endpoint": "run_sse", "kind": "trailing_noise"},
    {"endpoint": "run_sse", "kind": "error_in_stream", "landed": True},
    {"endpoint": "run_sse", "kind": "dialect", "variant": "a"},
    {"endpoint": "render", "kind": "timeout", "landed": True, "hold_s": 0.2},
    {"endpoint": "render", "kind": "status", "status": 502, "landed": True},
    {"endpoint": "render", "kind": "429"},
    {"endpoint": "render", "kind": "failed_render"},
    {"endpoint": "status", "kind": "status", "status": 503},
    {"endpoint": "status", "kind": "shape", "variant": "data"},
    {"endpoint": "status", "kind": "reset"},
    {"endpoint": "cdn", "kind": "dead_url"},
    {"endpoint": "cdn", "kind": "html"},
    {"endpoint": "cdn", "kind": "short"},
    {"endpoint": "cdn", "kind": "reset"},
    {"endpoint": "cdn", "kind": "slow", "bytes_per_s": 200_000},
]


@pytest.mark.parametrize("rule", SURVIVED, ids=lambda rule: "-".join(str(part) for part in rule.values()))
def test_a_passing_fault_is_survived_and_paid_once(
    worker: WorkerHarness, studio: Studio, clip: Path, rule: dict[str, Any]
) -> None:
    studio.faults({**ONCE, **rule})
    job_id = worker.submit(clip)
    worker.run(until=lambda: worker.job(job_id).ended)
    result = worker.result(job_id)
    assert (result["state"], result["error"]) == ("done", None)
    assert whole(Path(result["output"]))
    assert studio.charges() == 1
    assert list(worker.outbox.glob(".*")) == []
    assert worker.in_flight() == {}
    assert worker.runtime.limits.budget.spending().aside == 0


def test_a_cut_that_did_not_land_is_unconfirmed_and_never_resent(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    studio.faults({"endpoint": "run_sse", "kind": "cut", "landed": False, "count": 1})
    job_id = worker.submit(clip)
    worker.run()
    result = worker.result(job_id)
    assert result["state"] == "unconfirmed"
    assert "--resend" in result["error"]["advice"]
    assert studio.paths().count("run_sse") == 1
    control.retry(worker.ledger, job_id)
    worker.run()
    assert worker.job(job_id).state is State.UNCONFIRMED
    assert studio.paths().count("run_sse") == 1
    control.retry(worker.ledger, job_id, resend=True)
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert studio.paths().count("run_sse") == 2


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"endpoint": "run_sse", "kind": "noop"}, "nothing_changed"),
        ({"endpoint": "run_sse", "kind": "question"}, "agent_asked"),
        ({"endpoint": "run_sse", "kind": "error_in_stream", "landed": False}, "agent_failed"),
        ({"endpoint": "render", "kind": "failed_render"}, "render_failed"),
        ({"endpoint": "render", "kind": "dead_render"}, "render_stalled"),
        ({"endpoint": "upload", "kind": "code", "code": 4001}, "unsupported_file"),
        ({"endpoint": "upload", "kind": "code", "code": 4002, "carrier": "both"}, "file_too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_lasting_fault_fails_with_its_code_and_advice(
    worker: WorkerHarness, studio: Studio, clip: Path, rule: dict[str, Any], code: str
) -> None:
    studio.faults(rule)
    job_id = worker.submit(clip)
    worker.run()
    result = worker.result(job_id)
    assert (result["state"], result["error"]["code"]) == ("failed", code)
    assert result["error"]["advice"]
    assert studio.charges() <= 1
    assert list(worker.outbox.glob("*.mp4")) == []


def test_a_failed_render_is_tried_once_more_under_a_new_id(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    studio.faults({"endpoint": "render", "kind": "failed_render"})
    worker.submit(clip)
    worker.run()
    renders = studio.ledger()["renders"]
    assert len({render["id"] for render in renders}) == len(renders) == 2


def test_out_of_credits_parks_and_goes_on_when_there_are_some(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    first = worker.submit(clip, name="first")
    worker.run()
    studio.credits(0)
    rest = [worker.submit(clip, name=f"rest{number}") for number in range(4)]
    worker.run()
    assert worker.job(first).state is State.DONE
    parked = list(worker.ledger.all_in(State.PARKED))
    assert parked
    assert {worker.job(job_id).state for job_id in rest} <= {State.PARKED, State.QUEUED}
    closed = worker.runtime.gates.closed()[Gate.CREDITS]
    assert "/register?bind=" in closed.advice
    assert worker.result(parked[0].id)["error"]["advice"] == closed.advice
    studio.credits(1000)
    worker.run(until=lambda: worker.counts()[State.DONE] == 5)
    results = [worker.result(job_id) for job_id in rest]
    assert [result["steps"][1]["attempts"] for result in results] == [1] * 4
    assert studio.charges() == 5


def test_a_blocked_export_keeps_every_edit_and_then_only_renders(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    studio.plan("free")
    ids = [worker.submit(clip, name=f"clip{number}") for number in range(3)]
    worker.run(until=lambda: all(worker.job(job_id).step is Step.RENDER for job_id in ids))
    worker.run(until=lambda: worker.counts()[State.PARKED] > 0)
    assert studio.charges() == 3
    (parked, *_) = worker.ledger.all_in(State.PARKED)
    assert worker.result(parked.id)["error"]["advice"] == "Register or upgrade your plan to unlock export."
    studio.plan("pro")
    worker.run(until=lambda: worker.counts()[State.DONE] == 3)
    assert studio.charges() == 3
    assert studio.paths().count("run_sse") == 3


def test_several_instructions_are_sent_in_order_in_one_session(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = worker.submit(clip, "add calm background music", "title 'Urban Dreams' for 1 second", "credits")
    worker.run()
    result = worker.result(job_id)
    assert result["state"] == "done"
    assert 'Title: "Urban Dreams"' in result["timeline"]
    assert "BGM: " in result["timeline"]
    assert any(text.startswith("Credits: ") for text in result["texts"])
    assert studio.paths().count("run_sse") == 2
    assert studio.paths().count("session") == 1


def test_a_question_alone_is_answered_without_an_edit(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = worker.submit(clip, "balance")
    worker.run()
    result = worker.result(job_id)
    assert (result["state"], result["output"]) == ("done", None)
    assert studio.charges() == 0


def test_a_source_that_changed_or_went_is_one_clear_line(
    worker: WorkerHarness, clip: Path, tmp_path: Path
) -> None:
    copy, gone = tmp_path / "copy.mp4", tmp_path / "gone.mp4"
    for path in (copy, gone):
        path.write_bytes(clip.read_bytes())
    ids = [worker.submit(copy), worker.submit(gone)]
    copy.write_bytes(clip.read_bytes() + b"more")
    gone.unlink()
    worker.run()
    assert [worker.result(job_id)["error"]["code"] for job_id in ids] == ["source_changed", "source_gone"]


def test_every_step_delivered_five_times_has_the_effects_of_one(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    job_id = worker.submit(clip)
    for _ in range(400):
        worker.tick()
        if not worker.step():
            if worker.job(job_id).ended:
                break
            continue
        for step in Step:
            for _ in range(5):
                worker.runner.run(job_id, step)
    worker.run()
    assert worker.job(job_id).state is State.DONE
    seen = studio.paths()
    assert [seen.count(name) for name in ("session", "upload", "run_sse", "render")] == [1, 1, 1, 1]
    assert studio.charges() == 1


def test_each_file_is_told_its_own_cost_though_many_are_edited_at_once(
    worker: WorkerHarness, clip: Path
) -> None:
    ids = [worker.submit(clip, name=f"clip{number}") for number in range(6)]
    worker.run()
    assert [worker.result(job_id)["credits"]["spent"] for job_id in ids] == [50] * 6


def test_a_paid_timeline_that_a_new_session_refuses_is_a_persons_to_decide(
    worker: WorkerHarness, studio: Studio, clip: Path
) -> None:
    lost = {"endpoint": "render", "kind": "code", "code": 1002, "count": 1}
    studio.faults(lost, {"endpoint": "render", "kind": "code", "code": 400})
    job_id = worker.submit(clip)
    worker.run()
    result = worker.result(job_id)
    assert (result["state"], result["error"]["code"]) == ("unconfirmed", "session_gone")
    assert studio.charges() == 1
    studio.faults()
    control.retry(worker.ledger, job_id, resend=True)
    worker.run()
    assert worker.job(job_id).state is State.DONE
    assert studio.charges() == 2
