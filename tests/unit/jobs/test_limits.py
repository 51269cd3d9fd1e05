"""Limits that find themselves, the rate, and the budget."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.ledger import Ledger, LimitBounds
from jobs.limits import ConcurrencyLimiter, CreditBudget, RateLimiter, Spending
from jobs.model import Job, State, Step
from tests.conftest import Wall
from tests.unit.jobs.actions import (
    LEASE_S,
    admit,
    admit_ids,
    bring_to,
    check_budget,
    claim_alone,
    count_in_flight,
    end_step,
    step_server_clock,
    submit,
    try_claim,
)


def bounds(ledger: Ledger, initial: int, ceiling: int) -> None:
    ledger.limits = {"upload": LimitBounds(initial, ceiling)}


def fill(ledger: Ledger, first: int, last: int) -> None:
    for number in range(first, last):
        submit(ledger, f"j{number:03}")


def limit(ledger: Ledger, kind: str = "upload") -> int:
    """How many may be in flight now, as admission sees it."""
    value = ledger.client.hget(f"dropscore:limit:{kind}", "limit")
    return int(value or ledger.limits[kind].initial)


def test_a_limit_begins_carefully_and_doubles_with_each_round(ledger: Ledger) -> None:
    bounds(ledger, 2, 1000)
    fill(ledger, 0, 40)
    sizes = []
    for _ in range(3):
        admitted = [try_claim(ledger, due.job_id, due.step) for due in admit(ledger)]
        sizes.append(len(admitted))
        for _ in admitted:
            ledger.accept("upload")
        for job in admitted:
            assert job is not None
            assert end_step(ledger, job, State.DONE)
    assert sizes == [2, 4, 8]


def test_a_limit_does_not_grow_while_less_than_half_of_it_is_used(ledger: Ledger) -> None:
    bounds(ledger, 8, 100)
    fill(ledger, 0, 3)
    assert len(admit(ledger)) == 3
    ledger.accept("upload")
    assert limit(ledger) == 8
    fill(ledger, 3, 4)
    assert len(admit(ledger)) == 1
    ledger.accept("upload")
    assert limit(ledger) == 9


def test_a_limit_never_grows_past_its_ceiling(ledger: Ledger) -> None:
    bounds(ledger, 4, 5)
    fill(ledger, 0, 9)
    admit(ledger)
    for _ in range(5):
        ledger.accept("upload")
    assert limit(ledger) == 5
    assert len(admit(ledger)) == 1
    ledger.limits["upload"] = LimitBounds(2, 3)  # somebody has set less
    assert admit(ledger) == []


def test_a_refusal_halves_the_limit_at_most_once_in_ten_seconds(ledger: Ledger, wall: Wall) -> None:
    bounds(ledger, 16, 100)
    fill(ledger, 0, 16)
    assert len(admit(ledger)) == 16
    assert [ledger.back_off("upload") for _ in range(5)] == [8] * 5
    wall.go(9.9)
    assert ledger.back_off("upload") == 8
    wall.go(0.2)
    assert ledger.back_off("upload") == 4


def test_a_limit_falls_from_what_was_in_flight_and_not_from_what_it_allowed(ledger: Ledger) -> None:
    bounds(ledger, 100, 1000)
    fill(ledger, 0, 6)
    assert len(admit(ledger)) == 6
    assert ledger.back_off("upload") == 3


def test_a_limit_never_falls_under_one(ledger: Ledger, wall: Wall) -> None:
    bounds(ledger, 4, 100)
    for _ in range(6):
        assert ledger.back_off("upload") >= 1
        wall.go(60)
    fill(ledger, 0, 2)
    assert len(admit(ledger)) == 1


def test_after_a_refusal_none_of_its_kind_begins_for_a_moment(ledger: Ledger, wall: Wall) -> None:
    bounds(ledger, 4, 100)
    fill(ledger, 0, 4)
    ledger.back_off("upload")
    assert admit(ledger) == []
    wall.go(0.51)
    assert len(admit(ledger)) == 1


def test_refusals_in_a_row_are_answered_with_longer_and_longer_holds_up_to_half_a_minute(
    ledger: Ledger, wall: Wall
) -> None:
    bounds(ledger, 4, 100)
    fill(ledger, 0, 1)
    for hold_s in (0.5, 1, 2, 4, 8, 16, 30, 30):
        ledger.back_off("upload")
        wall.go(hold_s - 0.01)
        assert admit(ledger) == []
        wall.go(0.02)
        (due,) = admit(ledger)
        job = try_claim(ledger, due.job_id, due.step)
        assert job is not None
        assert end_step(ledger, job, State.WAITING)


def test_one_that_is_taken_on_ends_the_hold(ledger: Ledger) -> None:
    bounds(ledger, 4, 100)
    fill(ledger, 0, 4)
    for _ in range(6):
        ledger.back_off("upload")
    assert admit(ledger) == []
    ledger.accept("upload")
    assert len(admit(ledger)) == 1
    ledger.back_off("upload")
    assert float(ledger.client.hget("dropscore:limit:upload", "hold_until")) - ledger.now() < 0.6


def test_a_refusal_slows_its_own_kind_alone(ledger: Ledger) -> None:
    """One 429 in a hundred stopped every worker: 245 of 300 files after 170 s instead of 20 s."""
    submit(ledger, "d")
    bring_to(ledger, "d", Step.DOWNLOAD)
    submit(ledger, "u")
    ledger.back_off("upload")
    assert admit_ids(ledger) == ["d"]
    assert limit(ledger, "download") == 4


def test_after_a_refusal_a_limit_grows_by_half_for_each_clean_and_fully_used_ten_seconds(
    ledger: Ledger, wall: Wall
) -> None:
    bounds(ledger, 16, 100)
    fill(ledger, 0, 16)
    jobs = [try_claim(ledger, due.job_id, due.step) for due in admit(ledger)]
    assert ledger.back_off("upload") == 8
    for job in jobs:
        assert job is not None
        assert end_step(ledger, job, State.DONE, accepted="upload")
    assert limit(ledger) == 8  # acceptances alone do not raise it any more
    for expected in (8, 12, 18):
        wall.go(1)
        fill(ledger, 100 * expected, 100 * expected + 40)
        assert len(admit(ledger)) == expected  # fully used
        assert limit(ledger) == expected
        ledger.client.delete("dropscore:inflight:upload", "dropscore:admitted")
        for key in ledger.client.zrange("dropscore:due:upload", 0, -1):
            ledger.client.zrem("dropscore:due:upload", key)
        wall.go(9.5)


def test_a_limit_that_was_not_used_up_does_not_grow(ledger: Ledger, wall: Wall) -> None:
    bounds(ledger, 16, 100)
    ledger.back_off("upload")
    before = limit(ledger)
    wall.go(10.5)
    assert admit(ledger) == []  # nothing to do
    wall.go(10.5)
    fill(ledger, 0, 1)
    admit(ledger)
    assert limit(ledger) == before


def test_a_hold_is_no_use_of_the_limit(ledger: Ledger, wall: Wall) -> None:
    """While it is held nothing may begin, which says nothing about what the service could take."""
    bounds(ledger, 16, 100)
    fill(ledger, 0, 16)
    jobs = [try_claim(ledger, due.job_id, due.step) for due in admit(ledger)]
    assert ledger.back_off("upload") == 8
    for job in jobs:
        assert job is not None
        assert end_step(ledger, job, State.WAITING, after_s=100)
    fill(ledger, 20, 21)
    assert admit(ledger) == []  # held, with eight places free
    wall.go(11)
    assert len(admit(ledger)) == 1
    assert limit(ledger) == 8


def test_one_becomes_two(ledger: Ledger, wall: Wall) -> None:
    bounds(ledger, 1, 100)
    fill(ledger, 0, 9)
    admit(ledger)
    assert ledger.back_off("upload") == 1
    ledger.client.delete("dropscore:inflight:upload")
    wall.go(1)
    assert len(admit(ledger)) == 1
    wall.go(10)
    assert len(admit(ledger)) == 1
    assert limit(ledger) == 2


class Service:
    """A simulated service: each upload takes a second; it refuses what it cannot take, or some by chance."""

    def __init__(self, ledger: Ledger, wall: Wall, *, most: int = 10**6, refuses: float = 0.0) -> None:
        self.ledger, self.wall, self.most, self.refuses = ledger, wall, most, refuses
        self.rng = random.Random(3)
        self.ends: dict[str, tuple[Job, float]] = {}
        self.finished = self.refused = 0

    def tick(self, seconds: float) -> None:
        """End what is over, and let in what the ledger admits."""
        for job_id, (job, at) in list(self.ends.items()):
            if at <= self.wall.at:
                del self.ends[job_id]
                self.finished += 1
                assert end_step(self.ledger, job, State.DONE)
        for due in admit(self.ledger, most=1000):
            job = claimed(self.ledger, due.job_id)
            if len(self.ends) < self.most and self.rng.random() >= self.refuses:
                self.ends[job.id] = job, self.wall.at + 1.0
                self.ledger.accept("upload")
            else:
                self.refused += 1
                self.ledger.back_off("upload")
                assert end_step(self.ledger, job, State.WAITING, after_s=2.0)
        self.wall.go(seconds)


def claimed(ledger: Ledger, job_id: str) -> Job:
    job = try_claim(ledger, job_id, Step.UPLOAD)
    assert job is not None
    return job


def test_a_service_with_a_fixed_limit_is_found_and_kept_near(fake_ledger: Ledger, wall: Wall) -> None:
    bounds(fake_ledger, 2, 1000)
    fill(fake_ledger, 0, 250)
    service = Service(fake_ledger, wall, most=10)
    for _ in range(100):
        service.tick(0.25)
    assert service.finished > 125  # of at most 250 in 25 s
    assert service.refused < service.finished / 5


def test_random_refusals_do_not_stop_the_work(fake_ledger: Ledger, wall: Wall) -> None:
    """At three 429s in a hundred, 28 of 300 files were done after 170 s."""
    bounds(fake_ledger, 16, 1000)
    fill(fake_ledger, 0, 300)
    service = Service(fake_ledger, wall, refuses=0.03)
    ticks = 0
    while service.finished < 300:
        service.tick(0.5)
        ticks += 1
        assert ticks < 240, f"{service.finished} of 300 after two minutes"


def test_a_limiter_counts_only_what_has_a_limit_that_can_move(ledger: Ledger) -> None:
    ledger.limits = {"edit": LimitBounds(4, 4)}
    ConcurrencyLimiter(ledger, "edit").accept()
    assert ledger.client.keys("dropscore:limit:*") == []
    assert ConcurrencyLimiter(ledger, "render").back_off() is None
    ConcurrencyLimiter(ledger, "render").accept()
    assert ConcurrencyLimiter(ledger, "edit").back_off() == 1
    ledger.limits = {"edit": LimitBounds(4, 9)}
    ConcurrencyLimiter(ledger, "edit").accept()
    assert ledger.client.hget("dropscore:limit:edit", "hold_until") == "0"


def test_one_scheduler_keeps_the_limit_that_another_ones_worker_found(ledger: Ledger, wall: Wall) -> None:
    other = Ledger(ledger.client, wall, limits=dict(ledger.limits))
    other.sync_clock()
    fill(ledger, 0, 9)
    assert len(admit(ledger)) == 4
    other.back_off("upload")
    wall.go(1)
    assert admit(ledger) == []
    assert other.fetch_due(100, LEASE_S) == []


# --- the rate -------------------------------------------------------------------------------------


class Sleeps:
    """Notes how long it was asked to sleep, and does not."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.mark.parametrize("per_s", [100.0, 0.5])
