"""The end of a step: the job's next place, and what it gives back."""

import itertools
import json

import pytest

from jobs.gates import Gates
from jobs.lease import Lease
from jobs.ledger import Claim, Commit, Delivery, Ledger, StepResult, pack_checkpoint
from jobs.limits import CreditBudget
from jobs.model import (
    ENDED,
    LIMITED,
    Checkpoint,
    Gate,
    InstructionState,
    Problem,
    RenderRef,
    SessionRef,
    State,
    Step,
    StepRecord,
    UploadRef,
)
from jobs.redis import connect
from tests.conftest import Wall
from tests.unit.jobs.actions import (
    LEASE_S,
    Places,
    admit_ids,
    bring_to,
    check_sets,
    claim,
    claim_alone,
    due_at,
    end_step,
    look_up,
    submit,
)

UNENDED = (State.QUEUED, State.WAITING, State.PARKED)
REACHED = Checkpoint(
    session=SessionRef(session_id="s1", task_id="t1"),
    sessions=1,
    upload=UploadRef(sha256="ab", size_bytes=9, filename="a.mp4"),
    instructions=(InstructionState(text="add music", replies=("done",)),),
    draft={"tracks": [{"kind": "audio"}]},
    render=RenderRef(render_id="r1", url="https://x.example/r1.mp4"),
    sha256="cd",
)
TO_DOWNLOAD = StepResult(State.QUEUED, Step.DOWNLOAD, 0.0)
RECORDS = (StepRecord(step=Step.UPLOAD, started=1.0, ended=2.5, attempts=1),)


@pytest.mark.parametrize(
    ("step", "state", "after"),
    [
        *itertools.product(Step, UNENDED, Step),
        *((step, state, step) for step in Step for state in sorted(ENDED)),
    ],
)
def test_a_step_leaves_a_job_in_one_place_whatever_comes_of_it(
    fake_ledger: Ledger, step: Step, state: State, after: Step
) -> None:
    ledger = fake_ledger
    submit(ledger)
    bring_to(ledger, "j1", step)
    job = claim_alone(ledger, "j1", step)
    assert end_step(ledger, job, state, after, after_s=7)
    places = look_up(ledger, "j1")
    assert places.states == (state,)
    if state in ENDED:
        assert (places.due, places.in_flight) == ((), ())
    else:
        assert places.due == (after,)
        assert due_at(ledger, "j1") == pytest.approx(7, abs=0.01)
        assert places.in_flight == (("render",) if after is Step.POLL else ())
    found = ledger.get("j1")
    kept = Step.DOWNLOAD if state is State.DONE else after  # of what is done, the result file knows the step
    assert (found.state, found.step, found.fence) == (state, kept, "")
    check_sets(ledger)


@pytest.mark.parametrize("step", [step for step in Step if step in LIMITED and step is not Step.POLL])
def test_the_end_of_a_step_gives_its_place_to_the_next_file(ledger: Ledger, step: Step) -> None:
    for number in range(5):  # one more than the limit
        submit(ledger, f"j{number}")
        bring_to(ledger, f"j{number}", step)
    first = admit_ids(ledger)
    assert (len(first), admit_ids(ledger)) == (4, [])
    job = ledger.claim(first[0], step, "w", LEASE_S)
    assert job is not None
    assert end_step(ledger, job, State.WAITING, step, after_s=60)  # another attempt, later
    assert len(admit_ids(ledger)) == 1


def test_what_was_reached_is_written_with_the_end_of_the_step(ledger: Ledger) -> None:
    submit(ledger)
    job = claim(ledger)
    problem = Problem(code="server_error", service_code=5001, message="why", advice="what to do")
    result = StepResult(
        State.WAITING,
        Step.UPLOAD,
        ledger.now() + 5,
        "trying again",
        attempts=2,
        started=3.25,
        problem=problem,
    )
    assert ledger.commit(job, result, pack_checkpoint(REACHED), RECORDS)
    found = ledger.get("j1")
    assert found.checkpoint == REACHED
    assert (found.reason, found.attempts, found.started) == ("trying again", 2, 3.25)
    assert (found.problem, found.steps, found.crashes) == (problem, RECORDS, 0)
    assert found.until == pytest.approx(ledger.now() + 5, abs=0.01)


