"""The census of the ledger, and who tells of it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs import census
from jobs.budget import Budget
from jobs.connection import connect, hurried
from jobs.errors import LedgerUnreachable
from jobs.gates import Gates
from jobs.ledger import Ledger, Move
from jobs.model import Checkpoint, Gate, Spec, State, Step
from jobs.telling import Telling
from tests.conftest import Wall, start_redis


def submit(ledger: Ledger, *ids: str) -> None:
    for job_id in ids:
        spec = Spec(
            source=f"/in/{job_id}",
            root="",
            output="",
            result="",
            skill="s",
            instructions=(),
            fingerprint=job_id,
        )
        ledger.submit(job_id, spec, [f"/out/{job_id}.mp4"])


def end(ledger: Ledger, job_id: str, state: State, **named: str) -> None:
    job = ledger.claim(job_id, Step.UPLOAD, "w", 30)
    assert job is not None
    due = ledger.now() + 3600 if state is State.PARKED else None
    assert ledger.move(job, Move(state, Step.UPLOAD, due=due, **named), Checkpoint(), ())


def test_a_census_counts_files_gates_credits_and_the_oldest_wait(ledger: Ledger, wall: Wall) -> None:
    submit(ledger, "a", "b")
    wall.go(20)
    submit(ledger, "c", "d")
    Gates(ledger).close(Gate.CREDITS, probe_at=0, message="empty", advice="top up")
    end(ledger, "a", State.PARKED, reason="credits")
    end(ledger, "c", State.DONE)
    budget = Budget(ledger)
    budget.begin(500)
    budget.reserve("x", 50, 900)
    budget.reserve("y", 30, 850)
    budget.settle("x", paid=True)
    wall.go(5)
    found = census.take(ledger)
    assert {state: count for state, count in found.jobs.items() if count} == {
        State.QUEUED: 2,
        State.PARKED: 1,
        State.DONE: 1,
    }
    assert (set(found.gates), found.parked[Gate.CREDITS], found.parked[Gate.PLAN]) == ({Gate.CREDITS}, 1, 0)
    assert found.queue_age_s == 25
    assert found.unended == 3
    spending = found.spending
    assert (spending.limit, spending.ever, spending.aside, spending.available) == (500, 50, 30, 850)


def test_a_census_asks_as_much_of_ten_jobs_as_of_hundreds(redis_url: str) -> None:
    ledger = Ledger(connect(redis_url))
    ledger.client.flushall()

    def commands() -> int:
        before = ledger.client.info("stats")["total_commands_processed"]
        census.take(ledger)
        return int(ledger.client.info("stats")["total_commands_processed"] - before)

    submit(ledger, *(f"a{number}" for number in range(10)))
    few = commands()
    submit(ledger, *(f"b{number}" for number in range(290)))
    assert commands() == few
    ledger.client.close()


def test_a_census_of_a_server_that_is_gone_is_soon_over(tmp_path) -> None:
    server, url = start_redis(tmp_path)
    ledger = Ledger(connect(url))
    quick = hurried(ledger.client)
    assert census.take(ledger, quick).unended == 0
    server.kill()
    server.wait()
    with pytest.raises(LedgerUnreachable):
        census.take(ledger, quick)


def test_a_holder_that_died_is_told_by_the_end_of_its_lease(ledger: Ledger, wall: Wall) -> None:
    submit(ledger, "a")
    first = ledger.claim("a", Step.UPLOAD, "w1", 30)
    assert first is not None
    assert first.lapsed == 0
    wall.go(42)
    second = ledger.claim("a", Step.UPLOAD, "w2", 30)
    assert second is not None
    assert second.updated - second.lapsed == 12
    ledger.move(second, Move(State.QUEUED, Step.EDIT), Checkpoint(), ())
    third = ledger.claim("a", Step.EDIT, "w2", 30)
    assert third is not None
    assert third.lapsed == 0


def test_one_of_many_gets_to_tell(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: Telling(ledger).claim("batch", "", f"{n}"), range(20)))
    assert won.count(True) == 1
    telling = Telling(ledger)
    known = telling.marks()["batch"]
    assert known == str(won.index(True))
    assert telling.claim("batch", "stale", "x") is False
    assert telling.claim("batch", known, "") is True
    assert telling.marks() == {}


@pytest.mark.parametrize(
    ("source", "name"),
    [("/in/a b.mp4", "a b.mp4"), ("https://x.example/v/clip.mp4?sig=secret", "clip.mp4")],
)
def test_a_name_shows_neither_folder_nor_query(source: str, name: str) -> None:
    said = Spec(
        source=source, root="", output="", result="", skill="s", instructions=(), fingerprint="f"
    ).name
    assert said == name