def test_requests_leave_evenly_apart(ledger: Ledger, per_s: float) -> None:
    sleeps = Sleeps()
    limiter = RateLimiter(ledger, per_s, sleeps)
    for _ in range(200):
        limiter.wait()
    apart_s = 1.01 / per_s
    # None slept, so each was told a time later than the one before; what the calls took is less of a wait.
    assert sleeps.waits[-1] <= 199 * apart_s
    assert sleeps.waits[-1] > 199 * apart_s - 20
    if per_s < 1:
        assert sleeps.waits[0] == pytest.approx(apart_s, abs=1)
        assert sleeps.waits == sorted(sleeps.waits)


def test_one_that_comes_late_does_not_wait(ledger: Ledger) -> None:
    sleeps = Sleeps()
    step = step_server_clock(ledger)
    limiter = RateLimiter(ledger, 1, sleeps)
    limiter.wait()
    step(60)
    limiter.wait()
    assert sleeps.waits == []
    limiter.wait()
    assert sleeps.waits == [pytest.approx(1.01, abs=0.5)]


def test_many_workers_share_one_rate(ledger: Ledger) -> None:
    limiters = [(RateLimiter(ledger, 10, sleeps), sleeps) for sleeps in (Sleeps() for _ in range(8))]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: [pair[0].wait() for _ in range(10)], limiters))
    waits = sorted(wait for _, sleeps in limiters for wait in sleeps.waits)
    assert waits[-1] > 79 * 0.101 - 5
    assert len(waits) >= 70