def test_a_problem_is_gone_when_the_next_attempt_ends_well(ledger: Ledger) -> None:
    submit(ledger)
    assert end_step(
        ledger, claim(ledger), State.WAITING, problem=Problem(code="server_error"), reason="again"
    )
    assert end_step(ledger, claim(ledger), State.QUEUED, Step.EDIT)
    found = ledger.get("j1")
    assert (found.problem, found.reason, found.attempts) == (None, "", 0)


def test_records_of_steps_are_written_only_when_one_was_added(ledger: Ledger) -> None:
    submit(ledger)
    job = claim(ledger)
    assert ledger.commit(job, StepResult(State.QUEUED, Step.EDIT, ledger.now()), {}, RECORDS)
    before = ledger.client.hget("dropscore:job:j1", "steps")
    job = claim(ledger, step=Step.EDIT)
    assert job.steps == RECORDS
    ledger.client.hset("dropscore:job:j1", "steps", "[]")
    assert ledger.commit(job, StepResult(State.WAITING, Step.EDIT, ledger.now()), {}, job.steps)
    assert (before, ledger.get("j1").steps) != ("[]", RECORDS)
    assert ledger.get("j1").steps == ()


def test_what_is_done_keeps_an_id_an_output_a_state_and_little_more(ledger: Ledger) -> None:
    submit(
        ledger,
        instructions=("add music " * 100,),
        root="/in",
        fingerprint="f",
        size_bytes=7,
        mtime_ns=12,
        session_group="g",
    )
    job = claim(ledger)
    assert end_step(ledger, job, State.QUEUED, Step.DOWNLOAD, checkpoint=REACHED)
    job = claim(ledger, step=Step.DOWNLOAD)
    result = StepResult(State.DONE, Step.DOWNLOAD, reason="x", attempts=3, problem=None)
    assert ledger.commit(job, result, {"draft": "{}"}, RECORDS)
    row = ledger.client.hgetall("dropscore:job:j1")
    assert set(row) == {"spec", "state", "source", "output", "updated"}
    assert json.loads(row["spec"]) == {"session_group": "g"}
    found = ledger.get("j1")
    assert (found.state, found.spec.source, found.spec.output) == (State.DONE, "/in/j1.mp4", "/out/j1.mp4")
    assert found.spec.result == "/out/j1.result.json"
    assert (found.checkpoint, found.steps, found.attempts) == (Checkpoint(), (), 0)


@pytest.mark.integration
def test_a_done_job_takes_the_room_of_what_is_left_of_it(redis_url: str) -> None:
    """A million finished jobs were 2.4 GB: a hash that was long once kept 700 bytes for few fields."""
    with connect(redis_url) as client:  # fakeredis weighs nothing
        client.flushall()
        ledger = Ledger(client)
        name = "/srv/channels/archive/season-3/episode 017 (final)"
        submit(ledger, "0123456789abcdef", f"{name}.mov", f"{name}.mp4", size_bytes=10**9, mtime_ns=10**18)
        job = claim_alone(ledger, "0123456789abcdef", Step.UPLOAD)
        assert end_step(ledger, job, State.DONE, Step.DOWNLOAD, checkpoint=REACHED)
        assert client.object("encoding", "dropscore:job:0123456789abcdef") == "listpack"
        assert client.memory_usage("dropscore:job:0123456789abcdef") < 400


@pytest.mark.integration
def test_a_queued_job_is_about_a_kilobyte(redis_url: str) -> None:
    with connect(redis_url) as client:
        client.flushall()
        submit(Ledger(client), source="/srv/channels/archive/2024/season-3/episode-017 (final).mp4")
        assert client.memory_usage("dropscore:job:j1") < 1500


