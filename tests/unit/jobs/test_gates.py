"""Gates, slots, the budget and the rate."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from jobs.budget import Budget, Spending
from jobs.gates import Gates, blocking
from jobs.ledger import Ledger, Move
from jobs.limits import RateLimit
from jobs.model import Checkpoint, Gate, Spec, State, Step
from jobs.slots import Slots


def parked(ledger: Ledger, job_id: str, gate: Gate) -> None:
    running(ledger, job_id)
    job = ledger.get(job_id)
    move = Move(State.PARKED, Step.UPLOAD, due=ledger.now() + 3600, reason=gate, attempts=2)
    assert ledger.move(job, move, Checkpoint(), ())


def running(ledger: Ledger, job_id: str) -> None:
    spec = Spec(
        source=f"/in/{job_id}", root="", output="", result="", skill="s", instructions=(), fingerprint=job_id
    )
    ledger.submit(job_id, spec, [f"/out/{job_id}.mp4"])
    assert ledger.claim(job_id, Step.UPLOAD, "w", 30)


def close(gates: Gates, gate: Gate, message: str = "why") -> bool:
    return gates.close(gate, probe_at=10.0, message=message, advice="what to do")


def test_a_gate_is_closed_once_and_said_once(ledger: Ledger) -> None:
    gates = Gates(ledger)
    assert close(gates, Gate.CREDITS) is True
    assert close(gates, Gate.CREDITS, "again") is False
    assert gates.closed()[Gate.CREDITS].message == "again"


def test_opening_brings_all_its_jobs_back_with_their_attempts(ledger: Ledger) -> None:
    gates = Gates(ledger)
    close(gates, Gate.CREDITS)
    close(gates, Gate.PLAN)
    for number in range(5):
        parked(ledger, f"c{number}", Gate.CREDITS)
    parked(ledger, "p", Gate.PLAN)
    assert gates.parked(Gate.CREDITS) == 5
    assert gates.open(Gate.CREDITS) == 5
    assert set(gates.closed()) == {Gate.PLAN}
    assert ledger.counts()[State.QUEUED] == 5
    assert ledger.get("c0").attempts == 2
    assert ledger.get("p").state is State.PARKED
    assert {due.job_id for due in ledger.take_due(10)} == {f"c{number}" for number in range(5)}


def test_a_job_that_parks_behind_a_gate_that_has_just_opened_goes_on(ledger: Ledger) -> None:
    parked(ledger, "late", Gate.RATE)
    assert ledger.get("late").state is State.QUEUED
    assert [due.job_id for due in ledger.take_due(5)] == ["late"]


def test_one_is_let_through_to_try(ledger: Ledger) -> None:
    gates = Gates(ledger)
    close(gates, Gate.PLAN)
    parked(ledger, "a", Gate.PLAN)
    parked(ledger, "b", Gate.PLAN)
    assert gates.let_one_through(Gate.PLAN) == 1
    assert Gate.PLAN in gates.closed()
    assert [ledger.get(job_id).reason for job_id in "ab"] == ["trial:plan", "plan"]


def test_a_parked_job_whose_gate_is_gone_comes_back_by_itself(ledger: Ledger, wall: Any) -> None:
    close(Gates(ledger), Gate.PLAN)
    parked(ledger, "a", Gate.PLAN)
    assert ledger.take_due(5) == []
    ledger.client.delete("dropscore:gates")
    wall.go(3601)
    assert [due.job_id for due in ledger.take_due(5)] == ["a"]
    assert ledger.get("a").state is State.QUEUED


def test_each_gate_stops_its_own_steps(ledger: Ledger) -> None:
    gates = Gates(ledger)
    close(gates, Gate.PLAN)
    found = blocking(gates.closed(), Step.RENDER)
    assert found is not None
    assert found.gate is Gate.PLAN
    assert blocking(gates.closed(), Step.EDIT) is None


def test_one_prober_at_a_time(ledger: Ledger) -> None:
    gates = Gates(ledger)
    assert gates.claim_probe(Gate.RATE, 60) is True
    assert gates.claim_probe(Gate.RATE, 60) is False


def renders(ledger: Ledger, most: int) -> Slots:
    return Slots(ledger, "render", most, while_running=False)


def limit(ledger: Ledger) -> int:
    return int(ledger.client.get("dropscore:limit:render"))


def leave(ledger: Ledger, job_id: str, *, through: bool = False) -> bool:
    came: Literal["", "through"] = "through" if through else ""
    move = Move(State.QUEUED, Step.DOWNLOAD, due=ledger.now(), came=came)
    return ledger.move(ledger.get(job_id), move, Checkpoint(), ())


def wait(ledger: Ledger, job_id: str) -> None:
    until = ledger.now() + 60
    assert ledger.move(ledger.get(job_id), Move(State.WAITING, Step.UPLOAD, until, until), Checkpoint(), ())


def test_slots_hold_the_limit_and_call_the_next(ledger: Ledger) -> None:
    slots = renders(ledger, 2)
    for job_id in ("a", "b", "c"):
        running(ledger, job_id)
    assert [slots.take(job_id) for job_id in ("a", "b", "c", "a")] == [True, True, False, True]
    wait(ledger, "c")
    running(ledger, "late")
    assert leave(ledger, "a")
    assert ledger.get("c").until == 0
    assert slots.take("late") is False  # the slot was handed to the one in line
    assert slots.take("c") is True


def test_a_slot_of_a_render_is_kept_from_one_look_to_the_next(ledger: Ledger) -> None:
    slots = renders(ledger, 1)
    for job_id in ("a", "b"):
        running(ledger, job_id)
    assert slots.take("a") is True
    until = ledger.now() + 30
    assert ledger.move(ledger.get("a"), Move(State.WAITING, Step.POLL, until, until), Checkpoint(), ())
    assert slots.take("b") is False


def test_a_slot_of_a_render_is_kept_behind_a_gate(ledger: Ledger) -> None:
    slots = renders(ledger, 1)
    for job_id in ("a", "b"):
        running(ledger, job_id)
    assert slots.take("a") is True
    close(Gates(ledger), Gate.RATE)
    parked = Move(State.PARKED, Step.POLL, due=ledger.now() + 3600, reason=Gate.RATE)
    assert ledger.move(ledger.get("a"), parked, Checkpoint(), ())
    assert slots.take("b") is False


def test_a_slot_handed_over_between_the_refusal_and_the_wait_is_not_waited_for(ledger: Ledger) -> None:
    slots = Slots(ledger, "edit", 1, while_running=True)
    for job_id in ("a", "refused"):
        running(ledger, job_id)
    assert [slots.take(job_id) for job_id in ("a", "refused")] == [True, False]
    assert leave(ledger, "a")
    until = ledger.now() + 60
    move = Move(State.WAITING, Step.UPLOAD, until, until, came="line")
    assert ledger.move(ledger.get("refused"), move, Checkpoint(), ())
    assert "refused" in [due.job_id for due in ledger.take_due(5)]
    assert ledger.claim("refused", Step.UPLOAD, "w", 30)
    assert slots.take("refused") is True


def test_a_slot_handed_over_stays_with_the_one_that_was_called(ledger: Ledger) -> None:
    slots = Slots(ledger, "edit", 1, while_running=True)
    for job_id in ("a", "called", "other"):
        running(ledger, job_id)
    assert [slots.take(job_id) for job_id in ("a", "called")] == [True, False]
    wait(ledger, "called")
    assert leave(ledger, "a")
    ledger.client.delete("dropscore:slots:edit:swept")
    assert slots.take("other") is False
    assert slots.take("called") is True


def test_a_slot_of_a_job_that_ended_is_free_again(ledger: Ledger) -> None:
    slots = renders(ledger, 1)
    running(ledger, "gone")
    running(ledger, "next")
    assert slots.take("gone") is True
    assert ledger.move(ledger.get("gone"), Move(State.FAILED, Step.RENDER), Checkpoint(), ())
    assert slots.take("next") is True


def test_a_slot_held_while_running_ends_with_its_lease(ledger: Ledger, wall: Any) -> None:
    slots = Slots(ledger, "edit", 1, while_running=True)
    running(ledger, "dead")
    running(ledger, "next")
    assert slots.take("dead") is True
    assert slots.take("next") is False
    ledger.client.delete("dropscore:slots:edit:swept")
    wall.go(31)
    assert slots.take("next") is True


def test_a_429_halves_and_clean_work_raises_again(ledger: Ledger, wall: Any) -> None:
    slots = renders(ledger, 8)
    for job_id in "abcdefgh":
        running(ledger, job_id)
        assert slots.take(job_id)
    assert slots.slow_down() == 4
    assert slots.slow_down() == 4  # the same burst
    assert leave(ledger, "a", through=True)
    assert limit(ledger) == 4  # ten seconds are not over: it may have been on its way before the refusal
    wall.go(10)
    assert leave(ledger, "b")  # came to nothing
    assert limit(ledger) == 4
    assert leave(ledger, "c", through=True)
    assert leave(ledger, "d", through=True)
    assert limit(ledger) == 6  # once in ten seconds
    for job_id in ("next", "another", "too many"):
        running(ledger, job_id)
    # four others are left, and six are allowed
    assert [slots.take(job_id) for job_id in ("next", "another", "too many")] == [True, True, False]
    wall.go(10)
    assert leave(ledger, "e", through=True)
    assert limit(ledger) == 8


def test_one_slot_becomes_two(ledger: Ledger, wall: Any) -> None:
    slots = renders(ledger, 8)
    running(ledger, "a")
    assert slots.take("a")
    assert slots.slow_down() == 1
    wall.go(10)
    assert leave(ledger, "a", through=True)
    assert limit(ledger) == 2


def test_a_render_that_is_taken_on_lets_the_next_begin(ledger: Ledger, wall: Any) -> None:
    slots = renders(ledger, 8)
    for job_id in ("a", "next"):
        running(ledger, job_id)
    assert slots.take("a")
    slots.slow_down()
    assert slots.take("next") is False
    wait(ledger, "next")
    wall.go(10)
    later = ledger.now() + 30
    begun = Move(State.WAITING, Step.POLL, later, later, came="through")
    assert ledger.move(ledger.get("a"), begun, Checkpoint(), ())
    assert "next" in [due.job_id for due in ledger.take_due(5)]


def test_a_budget_counts_what_is_in_flight(ledger: Ledger) -> None:
    budget = Budget(ledger)
    budget.begin(120)
    assert [budget.reserve(job_id, 50)[0] for job_id in "aab"] == [True, True, True]
    assert budget.reserve("c", 50) == (False, Spending(120, 0, 100, edits=2))
    budget.settle("a", paid=False)
    assert budget.reserve("c", 50)[0] is True
    budget.settle("b", paid=True)
    budget.settle("c", paid=True)
    assert budget.spending() == Spending(120, 100, 0, edits=3, ever=100)
    budget.begin(None)
    assert budget.spending() == Spending(None, 0, 0, edits=3, ever=100)
    assert budget.reserve("d", 1e9)[0] is True


def test_the_rate_is_held_over_many_threads(ledger: Ledger) -> None:
    limits, left = [RateLimit(ledger, 20) for _ in range(3)], []

    def ask(number: int) -> None:
        limits[number % 3].wait()
        left.append(time.monotonic())

    began = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(ask, range(60)))
    assert 2.9 < time.monotonic() - began < 4.5  # the first leaves at once, 59 follow
    assert all(later - earlier > 0.5 for earlier, later in zip(left, left[14:], strict=False))  # no bursts


def test_a_rate_under_one_a_second(ledger: Ledger) -> None:
    naps: list[float] = []
    limit = RateLimit(ledger, 0.5, naps.append)
    for _ in range(3):
        limit.wait()
    assert [round(nap_s) for nap_s in naps] == [2, 4]