def test_nobody_waits_for_an_hour_when_the_servers_clock_is_set_back(ledger: Ledger) -> None:
    sleeps = Sleeps()
    step = step_server_clock(ledger)
    ledger.sync_clock()
    limiter = RateLimiter(ledger, 10, sleeps)
    limiter.wait()
    step(-3600)
    limiter.wait()
    limiter.wait()
    ledger.sync_clock()
    limiter.wait()
    assert max(sleeps.waits, default=0.0) < 30


def test_a_wait_that_is_broken_off_raises_what_broke_it(ledger: Ledger) -> None:
    def stop(_: float) -> None:
        raise InterruptedError

    limiter = RateLimiter(ledger, 0.01, stop)
    limiter.wait()
    with pytest.raises(InterruptedError):
        limiter.wait()


# --- the budget -----------------------------------------------------------------------------------


def test_a_budget_counts_what_is_in_flight(ledger: Ledger) -> None:
    budget = CreditBudget(ledger)
    budget.begin(120)
    assert [budget.reserve(job_id, 50)[0] for job_id in "aab"] == [True, True, True]
    assert budget.reserve("c", 50) == (False, Spending(120, 0, 100, edits=2))
    budget.commit("a", paid=False)
    assert budget.reserve("c", 50)[0] is True
    budget.commit("b", paid=True)
    budget.commit("c", paid=True)
    assert budget.spending() == Spending(120, 100, 0, edits=3, ever=100)
    budget.begin(None)
    assert budget.spending() == Spending(None, 0, 0, edits=3, ever=100)
    assert budget.reserve("d", 1e9)[0] is True
    check_budget(ledger)


