"""Leases and their heartbeat: what a running step may still do, and what is written of what it reached."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from jobs.errors import LeaseLost, LedgerUnreachable, NotDurable
from jobs.lease import PATIENCE_S, Heartbeat, Lease
from jobs.ledger import Claim, Commit, Ledger, StepResult
from jobs.model import (
    ACTIVE,
    Checkpoint,
    InstructionState,
    InstructionStatus,
    Job,
    RenderRef,
    SessionRef,
    State,
    Step,
    UploadRef,
)
from jobs.redis import connect
from tests.conftest import Wall
from tests.unit.jobs.actions import (
    LEASE_S,
    admit,
    admit_ids,
    bring_to,
    claim,
    claim_alone,
    end_step,
    submit,
    try_claim,
)

REACHED = Checkpoint(
    session=SessionRef(session_id="s1"),
    upload=UploadRef(sha256="ab"),
    instructions=(InstructionState(text="add music", status=InstructionStatus.LANDED),),
    draft={"tracks": [{"clip": number, "gain": 0.5} for number in range(2000)]},
    render=RenderRef(render_id="r1"),
)


class Recorder:
    """A ledger in front of another, which notes what a lease writes and can fail as the server does."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.saved: list[dict[str, str]] = []
        self.committed: list[dict[str, str]] = []
        self.fails: list[Exception] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def save(self, job: Job, fields: Mapping[str, str], *, durable: bool = False) -> bool:
        self.saved.append(dict(fields))
        written = self._ledger.save(job, fields, durable=durable)
        if self.fails:
            raise self.fails.pop(0)
        return written

    def commit(
        self, job: Job, result: StepResult, fields: Mapping[str, str], steps: Any, claim: Claim | None
    ) -> Commit:
        self.committed.append(dict(fields))
        return self._ledger.commit(job, result, fields, steps, claim)


def hold(ledger: Ledger, step: Step = Step.UPLOAD, sleep: Callable[[float], None] | None = None) -> Lease:
    submit(ledger)
    bring_to(ledger, "j1", step)
    return Lease(claim(ledger, step=step), ledger, LEASE_S, sleep=sleep or (lambda _: None))


def polling(ledger: Ledger, checkpoint: Checkpoint = REACHED) -> tuple[Lease, Recorder]:
    """A lease of a job that is polled, all of it reached, and what it writes from now on."""
    submit(ledger)
    bring_to(ledger, "j1", Step.RENDER)
    job = claim_alone(ledger, "j1", Step.RENDER)
    assert end_step(ledger, job, State.QUEUED, Step.POLL, checkpoint=checkpoint)
    recorder = Recorder(ledger)
    return Lease(claim_alone(ledger, "j1", Step.POLL), recorder, LEASE_S), recorder  # type: ignore[arg-type] # stands in


def test_a_poll_writes_its_render_alone(ledger: Ledger) -> None:
    """The checkpoint was written whole at every poll, draft included: 40 kB for a number."""
    lease, recorder = polling(ledger)
    assert lease.checkpoint.render is not None
    lease.checkpoint = lease.checkpoint.evolve(render=lease.checkpoint.render.evolve(polls=1, progress=0.25))
    lease.commit(StepResult(State.WAITING, Step.POLL, ledger.now() + 20), ())
    assert [set(fields) for fields in recorder.committed] == [{"render"}]
    assert len(recorder.committed[0]["render"]) < 100
    found = ledger.get("j1").checkpoint
    assert found == REACHED.evolve(render=RenderRef(render_id="r1", polls=1, progress=0.25))


@pytest.mark.integration
def test_a_poll_sends_few_bytes_to_the_server(redis_url: str) -> None:
    with connect(redis_url) as client:
        client.flushall()
        ledger = Ledger(client)
        lease, _ = polling(ledger)
        assert lease.checkpoint.render is not None
        lease.checkpoint = lease.checkpoint.evolve(render=lease.checkpoint.render.evolve(polls=1))
        before = client.info("stats")["total_net_input_bytes"]
        lease.commit(StepResult(State.WAITING, Step.POLL, ledger.now() + 20), ())
        sent = client.info("stats")["total_net_input_bytes"] - before
    assert sent < 1000


