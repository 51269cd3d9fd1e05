"""What people are told of: once, however many workers look, and never in a storm."""

import pytest

from jobs.budget import Budget
from jobs.gates import Gates
from jobs.ledger import Ledger, Move
from jobs.model import Checkpoint, Gate, Problem, Spec, State, Step
from tests.conftest import Wall
from worker.notices import NAMED, Notice, Watch

PROBLEM = Problem(kind="NoMusic", message="No music. It said: /in/secret", advice="Try: dropscore retry JOB")


@pytest.fixture
def watches(ledger: Ledger) -> tuple[Watch, Watch]:
    """Two workers that look; the first look of all has been."""
    found = (Watch(ledger), Watch(ledger))
    assert look(*found) == []
    return found


def look(*watches: Watch, last: bool = False) -> list[Notice]:
    return [notice for watch in watches for notice in watch.look(last=last)]


def submit(ledger: Ledger, *ids: str) -> None:
    for job_id in ids:
        spec = Spec(
            source=f"/in/{job_id}.mp4",
            root="",
            output="",
            result="",
            skill="s",
            instructions=(),
            fingerprint=job_id,
        )
        ledger.submit(job_id, spec, [f"/out/{job_id}.mp4"])


def end(ledger: Ledger, state: State, *ids: str) -> None:
    submit(ledger, *ids)
    for job_id in ids:
        job = ledger.claim(job_id, Step.UPLOAD, "w", 30)
        assert job is not None
        problem = None if state is State.DONE else PROBLEM
        assert ledger.move(job, Move(state, Step.UPLOAD, problem=problem), Checkpoint(), ())


def test_a_gate_is_told_of_once_when_it_closes_and_once_when_it_opens(
    ledger: Ledger, watches: tuple[Watch, Watch]
) -> None:
    gates = Gates(ledger)
    gates.close(Gate.CREDITS, probe_at=0, message="0 credits left", advice="Top up.")
    (closed,) = look(*watches)
    assert (closed.title, closed.body, closed.mood) == (
        "Dropscore: the gate 'credits' is closed",
        "0 credits left\nTop up.",
        "warning",
    )
    assert look(*watches) == []
    gates.open(Gate.CREDITS)
    (opened,) = look(*watches)
    assert opened.title == "Dropscore: the gate 'credits' is open"
    assert look(*watches) == []


def test_a_rate_gate_is_told_of_only_when_it_stays(
    ledger: Ledger, wall: Wall, watches: tuple[Watch, Watch]
) -> None:
    gates = Gates(ledger)
    for _ in range(5):
        gates.close(Gate.RATE, probe_at=0, message="429", advice="Wait.")
        wall.go(30)
        assert look(*watches) == []
        gates.open(Gate.RATE)
        assert look(*watches) == []
    gates.close(Gate.RATE, probe_at=0, message="429", advice="Wait.")
    wall.go(61)
    assert [notice.title for notice in look(*watches)] == ["Dropscore: the gate 'rate' is closed"]


def test_a_failure_is_named_with_its_advice_and_nothing_that_was_said(
    ledger: Ledger, wall: Wall, watches: tuple[Watch, Watch]
) -> None:
    submit(ledger, "goes-on")
    end(ledger, State.FAILED, "clip")
    wall.go(3)
    (failed,) = look(*watches)
    assert failed.title == "Dropscore: 1 file failed"
    assert failed.body == "clip.mp4: NoMusic. Try: dropscore retry clip"
    assert look(*watches) == []


def test_a_storm_of_failures_is_one_message_a_minute(
    ledger: Ledger, wall: Wall, watches: tuple[Watch, Watch]
) -> None:
    submit(ledger, "goes-on")
    told = []
    for number in range(60):
        end(ledger, State.FAILED, f"a{number}", f"b{number}")
        wall.go(3)
        told += look(*watches)
    assert len(told) == 3
    wall.go(60)
    told += look(*watches)
    assert sum(int(notice.title.split()[1]) for notice in told) == 120  # all are counted, none twice
    assert all(len(notice.body.splitlines()) <= NAMED + 1 for notice in told)
    assert told[-1].body.splitlines()[-1].startswith("and ")


def test_a_batch_is_told_of_when_all_have_ended_and_nothing_comes(
    ledger: Ledger, wall: Wall, watches: tuple[Watch, Watch]
) -> None:
    budget = Budget(ledger)
    budget.reserve("x", 150, 9850)
    budget.settle("x", paid=True)
    submit(ledger, "waits")
    end(ledger, State.DONE, "a", "b")
    wall.go(60)
    assert look(*watches) == []
    end(ledger, State.DONE, "c")
    ledger.order("waits", State.CANCELLED, among=[State.QUEUED], due=None)
    wall.go(9)
    assert look(*watches) == []
    wall.go(4)
    (ended,) = look(*watches)
    assert (ended.title, ended.mood) == ("Dropscore: 4 files are through", "warning")
    assert ended.body == ("3 done, 1 cancelled.\n150 credits spent, 9,850 left when the last edit began.")
    wall.go(600)
    assert look(*watches) == []
    end(ledger, State.DONE, "d")
    wall.go(60)
    (again,) = look(*watches)
    assert (again.title, again.mood) == ("Dropscore: 1 file is through", "success")
    assert again.body.splitlines()[1].startswith("0 credits spent")


def test_the_last_look_of_a_worker_waits_for_no_quiet(ledger: Ledger, watches: tuple[Watch, Watch]) -> None:
    end(ledger, State.DONE, "a")
    end(ledger, State.FAILED, "b")
    assert look(*watches) == []
    told = [notice.title for notice in look(*watches, last=True)]
    assert told == ["Dropscore: 1 file failed", "Dropscore: 2 files are through"]


def test_a_parked_file_keeps_its_batch_open(ledger: Ledger, wall: Wall, watches: tuple[Watch, Watch]) -> None:
    Gates(ledger).close(Gate.CREDITS, probe_at=0, message="m", advice="a")
    end(ledger, State.DONE, "a")
    submit(ledger, "p")
    job = ledger.claim("p", Step.UPLOAD, "w", 30)
    assert job is not None
    ledger.move(
        job, Move(State.PARKED, Step.UPLOAD, due=ledger.now() + 9, reason="credits"), Checkpoint(), ()
    )
    wall.go(100)
    (closed,) = look(*watches, last=True)
    assert (closed.title, closed.body) == (
        "Dropscore: the gate 'credits' is closed",
        "m\na\n1 file behind it.",
    )


def test_what_was_long_before_the_first_look_is_no_news(ledger: Ledger, wall: Wall) -> None:
    end(ledger, State.FAILED, "old")
    wall.go(3600)
    watch = Watch(ledger)
    assert look(watch) == []
    wall.go(100)
    assert look(watch, last=True) == []