def test_what_is_in_flight_counts_against_a_budget_that_begins_again(ledger: Ledger) -> None:
    budget = CreditBudget(ledger)
    budget.reserve("a", 50)
    budget.begin(60)
    assert budget.reserve("b", 50)[0] is False
    budget.commit("a", paid=True)
    assert budget.spending().spent == 50


def test_a_budget_is_never_exceeded_however_many_ask_at_once(ledger: Ledger) -> None:
    budget = CreditBudget(ledger)
    budget.begin(500)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: budget.reserve(f"j{number}", 50)[0], range(40)))
    assert found.count(True) == 10
    assert budget.spending().aside == 500
    check_budget(ledger)


def test_giving_back_what_nobody_set_aside_is_harmless(ledger: Ledger) -> None:
    budget = CreditBudget(ledger)
    budget.commit("nobody", paid=True)
    budget.commit("nobody", paid=False)
    assert budget.spending() == Spending(None, 0, 0)


def test_what_the_account_had_is_remembered(ledger: Ledger) -> None:
    budget = CreditBudget(ledger)
    assert budget.reserve("a", 50, 875.5)[1].available == 875.5
    assert budget.reserve("b", 50)[1].available == 875.5


def test_a_place_in_flight_and_the_budget_are_given_back_together(ledger: Ledger) -> None:
    submit(ledger)
    bring_to(ledger, "j1", Step.EDIT)
    job = claim_alone(ledger, "j1", Step.EDIT)
    CreditBudget(ledger).reserve("j1", 50)
    assert end_step(ledger, job, State.FAILED)
    assert (count_in_flight(ledger, "edit"), CreditBudget(ledger).spending().aside) == (0, 0)


def test_few_are_not_halved_by_refusals_that_have_another_reason(ledger: Ledger, wall: Wall) -> None:
    ledger.limits |= {"edit": LimitBounds(8, 100)}
    assert ledger.back_off("edit") == 1  # nothing was taken on: it is halved, and few were in flight
    ledger.client.hset("dropscore:limit:edit", "limit", 8)
    for _ in range(3):
        wall.go(5)
        ledger.accept("edit")
        assert ledger.back_off("edit") == 8
    for _ in range(9):  # now it takes on none any more
        wall.go(5)
        limit = ledger.back_off("edit")
    assert limit < 8