def test_a_save_writes_what_changed_since_the_last_one(ledger: Ledger) -> None:
    lease, recorder = polling(ledger)
    lease.save(REACHED.evolve(summary="one track"))
    lease.save(REACHED.evolve(summary="one track", upload=None))
    lease.save(REACHED.evolve(summary="one track", upload=None))
    assert [set(fields) for fields in recorder.saved] == [{"checkpoint"}, {"upload"}, set()]
    lease.commit(StepResult(State.QUEUED, Step.DOWNLOAD, ledger.now()), ())
    assert recorder.committed == [{}]
    assert ledger.get("j1").checkpoint == REACHED.evolve(summary="one track", upload=None)


def test_what_is_only_changed_in_memory_is_lost_with_its_worker(ledger: Ledger, wall: Wall) -> None:
    lease = hold(ledger)
    lease.checkpoint = REACHED
    wall.go(LEASE_S + 1)
    assert claim(ledger).checkpoint == Checkpoint()


@pytest.mark.parametrize("fails", [NotDurable("no replica"), LedgerUnreachable("away")])
def test_a_message_that_was_never_sent_does_not_stay_recorded_as_sent(
    ledger: Ledger, wall: Wall, fails: Exception
) -> None:
    """`sending` is written and not confirmed: to put `pending` back is a change each time."""
    pending = InstructionState(text="add music", before="d0", attempts=1)
    lease, recorder = polling(ledger, REACHED.evolve(instructions=(pending,)))
    sending = pending.evolve(status=InstructionStatus.SENDING, attempts=2)
    lease.sleep = wall.go
    recorder.fails = [fails] * 1000
    with pytest.raises(type(fails)):
        lease.save(lease.checkpoint.evolve(instructions=(sending,)), durable=True)
    assert ledger.get("j1").checkpoint.instructions == (sending,)
    lease.checkpoint = lease.checkpoint.evolve(instructions=(pending,))
    lease.commit(StepResult(State.QUEUED, Step.EDIT, ledger.now()), ())
    assert ledger.get("j1").checkpoint.instructions == (pending,)


def test_a_write_waits_for_a_server_that_is_away(ledger: Ledger, wall: Wall) -> None:
    lease, recorder = polling(ledger)
    recorder.fails = [LedgerUnreachable("away")] * 3
    lease.sleep = wall.go
    lease.save(REACHED.evolve(summary="s"))
    assert len(recorder.saved) == 4
    assert ledger.get("j1").checkpoint.summary == "s"


def test_a_write_does_not_wait_for_ever(ledger: Ledger, wall: Wall) -> None:
    lease, recorder = polling(ledger)
    recorder.fails = [LedgerUnreachable("away")] * 1000
    lease.sleep = wall.go
    began = wall.at
    with pytest.raises(LedgerUnreachable):
        lease.save(REACHED.evolve(summary="s"))
    assert PATIENCE_S <= wall.at - began <= PATIENCE_S + 2
    assert not lease.lost


@pytest.mark.parametrize("durable", [False, True])
def test_a_stale_write_ends_the_lease(ledger: Ledger, durable: bool) -> None:
    lease = hold(ledger)
    ledger.transition("j1", State.CANCELLED, among=ACTIVE)
    with pytest.raises(LeaseLost, match="j1"):
        lease.save(REACHED, durable=durable)
    assert lease.lost
    with pytest.raises(LeaseLost):
        lease.ensure_fresh()
    with pytest.raises(LeaseLost):
        lease.commit(StepResult(State.QUEUED, Step.EDIT, ledger.now()), ())
    assert ledger.get("j1").checkpoint == Checkpoint()


def test_a_frozen_holder_does_not_start_what_is_paid(ledger: Ledger, wall: Wall) -> None:
    lease = hold(ledger)
    wall.go(LEASE_S * 0.9)
    lease.ensure_fresh()
    wall.go(1)
    assert not lease.fresh
    with pytest.raises(LeaseLost, match="has ended"):
        lease.ensure_fresh()


def test_a_lease_is_fresh_by_the_hosts_own_clock_whatever_the_servers_says(
    ledger: Ledger, wall: Wall
) -> None:
    lease = hold(ledger)
    ledger._offset_s += 3600
    assert lease.fresh
    ledger._offset_s -= 7200
    assert lease.fresh
    wall.go(LEASE_S)
    assert not lease.fresh


def test_a_heartbeat_keeps_a_lease_and_learns_of_a_lost_one(ledger: Ledger, wall: Wall) -> None:
    lost: list[Lease] = []
    beat = Heartbeat(ledger, LEASE_S, lost.append)
    lease = hold(ledger)
    beat.hold(lease)
    for _ in range(5):
        wall.go(20)
        beat.renew_all()
        assert admit(ledger) == []
        assert lease.fresh
    wall.go(LEASE_S + 1)
    claim(ledger)
    beat.renew_all()
    assert lost == [lease]
    with pytest.raises(LeaseLost):
        lease.save(REACHED)


