"""The ledger: claims, leases, fencing, the clock."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobs.connection import connect
from jobs.errors import LeaseLost, LedgerUnreachable, NoSuchJob, NotAllowed
from jobs.lease import Heartbeat, Lease
from jobs.ledger import GRACE_S, Ledger, Move
from jobs.model import ACTIVE, Checkpoint, Job, Problem, SessionRef, Spec, State, Step
from tests.conftest import Wall


def spec(source: str = "/in/clip.mp4", **changes: Any) -> Spec:
    named = {"source": source, "root": "/in", "output": "", "result": "", "skill": "add-music"}
    return Spec(**named, instructions=("add music",), fingerprint="f", size_bytes=7, created=1.0).evolve(
        **changes
    )


def submit(ledger: Ledger, job_id: str = "j1", source: str = "/in/clip.mp4", **changes: Any) -> Job:
    ledger.submit(job_id, spec(source, **changes), [f"/out/{Path(source).stem}.mp4", f"/out/{job_id}.mp4"])
    return ledger.get(job_id)


def claim(ledger: Ledger, job_id: str = "j1", step: Step = Step.UPLOAD) -> Job:
    job = ledger.claim(job_id, step, "w1", 30)
    assert job is not None
    return job


def test_a_job_comes_back_as_it_was_submitted(ledger: Ledger) -> None:
    job = submit(ledger, priority=1, language="zh-CN", duration_s=3.5)
    assert job.spec == spec(
        output="/out/clip.mp4", result="/out/clip.result.json", priority=1, language="zh-CN", duration_s=3.5
    )
    assert (job.state, job.step, job.begun, job.attempts) == (State.QUEUED, Step.UPLOAD, False, 0)


def test_a_wait_that_is_over_for_one_worker_is_over_for_one_whose_clock_is_behind(
    ledger: Ledger, wall: Wall
) -> None:
    submit(ledger)
    assert ledger.move(
        claim(ledger), Move(State.WAITING, Step.EDIT, ledger.now() + 5, ledger.now() + 5), Checkpoint(), ()
    )
    behind = Ledger(ledger.client, lambda: wall() - 0.01)
    wall.go(4.99)
    assert behind.claim("j1", Step.EDIT, "w2", 30) is None
    wall.go(0.01)
    assert [due.job_id for due in ledger.take_due(5)] == ["j1"]
    assert behind.claim("j1", Step.EDIT, "w2", 30)


def test_the_same_identity_is_taken_in_once_however_many_ask(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda n: ledger.submit("same", spec(), [f"/out/{n}.mp4"]), range(50)))
    assert [one.new for one in said].count(True) == 1
    assert ledger.counts()[State.QUEUED] == 1


def test_two_sources_never_get_the_same_output(ledger: Ledger) -> None:
    first = submit(ledger, "j1", "/in/a/clip.mov")
    second = submit(ledger, "j2", "/in/b/clip.mp4")
    assert first.spec.output == "/out/clip.mp4"
    assert second.spec.output == "/out/j2.mp4"


def test_a_mended_source_takes_over_the_name_of_its_failed_job(ledger: Ledger) -> None:
    problem = Problem(kind="UnsupportedFile", message="no media")
    ledger.submit("bad", spec(), ["/out/clip.mp4"], problem=problem)
    assert ledger.get("bad").problem == problem
    assert submit(ledger, "good").spec.output == "/out/clip.mp4"


def test_a_refused_source_is_failed_and_never_due(ledger: Ledger, wall: Any) -> None:
    ledger.submit("bad", spec(), ["/out/clip.mp4"], problem=Problem(kind="EmptyFile"))
    wall.go(10_000)
    assert ledger.take_due(10) == []
    assert ledger.counts()[State.FAILED] == 1


def test_seen_tells_unchanged_sources(ledger: Ledger) -> None:
    ledger.submit("j1", spec(), ["/out/clip.mp4"], note="7:99")
    assert ledger.seen(["/in/clip.mp4", "/in/other.mp4"]) == [("7:99", "j1"), None]


def test_only_one_of_many_claims_succeeds(ledger: Ledger) -> None:
    submit(ledger)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: ledger.claim("j1", Step.UPLOAD, f"w{n}", 30), range(40)))
    assert [job for job in got if job] == [ledger.get("j1")]
    assert ledger.get("j1").epoch == 1


def test_a_message_of_another_step_claims_nothing(ledger: Ledger) -> None:
    submit(ledger)
    assert ledger.claim("j1", Step.RENDER, "w1", 30) is None
    assert ledger.claim("nobody", Step.UPLOAD, "w1", 30) is None


def test_an_ended_lease_is_taken_over_and_the_first_holder_is_fenced(ledger: Ledger, wall: Any) -> None:
    submit(ledger)
    first = claim(ledger)
    assert ledger.claim("j1", Step.UPLOAD, "w2", 30) is None
    wall.go(31)
    second = claim(ledger)
    assert (second.epoch, second.crashes) == (2, 1)
    assert ledger.checkpoint(first, Checkpoint(summary="late")) is False
    assert ledger.move(first, Move(State.DONE, Step.UPLOAD), Checkpoint(), ()) is False
    assert ledger.get("j1").checkpoint == Checkpoint()
    assert ledger.checkpoint(second, Checkpoint(summary="mine")) is True
    assert ledger.get("j1").checkpoint.summary == "mine"


def test_a_heartbeat_keeps_a_lease_and_learns_of_a_lost_one(ledger: Ledger, wall: Any) -> None:
    submit(ledger)
    lost: list[Lease] = []
    beat = Heartbeat(ledger, 30, lost.append)
    lease = Lease(claim(ledger), ledger, 30)
    beat.hold(lease)
    for _ in range(5):
        wall.go(20)
        beat.beat()
        assert ledger.take_due(10) == []
    wall.go(31)
    claim(ledger)
    beat.beat()
    assert lost == [lease]
    with pytest.raises(LeaseLost):
        lease.ensure_fresh()
    with pytest.raises(LeaseLost):
        lease.keep(Checkpoint(summary="late"))


def test_a_step_that_has_just_ended_is_no_lost_lease(ledger: Ledger) -> None:
    submit(ledger)
    lost: list[Lease] = []
    beat = Heartbeat(ledger, 30, lost.append)
    lease = Lease(claim(ledger), ledger, 30)
    beat.hold(lease)
    lease.move(Move(State.QUEUED, Step.EDIT, due=ledger.now()), ())
    beat.beat()  # before the lease is dropped
    assert lost == []


def test_a_frozen_holder_does_not_start_what_is_paid(ledger: Ledger, wall: Any) -> None:
    submit(ledger)
    at = [100.0]
    lease = Lease(claim(ledger), ledger, 30, monotonic=lambda: at[0])
    lease.ensure_fresh()
    at[0] += 60
    with pytest.raises(LeaseLost):
        lease.ensure_fresh()


def test_each_due_job_goes_to_one_clock(ledger: Ledger, wall: Any) -> None:
    for number in range(60):
        submit(ledger, f"j{number}", f"/in/{number}.mp4")
    wall.go(1)
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: ledger.take_due(10), range(20)))
    taken = [due.job_id for batch in batches for due in batch]
    assert sorted(taken) == sorted(f"j{number}" for number in range(60))


def test_a_lost_message_is_due_again(ledger: Ledger, wall: Any) -> None:
    submit(ledger)
    assert [due.job_id for due in ledger.take_due(5)] == ["j1"]
    assert ledger.take_due(5) == []
    wall.go(GRACE_S + 1)
    assert [due.job_id for due in ledger.take_due(5)] == ["j1"]


def test_a_waiting_job_cannot_be_claimed_early(ledger: Ledger, wall: Any) -> None:
    submit(ledger)
    later = ledger.now() + 30
    assert ledger.move(claim(ledger), Move(State.WAITING, Step.POLL, later, later), Checkpoint(), ())
    assert ledger.claim("j1", Step.POLL, "w1", 30) is None
    wall.go(30)
    assert [due.step for due in ledger.take_due(5)] == [Step.POLL]
    assert claim(ledger, step=Step.POLL).epoch == 2


def test_every_unfinished_job_is_in_the_clock_exactly_once(ledger: Ledger) -> None:
    for number, move in enumerate((Move(State.DONE, Step.DOWNLOAD), Move(State.QUEUED, Step.EDIT, due=5.0))):
        submit(ledger, f"j{number}", f"/in/{number}.mp4")
        assert ledger.move(claim(ledger, f"j{number}"), move, Checkpoint(), ())
    assert ledger.client.zrange("dropscore:due", 0, -1) == ["j1"]
    assert ledger.counts() == {**dict.fromkeys(State, 0), State.DONE: 1, State.QUEUED: 1}


def test_a_person_cancels_what_runs_and_fences_its_holder(ledger: Ledger) -> None:
    submit(ledger)
    job = claim(ledger)
    assert ledger.order("j1", State.CANCELLED, among=ACTIVE, due=None) is State.RUNNING
    assert ledger.checkpoint(job, Checkpoint(session=SessionRef(session_id="s"))) is False
    with pytest.raises(NotAllowed, match="is cancelled"):
        ledger.order("j1", State.CANCELLED, among=ACTIVE, due=None)
    with pytest.raises(NoSuchJob):
        ledger.order("nobody", State.CANCELLED, among=ACTIVE, due=None)


def test_while_draining_only_begun_jobs_are_claimed(ledger: Ledger) -> None:
    submit(ledger, "begun", "/in/a.mp4")
    submit(ledger, "fresh", "/in/b.mp4")
    moved = Move(State.QUEUED, Step.EDIT, due=ledger.now())
    assert ledger.move(claim(ledger, "begun"), moved, Checkpoint(), ())
    ledger.drain(on=True)
    assert ledger.begun() == 1
    assert ledger.claim("fresh", Step.UPLOAD, "w1", 30) is None
    assert ledger.claim("begun", Step.EDIT, "w1", 30) is not None
    ledger.drain(on=False)
    assert ledger.claim("fresh", Step.UPLOAD, "w1", 30) is not None


def test_a_backlog_stays_in_its_lane_until_it_begins(ledger: Ledger) -> None:
    submit(ledger, "old", "/in/old.mp4", priority=5)
    submit(ledger, "new", "/in/new.mp4")
    assert {due.job_id: due.lane for due in ledger.take_due(5)} == {"old": "backlog", "new": "new"}
    assert ledger.move(claim(ledger, "old"), Move(State.QUEUED, Step.EDIT, due=0.0), Checkpoint(), ())
    assert [(due.job_id, due.lane) for due in ledger.take_due(5)] == [("old", "begun")]


def test_what_has_begun_goes_before_what_waits_longer(ledger: Ledger, wall: Any) -> None:
    for number in range(5):
        submit(ledger, f"backlog{number}", f"/in/{number}.mp4", priority=5)
    wall.go(1)
    submit(ledger, "dropped", "/in/dropped.mp4")
    submit(ledger, "begun", "/in/begun.mp4")
    due = ledger.now() + 1
    assert ledger.move(claim(ledger, "begun"), Move(State.WAITING, Step.POLL, due, due), Checkpoint(), ())
    wall.go(2)
    found = [(item.job_id, item.lane) for item in ledger.take_due(2, room=3)]
    assert found == [("begun", "begun"), ("dropped", "new"), ("backlog0", "backlog"), ("backlog1", "backlog")]
    assert ledger.take_due(2, room=0) == []  # no room for more of the backlog; nothing else is due


def test_a_cancelled_job_that_never_began_is_in_no_line(ledger: Ledger) -> None:
    submit(ledger, "old", "/in/old.mp4", priority=5)
    submit(ledger, "new", "/in/new.mp4")
    for job_id in ("old", "new"):
        ledger.order(job_id, State.CANCELLED, among=ACTIVE, due=None)
    assert ledger.take_due(5) == []


@pytest.mark.integration
def test_a_job_is_about_a_kilobyte(redis_url: str) -> None:
    with connect(redis_url) as client:  # fakeredis weighs nothing
        client.flushall()
        submit(Ledger(client), source="/srv/channels/archive/2024/season-3/episode-017 (final).mp4")
        assert client.memory_usage("dropscore:job:j1") < 1500


def test_a_server_that_is_gone_is_an_error_of_ours(tmp_path: Path) -> None:
    client = connect(f"unix://{tmp_path}/nobody.sock")
    client.connection_pool.connection_kwargs["retry"]._retries = 0
    with pytest.raises(LedgerUnreachable):
        Ledger(client).counts()
