"""The stats of the ledger: true, in one round trip, and of no more cost for many jobs."""

from pathlib import Path

import pytest

from jobs.errors import LedgerUnreachable
from jobs.gates import Gates
from jobs.ledger import Ledger, LimitBounds
from jobs.limits import CreditBudget, LimitState
from jobs.model import Gate, State, Step
from jobs.redis import connect, make_impatient
from jobs.stats import KINDS, publish_ceilings, read_stats
from tests.conftest import Wall, start_redis
from tests.unit.jobs.actions import LEASE_S, admit, bring_to, claim_alone, end, end_step, submit


def test_an_empty_ledger_has_nothing(ledger: Ledger) -> None:
    found = read_stats(ledger)
    assert (sum(found.jobs.values()), found.gates, found.limits, found.draining) == (0, {}, {}, False)
    assert (found.queued_since, found.queue_age_s, found.unended) == (None, 0, 0)
    assert set(found.waiting.values()) == {0}


def test_stats_count_files_gates_credits_and_the_oldest_wait(ledger: Ledger, wall: Wall) -> None:
    for job_id in ("a", "b"):
        submit(ledger, job_id)
    wall.go(20)
    for job_id in ("c", "d"):
        submit(ledger, job_id, backlog=True)
    submit(ledger, "render")
    bring_to(ledger, "render", Step.RENDER)
    job = claim_alone(ledger, "a", Step.UPLOAD)
    Gates(ledger).close(Gate.CREDITS, probe_at=0, message="empty", advice="top up")
    assert end_step(ledger, job, State.PARKED, reason="credits")
    budget = CreditBudget(ledger)
    budget.begin(500)
    budget.reserve("x", 50, 900)
    budget.reserve("y", 30, 850)
    budget.commit("x", paid=True)
    wall.go(5)
    ledger.drain(True)
    found = read_stats(ledger)
    assert {state: count for state, count in found.jobs.items() if count} == {
        State.QUEUED: 4,
        State.PARKED: 1,
    }
    assert found.jobs == ledger.counts()
    assert (set(found.gates), found.waiting[Gate.CREDITS], found.waiting[Gate.PLAN]) == ({Gate.CREDITS}, 4, 0)
    assert found.queue_age_s == pytest.approx(25, abs=0.1)
    assert (found.unended, found.draining) == (5, True)
    spending = found.spending
    assert (spending.limit, spending.ever, spending.aside, spending.available) == (500, 50, 30, 850)


def test_what_is_not_due_yet_does_not_wait_behind_a_gate(ledger: Ledger) -> None:
    submit(ledger)
    assert end_step(ledger, claim_alone(ledger, "j1", Step.UPLOAD), State.WAITING, after_s=60)
    Gates(ledger).close(Gate.PAUSED, probe_at=0, message="m", advice="a")
    assert read_stats(ledger).waiting[Gate.PAUSED] == 0


def test_each_limit_is_shown_with_what_is_in_flight_and_its_ceiling(ledger: Ledger, wall: Wall) -> None:
    for number in range(6):
        submit(ledger, f"j{number}")
    assert len(admit(ledger)) == 4
    ledger.accept("upload")
    publish_ceilings(ledger)
    found = read_stats(Ledger(ledger.client, wall)).limits  # whoever reads needs no bounds of its own
    assert set(found) == set(KINDS)
    assert found["upload"] == LimitState(5, 4, 100)
    assert found["edit"] == LimitState(4, 0, 100)
    wall.go(LEASE_S + 1)
    assert read_stats(ledger).limits["upload"].in_flight == 0  # lost messages hold nothing


def test_a_limit_is_shown_within_its_ceiling(ledger: Ledger) -> None:
    ledger.limits = {"upload": LimitBounds(4, 100)}
    ledger.client.hset("dropscore:limit:upload", "limit", 80)
    ledger.limits = {"upload": LimitBounds(4, 6)}
    publish_ceilings(ledger)
    assert read_stats(ledger).limits == {"upload": LimitState(6, 0, 6)}


@pytest.mark.integration
def test_stats_ask_as_much_of_ten_jobs_as_of_hundreds(redis_url: str) -> None:
    ledger = Ledger(connect(redis_url))
    ledger.client.flushall()
    Gates(ledger).close(Gate.PAUSED, probe_at=0, message="m", advice="a")

    def count_commands() -> int:
        before = ledger.client.info("stats")["total_commands_processed"]
        read_stats(ledger)
        return int(ledger.client.info("stats")["total_commands_processed"] - before)

    for number in range(10):
        submit(ledger, f"a{number}")
    few = count_commands()
    for number in range(190):
        submit(ledger, f"b{number}", backlog=bool(number % 2))
    assert count_commands() == few
    ledger.client.close()


@pytest.mark.integration
def test_stats_of_a_server_that_is_gone_are_an_error_soon(tmp_path: Path) -> None:
    server, url = start_redis(tmp_path)
    ledger = Ledger(connect(url))
    impatient = make_impatient(ledger.client)
    assert read_stats(ledger, impatient).unended == 0
    server.kill()
    server.wait()
    with pytest.raises(LedgerUnreachable):
        read_stats(ledger, impatient)
    impatient.close()
    ledger.client.close()


def test_a_state_is_counted_once_for_each_job(ledger: Ledger) -> None:
    for number, state in enumerate((State.DONE, State.FAILED, State.UNCONFIRMED, State.CANCELLED)):
        submit(ledger, f"j{number}")
        end(ledger, f"j{number}", state)
    found = read_stats(ledger)
    assert sum(found.jobs.values()) == 4
    assert found.unended == 0