@pytest.mark.parametrize("state", [State.FAILED, State.UNCONFIRMED, State.CANCELLED])
def test_what_a_person_may_retry_keeps_all_it_reached(ledger: Ledger, state: State) -> None:
    submit(ledger)
    job = claim(ledger)
    assert end_step(ledger, job, state, checkpoint=REACHED, problem=Problem(code="no_music"))
    found = ledger.get("j1")
    assert (found.checkpoint, found.spec.instructions) == (REACHED, ("add music",))


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_job_that_ends_leaves_nothing_set_aside(ledger: Ledger, state: State) -> None:
    budget = CreditBudget(ledger)
    submit(ledger)
    job = claim(ledger)
    budget.reserve("j1", 50)
    assert end_step(ledger, job, state)
    assert (budget.spending().aside, budget.spending().spent) == (0, 50)  # it may have been charged
    check_sets(ledger)


@pytest.mark.parametrize("state", UNENDED)
def test_a_job_that_goes_on_keeps_what_was_set_aside(ledger: Ledger, state: State) -> None:
    submit(ledger)
    job = claim(ledger)
    CreditBudget(ledger).reserve("j1", 50)
    assert end_step(ledger, job, state)
    assert CreditBudget(ledger).spending().aside == 50
    check_sets(ledger)