def test_a_server_that_is_away_is_no_reason_to_give_a_lease_up(ledger: Ledger, wall: Wall) -> None:
    lost: list[Lease] = []
    beat = Heartbeat(ledger, LEASE_S, lost.append)
    lease = hold(ledger)
    beat.hold(lease)

    def away(*_: Any, **__: Any) -> None:
        raise ConnectionError

    works, ledger.scripts.renew = ledger.scripts.renew, away
    wall.go(20)
    beat.renew_all()
    assert (lost, lease.lost, lease.fresh) == ([], False, True)
    ledger.scripts.renew = works
    wall.go(15)  # past the lease, but nobody has taken the job over
    assert not lease.fresh
    beat.renew_all()
    assert (lost, lease.fresh) == ([], True)
    lease.save(REACHED)


def test_a_step_that_has_just_ended_is_no_lost_lease(ledger: Ledger) -> None:
    lost: list[Lease] = []
    beat = Heartbeat(ledger, LEASE_S, lost.append)
    lease = hold(ledger)
    beat.hold(lease)
    lease.commit(StepResult(State.QUEUED, Step.EDIT, ledger.now()), ())
    beat.renew_all()  # before the lease is dropped
    assert (lost, lease.lost) == ([], False)


def test_a_dropped_lease_is_not_renewed_and_not_lost(ledger: Ledger, wall: Wall) -> None:
    lost: list[Lease] = []
    beat = Heartbeat(ledger, LEASE_S, lost.append)
    lease = hold(ledger)
    beat.hold(lease)
    beat.drop(lease)
    wall.go(LEASE_S + 1)
    beat.renew_all()
    assert admit_ids(ledger) == ["j1"]
    assert lost == []


def test_dropping_a_lease_keeps_the_one_that_came_after_it(ledger: Ledger, wall: Wall) -> None:
    beat = Heartbeat(ledger, LEASE_S, lambda _: None)
    first = hold(ledger)
    beat.hold(first)
    wall.go(LEASE_S + 1)
    second = Lease(claim(ledger), ledger, LEASE_S)
    beat.hold(second)
    beat.drop(first)
    wall.go(20)
    beat.renew_all()
    assert second.fresh
    assert admit(ledger) == []


def test_a_heartbeat_counts_what_its_process_holds(ledger: Ledger) -> None:
    beat = Heartbeat(ledger, LEASE_S, lambda _: None)
    leases = []
    for job_id, step in (("a", Step.EDIT), ("b", Step.EDIT), ("c", Step.DOWNLOAD)):
        submit(ledger, job_id)
        bring_to(ledger, job_id, step)
        leases.append(Lease(claim_alone(ledger, job_id, step), ledger, LEASE_S))
        beat.hold(leases[-1])
    assert beat.count_held() == {Step.EDIT: 2, Step.DOWNLOAD: 1}
    beat.drop(leases[0])
    assert beat.count_held()[Step.EDIT] == 1


def test_the_heartbeat_goes_on_after_an_error_that_nobody_foresaw(ledger: Ledger) -> None:
    beats = threading.Semaphore(0)
    submit(ledger)
    lease = Lease(claim(ledger), ledger, 0.03)
    beat = Heartbeat(ledger, 0.03, lambda _: None)
    works = ledger.scripts.renew

    def breaks_once(**named: Any) -> Any:
        beats.release()
        if ledger.scripts.renew is breaks_once:
            ledger.scripts.renew = counts
        raise RuntimeError("a fault of ours")

    def counts(**named: Any) -> Any:
        beats.release()
        return works(**named)

    ledger.scripts.renew = breaks_once
    beat.hold(lease)
    beat.start()
    assert all(beats.acquire(timeout=10) for _ in range(4))
    beat.drop(lease)


def test_two_workers_never_hold_one_job(ledger: Ledger, wall: Wall) -> None:
    first = hold(ledger)
    wall.go(LEASE_S + 1)
    second = Lease(claim(ledger, owner="w2"), ledger, LEASE_S)
    assert not first.fresh
    assert second.fresh
    assert try_claim(ledger, "j1", Step.UPLOAD, "w3") is None
    second.save(REACHED)
    with pytest.raises(LeaseLost):
        first.save(Checkpoint(summary="stale"))
    assert ledger.get("j1").checkpoint == REACHED
