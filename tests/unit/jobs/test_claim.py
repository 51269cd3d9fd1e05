"""Claims, fencing and renewals: one holder at a time, and nobody else writes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.gates import Gates
from jobs.ledger import Commit, Ledger, StepResult, pack_checkpoint
from jobs.model import (
    ACTIVE,
    Checkpoint,
    Gate,
    InstructionState,
    InstructionStatus,
    SessionRef,
    State,
    Step,
)
from tests.conftest import LIMITS, Wall
from tests.unit.jobs.actions import (
    LEASE_S,
    admit,
    admit_ids,
    bring_to,
    check_sets,
    claim,
    claim_alone,
    count_in_flight,
    due_at,
    end_step,
    look_up,
    submit,
    try_claim,
)

SUMMARY = {"checkpoint": '{"summary":"late"}'}


def close(ledger: Ledger, gate: Gate) -> None:
    Gates(ledger).close(gate, probe_at=0.0, message="why", advice="what to do")


def test_nothing_is_claimed_that_was_not_admitted(ledger: Ledger) -> None:
    submit(ledger)
    assert try_claim(ledger, "j1", Step.UPLOAD) is None
    assert ledger.get("j1").state is State.QUEUED


def test_a_message_that_comes_often_is_claimed_once(ledger: Ledger) -> None:
    submit(ledger)
    admit(ledger)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: try_claim(ledger, "j1", Step.UPLOAD, f"w{n}"), range(40)))
    assert [job for job in found if job] == [ledger.get("j1")]


def test_a_message_that_comes_again_after_the_step_ended_claims_nothing(ledger: Ledger) -> None:
    submit(ledger)
    job = claim(ledger)
    assert end_step(ledger, job, State.WAITING, Step.UPLOAD, after_s=60)
    assert try_claim(ledger, "j1", Step.UPLOAD) is None
    assert due_at(ledger, "j1") == pytest.approx(60, abs=0.01)


def test_a_claim_is_a_lease_under_a_fencing_token(ledger: Ledger) -> None:
    submit(ledger)
    job = claim(ledger, owner="host:7")
    assert (job.state, job.step, len(job.fence)) == (State.RUNNING, Step.UPLOAD, 16)
    assert job.until == pytest.approx(ledger.now() + LEASE_S, abs=0.01)
    assert job.started == pytest.approx(ledger.now(), abs=0.01)
    assert ledger.client.hget("dropscore:job:j1", "owner") == "host:7"
    assert due_at(ledger, "j1") == pytest.approx(LEASE_S, abs=0.01)
    assert look_up(ledger, "j1").in_flight == ("upload",)
    check_sets(ledger)


def test_fencing_tokens_do_not_repeat_after_the_ledger_came_back_older(ledger: Ledger) -> None:
    """A counter repeats after a failover: the stale holder's token was the new one's."""
    submit(ledger)
    admit(ledger)
    older = ledger.client.hgetall("dropscore:job:j1")
    fences = set()
    for _ in range(20):
        ledger.client.delete("dropscore:job:j1")
        ledger.client.hset("dropscore:job:j1", mapping=older)
        fences.add(claim_alone(ledger, "j1", Step.UPLOAD).fence)
    assert len(fences) == 20


def test_a_message_of_another_step_claims_nothing(ledger: Ledger) -> None:
    submit(ledger)
    admit(ledger)
    assert try_claim(ledger, "j1", Step.RENDER) is None
    assert try_claim(ledger, "nobody", Step.UPLOAD) is None


def test_a_late_message_of_an_earlier_step_does_not_use_up_the_admission_of_this_one(ledger: Ledger) -> None:
    submit(ledger)
    bring_to(ledger, "j1", Step.EDIT)
    admit(ledger)
    assert try_claim(ledger, "j1", Step.UPLOAD) is None
    assert try_claim(ledger, "j1", Step.EDIT) is not None


def test_an_ended_lease_is_taken_over_and_counted_as_a_crash(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    first = claim(ledger)
    wall.go(LEASE_S + 12)
    second = claim(ledger)
    assert (second.crashes, second.lapsed) == (1, pytest.approx(first.until))
    assert second.updated - second.lapsed == pytest.approx(12, abs=0.01)
    assert second.started == first.started
    wall.go(LEASE_S + 1)
    assert claim(ledger).crashes == 2


def test_a_step_that_ends_forgets_the_crashes_before_it(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    claim(ledger)
    wall.go(LEASE_S + 1)
    assert end_step(ledger, claim(ledger), State.QUEUED, Step.EDIT)
    job = claim(ledger, step=Step.EDIT)
    assert (job.crashes, job.lapsed) == (0, 0.0)


def refused_writes(ledger: Ledger, job_id: str, fence: str) -> None:
    """Every write of a holder with this token is refused, and leaves all as it was."""
    before = ledger.get(job_id), look_up(ledger, job_id), due_at(ledger, job_id)
    stale = before[0].evolve(fence=fence)
    assert ledger.save(stale, SUMMARY) is False
    assert ledger.save(stale, SUMMARY, durable=True) is False
    for result in (StepResult(State.DONE, Step.UPLOAD), StepResult(State.QUEUED, Step.EDIT, due=1.0)):
        assert ledger.commit(stale, result, SUMMARY, ()) is Commit.STALE
    assert ledger.renew({job_id: fence}, LEASE_S) == [job_id]
    assert (ledger.get(job_id), look_up(ledger, job_id), due_at(ledger, job_id)) == before


def test_a_holder_whose_job_was_taken_over_writes_nothing(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    first = claim(ledger)
    wall.go(LEASE_S + 1)
    second = claim(ledger)
    refused_writes(ledger, "j1", first.fence)
    assert ledger.save(second, SUMMARY) is True
    assert ledger.get("j1").checkpoint.summary == "late"


@pytest.mark.parametrize("fence", ["", "0" * 16])
def test_who_never_held_a_job_writes_nothing(ledger: Ledger, fence: str) -> None:
    submit(ledger)
    refused_writes(ledger, "j1", fence)
    claim(ledger)
    refused_writes(ledger, "j1", fence)


def test_a_holder_whose_job_was_cancelled_writes_nothing(ledger: Ledger) -> None:
    submit(ledger)
    job = claim(ledger)
    ledger.transition("j1", State.CANCELLED, among=ACTIVE)
    assert ledger.save(job, SUMMARY) is False
    assert not end_step(ledger, job, State.PARKED)  # it left a result "parked" beside a cancelled job
    assert ledger.renew({"j1": job.fence}, LEASE_S) == ["j1"]
    assert ledger.get("j1").state is State.CANCELLED
    check_sets(ledger)


def test_a_holder_whose_step_has_ended_writes_nothing_more(ledger: Ledger) -> None:
    submit(ledger)
    job = claim(ledger)
    assert end_step(ledger, job, State.QUEUED, Step.EDIT)
    refused_writes(ledger, "j1", job.fence)


def test_a_lease_that_is_renewed_is_not_admitted(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    job = claim(ledger)
    for _ in range(6):
        wall.go(20)
        assert ledger.renew({"j1": job.fence}, LEASE_S) == []
        assert admit(ledger) == []
        assert count_in_flight(ledger, "upload") == 1
    wall.go(LEASE_S + 1)
    assert admit_ids(ledger) == ["j1"]


def test_a_renewal_that_comes_late_takes_back_the_admission(ledger: Ledger, wall: Wall) -> None:
    """The job was admitted, then its worker, which lived, renewed again: two would have had it."""
    submit(ledger)
    job = claim(ledger)
    wall.go(LEASE_S + 1)
    assert admit_ids(ledger) == ["j1"]
    assert ledger.renew({"j1": job.fence}, LEASE_S) == []
    assert try_claim(ledger, "j1", Step.UPLOAD, "w2") is None
    assert ledger.save(job, SUMMARY) is True
    assert ledger.get("j1").crashes == 0


def test_many_leases_are_renewed_at_once_and_the_lost_ones_named(ledger: Ledger) -> None:
    ledger.limits = {}
    held = {}
    for number in range(4):
        submit(ledger, f"j{number}")
        held[f"j{number}"] = claim_alone(ledger, f"j{number}", Step.UPLOAD).fence
    ledger.transition("j1", State.CANCELLED, among=ACTIVE)
    held["nobody"] = "f"
    assert sorted(ledger.renew(held, LEASE_S)) == ["j1", "nobody"]
    assert ledger.renew({}, LEASE_S) == []


@pytest.mark.parametrize("gate", [Gate.PAUSED, Gate.CREDITS, Gate.DISK])
def test_a_gate_that_closed_while_the_message_was_under_way_leaves_the_job_where_it_was(
    ledger: Ledger, gate: Gate
) -> None:
    submit(ledger)
    bring_to(ledger, "j1", Step.EDIT)
    admit(ledger)
    close(ledger, gate)
    assert try_claim(ledger, "j1", Step.EDIT) is None
    job = ledger.get("j1")
    assert (job.state, job.step, job.attempts, job.crashes) == (State.QUEUED, Step.EDIT, 0, 0)
    assert look_up(ledger, "j1").in_flight == ()
    Gates(ledger).open(gate)
    assert admit_ids(ledger) == ["j1"]


def test_a_render_under_way_keeps_its_place_when_a_gate_turns_its_poll_away(
    ledger: Ledger, wall: Wall
) -> None:
    submit(ledger)
    bring_to(ledger, "j1", Step.RENDER)
    assert end_step(ledger, claim(ledger, step=Step.RENDER), State.WAITING, Step.POLL)
    admit(ledger)
    close(ledger, Gate.RATE)
    assert try_claim(ledger, "j1", Step.POLL) is None
    wall.go(300)
    assert count_in_flight(ledger, "render") == 1


def test_a_drain_that_began_while_the_message_was_under_way_begins_nothing(ledger: Ledger) -> None:
    submit(ledger, "fresh")
    submit(ledger, "begun")
    bring_to(ledger, "begun", Step.EDIT)
    admit(ledger)
    ledger.drain(True)
    assert try_claim(ledger, "fresh", Step.UPLOAD) is None
    assert look_up(ledger, "fresh").in_flight == ()
    assert try_claim(ledger, "begun", Step.EDIT) is not None
    ledger.drain(False)
    assert admit_ids(ledger) == ["fresh"]


def test_the_one_that_tries_a_closed_gate_is_let_past_it_and_past_no_other(ledger: Ledger) -> None:
    for job_id in ("a", "b"):
        submit(ledger, job_id)
        bring_to(ledger, job_id, Step.RENDER)
    close(ledger, Gate.PLAN)
    (tries,) = admit_ids(ledger)
    close(ledger, Gate.PAUSED)
    assert try_claim(ledger, tries, Step.RENDER) is None
    Gates(ledger).open(Gate.PAUSED)
    other = "b" if tries == "a" else "a"
    ledger.client.zadd("dropscore:admitted", {other: ledger.now() + LEASE_S})  # admitted before it closed
    assert try_claim(ledger, other, Step.RENDER) is None
    ledger.client.zadd("dropscore:admitted", {tries: ledger.now() + LEASE_S})
    assert try_claim(ledger, tries, Step.RENDER) is not None


def test_a_lost_record_that_an_instruction_was_sent_is_put_back(ledger: Ledger) -> None:
    """The ledger came back 111 ms older, from `sending` to `pending`, and the message was sent again."""
    one = InstructionState(text="add music")
    reached = Checkpoint(session=SessionRef(session_id="s"), instructions=(one,))
    submit(ledger)
    job = claim(ledger)
    assert end_step(ledger, job, State.QUEUED, Step.EDIT, checkpoint=reached)
    older = ledger.client.hgetall("dropscore:job:j1")
    job = claim(ledger, step=Step.EDIT)
    sent = reached.evolve(
        instructions=(one.evolve(status=InstructionStatus.SENDING, before="d0", attempts=1),)
    )
    assert ledger.save(job, pack_checkpoint(sent))
    ledger.client.delete("dropscore:job:j1")
    ledger.client.hset("dropscore:job:j1", mapping=older)
    ledger.client.zrem("dropscore:in:running", "j1")
    ledger.client.zadd("dropscore:in:queued", {"j1": 0})
    ledger.client.zadd("dropscore:due:edit", {"j1": 0})
    assert ledger.renew({"j1": job.fence}, LEASE_S) == ["j1"]
    assert ledger.reassert(job, sent, retry_after_s=30) is True
    found = ledger.get("j1")
    assert (found.state, found.step, found.checkpoint) == (State.WAITING, Step.EDIT, sent)
    assert due_at(ledger, "j1") == pytest.approx(30, abs=0.01)
    check_sets(ledger)


def test_what_the_ledger_came_back_with_is_fenced_out_when_the_sent_message_is_put_back(
    ledger: Ledger,
) -> None:
    pending = Checkpoint(instructions=(InstructionState(text="add music"),))
    sending = Checkpoint(instructions=(InstructionState(text="add music", status=InstructionStatus.SENDING),))
    submit(ledger)
    bring_to(ledger, "j1", Step.EDIT)
    second = claim(ledger, step=Step.EDIT, owner="w2")
    assert ledger.save(second, pack_checkpoint(pending))
    first = second.evolve(fence="lost")
    assert ledger.reassert(first, sending, retry_after_s=30) is True
    assert ledger.save(second, SUMMARY) is False


def test_a_ledger_that_knows_better_is_not_overwritten_by_one_that_lost_its_lease(ledger: Ledger) -> None:
    landed = InstructionState(text="add music", status=InstructionStatus.LANDED)
    sending = Checkpoint(instructions=(landed.evolve(status=InstructionStatus.SENDING),))
    submit(ledger)
    job = claim(ledger)
    assert end_step(ledger, job, State.QUEUED, Step.RENDER, checkpoint=Checkpoint(instructions=(landed,)))
    assert ledger.reassert(job, sending, retry_after_s=30) is False
    assert ledger.get("j1").step is Step.RENDER
    ledger.transition("j1", State.CANCELLED, among=ACTIVE)
    assert ledger.reassert(job, sending, retry_after_s=30) is False
    assert ledger.reassert(job.evolve(id="nobody"), sending, retry_after_s=30) is False
    check_sets(ledger)


def test_leases_that_nobody_can_hold_are_released_with_their_places(ledger: Ledger) -> None:
    """After a crash of everything, work went on 27 s late: each lease was waited for, or its place was."""
    for number in range(4):  # as many as the limit
        submit(ledger, f"j{number}", backlog=number == 3)
    fences = {due.job_id: try_claim(ledger, due.job_id, due.step) for due in admit(ledger)}
    assert len(fences) == LIMITS["upload"].initial
    assert admit(ledger) == []
    assert ledger.release_leases() == 4
    assert sorted(admit_ids(ledger)) == ["j0", "j1", "j2", "j3"]
    again = try_claim(ledger, "j3", Step.UPLOAD)
    assert again is not None
    assert again.crashes == 1
    check_sets(ledger)


def test_a_release_of_leases_touches_nothing_that_waits(ledger: Ledger) -> None:
    submit(ledger, "waits")
    assert end_step(ledger, claim(ledger, "waits"), State.WAITING, Step.POLL, after_s=60)
    submit(ledger, "polls")
    bring_to(ledger, "polls", Step.POLL)
    claim_alone(ledger, "polls", Step.POLL)
    assert ledger.release_leases() == 1
    assert due_at(ledger, "waits") == pytest.approx(60, abs=0.01)
    assert look_up(ledger, "polls").in_flight == ("render",)  # it goes on at the service