def test_a_parked_job_is_due_and_goes_on_when_its_gate_opens(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    job = claim(ledger)
    Gates(ledger).close(Gate.CREDITS, probe_at=0, message="empty", advice="top up")
    assert end_step(ledger, job, State.PARKED, Step.UPLOAD, reason=Gate.CREDITS, attempts=2)
    assert admit_ids(ledger) == []
    wall.go(100_000)
    assert admit_ids(ledger) == []
    assert Gates(ledger).open(Gate.CREDITS) == 1
    assert admit_ids(ledger) == ["j1"]
    job = claim_alone(ledger, "j1", Step.UPLOAD)
    assert (job.state, job.attempts) == (State.RUNNING, 2)
    check_sets(ledger)


def test_a_wait_is_kept_for_a_worker_whose_clock_is_behind(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    assert end_step(ledger, claim(ledger), State.WAITING, Step.EDIT, after_s=5)
    behind = Ledger(ledger.client, lambda: wall() - 5000, limits=ledger.limits)
    behind.sync_clock()
    assert behind.now() == pytest.approx(ledger.now(), abs=1.0)
    assert behind.fetch_due(5, LEASE_S) == []


@pytest.mark.parametrize("after", Step)
def test_a_job_that_goes_back_or_forth_is_due_at_its_new_step_alone(fake_ledger: Ledger, after: Step) -> None:
    ledger = fake_ledger
    submit(ledger, backlog=True)
    for step in (*Step, Step.RENDER, after):
        job = claim_alone(ledger, "j1", ledger.get("j1").step)
        assert end_step(ledger, job, State.QUEUED, step)
        check_sets(ledger)
    assert look_up(ledger, "j1").due == ("backlog" if after is Step.UPLOAD else after,)


def test_a_worker_is_given_the_next_step_as_it_ends_one(ledger: Ledger) -> None:
    submit(ledger)
    bring_to(ledger, "j1", Step.POLL)
    lease = Lease(claim_alone(ledger, "j1", Step.POLL), ledger, LEASE_S)
    claim_next = Claim("w", LEASE_S)
    job = lease.commit(TO_DOWNLOAD, RECORDS, claim_next)
    assert job is not None
    kept = ledger.get("j1")
    assert (job.state, job.step, job.fence, job.attempts) == (
        kept.state,
        kept.step,
        kept.fence,
        kept.attempts,
    )
    assert (kept.state, kept.step, kept.fence) == (State.RUNNING, Step.DOWNLOAD, claim_next.fence)
    assert look_up(ledger, "j1") == Places(("download",), ("running",), ("download",), admitted=False)
    assert due_at(ledger, "j1") == pytest.approx(LEASE_S, abs=1)
    assert end_step(ledger, job, State.DONE)
    check_sets(ledger)


def test_an_answer_that_was_lost_does_not_lose_the_next_step(ledger: Ledger) -> None:
    submit(ledger)
    bring_to(ledger, "j1", Step.POLL)
    job, claim_next = claim_alone(ledger, "j1", Step.POLL), Claim("w", LEASE_S)
    for _ in range(2):  # the second as it is sent again
        assert ledger.commit(job, TO_DOWNLOAD, {}, RECORDS, claim_next) is Commit.CLAIMED
    assert ledger.commit(job, TO_DOWNLOAD, {}, RECORDS, Claim("w", LEASE_S)) is Commit.STALE


@pytest.mark.parametrize("hold", ["gate", "limit", "refusal", "line"])
def test_a_worker_goes_on_only_with_what_the_scheduler_would_admit(ledger: Ledger, hold: str) -> None:
    submit(ledger)
    bring_to(ledger, "j1", Step.POLL)
    job = claim_alone(ledger, "j1", Step.POLL)
    match hold:
        case "gate":
            Gates(ledger).close(Gate.DISK, probe_at=ledger.now() + 60, message="m", advice="a")
        case "limit":
            most = ledger.limits["download"].ceiling
            ledger.client.zadd(
                "dropscore:inflight:download",
                {f"o{number}": ledger.now() + LEASE_S for number in range(most)},
            )
        case "refusal":
            ledger.back_off("download")
        case _:  # another file waits for its download already
            submit(ledger, "j2")
            bring_to(ledger, "j2", Step.DOWNLOAD)
    assert ledger.commit(job, TO_DOWNLOAD, {}, RECORDS, Claim("w", LEASE_S)) is Commit.WRITTEN
    assert (ledger.get("j1").state, look_up(ledger, "j1").due) == (State.QUEUED, ("download",))
    assert look_up(ledger, "j1").in_flight == ()


def test_what_was_paid_is_counted_with_the_end_of_the_step(ledger: Ledger) -> None:
    submit(ledger)
    bring_to(ledger, "j1", Step.EDIT)
    job, budget = claim_alone(ledger, "j1", Step.EDIT), CreditBudget(ledger)
    budget.reserve("j1", 50)
    assert end_step(ledger, job, State.QUEUED, Step.VERIFY, paid=True)
    assert (budget.spending().aside, budget.spending().spent) == (0, 50)


DELIVERED = Checkpoint(
    session=SessionRef(session_id="s 1", backend="cloud"),
    render=RenderRef(render_id="render_1", progress=100.0),
    sha256="ab",
)


def test_of_what_was_delivered_enough_is_kept_to_make_it_again(ledger: Ledger) -> None:
    submit(ledger)
    assert end_step(ledger, claim(ledger).evolve(checkpoint=DELIVERED), State.DONE, Step.DOWNLOAD)
    kept = Checkpoint(
        session=SessionRef(session_id="s 1", backend="cloud"), render=RenderRef(render_id="render_1")
    )
    assert ledger.get("j1").checkpoint == kept
    assert [*ledger.delivered()] == [Delivery("j1", "/in/j1.mp4", "/out/j1.mp4", "cloud")]


def test_an_output_made_again_begins_with_its_render_and_ends_as_before(ledger: Ledger) -> None:
    submit(ledger)
    assert end_step(ledger, claim(ledger).evolve(checkpoint=DELIVERED), State.DONE, Step.DOWNLOAD)
    done = ledger.get("j1")
    point = done.checkpoint.evolve(restored=True)
    spec = done.spec.evolve(instructions=("softer",))
    ledger.transition("j1", State.QUEUED, among=[State.DONE], step=Step.POLL, checkpoint=point, spec=spec)
    assert [*ledger.delivered()] == []
    job = claim(ledger, step=Step.POLL)
    assert (job.checkpoint, job.spec.instructions) == (point, ("softer",))
    delivered = job.evolve(checkpoint=point.evolve(sha256="cd"))
    assert end_step(ledger, delivered, State.DONE, Step.DOWNLOAD)
    assert ledger.get("j1").checkpoint == done.checkpoint


def test_a_job_that_answered_and_delivered_nothing_has_nothing_to_make_again(ledger: Ledger) -> None:
    submit(ledger)
    answered = claim(ledger).evolve(checkpoint=DELIVERED.evolve(sha256=""))
    assert end_step(ledger, answered, State.DONE, Step.DOWNLOAD)
    assert [one.backend for one in ledger.delivered()] == [""]
