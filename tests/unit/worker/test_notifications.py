"""Notifications: each thing once, however many workers look, and never in a storm."""

import pytest

from jobs.gates import Gates
from jobs.ledger import Ledger, StepResult
from jobs.limits import CreditBudget
from jobs.model import Gate, JobSpec, Problem, State, Step
from tests.conftest import Wall
from worker.notifications import NAMED, Notice, find_notices

PROBLEM = Problem(code="no_music", message="No music. It said: /in/secret", advice="Try: dropscore retry JOB")


@pytest.fixture(autouse=True)
def first_look(ledger: Ledger, request: pytest.FixtureRequest) -> None:
    """The first look of all has been: it finds no news."""
    if "before_the_first_look" not in request.node.name:
        assert look(ledger) == []


def look(ledger: Ledger, *, last: bool = False) -> list[Notice]:
    """Let two workers look, one after the other."""
    return [notice for _ in range(2) for notice in find_notices(ledger, last=last)]


def submit(ledger: Ledger, *ids: str) -> None:
    for job_id in ids:
        spec = JobSpec(source=f"/in/{job_id}.mp4", skill="s", fingerprint=job_id)
        ledger.submit(job_id, spec, [f"/out/{job_id}.mp4"])


def end(ledger: Ledger, state: State, *ids: str) -> None:
    """Let these jobs end in a state; what was submitted before stays queued."""
    waiting = {job.id for job in ledger.all_in(State.QUEUED)}
    submit(ledger, *ids)
    for due in ledger.fetch_due(100, 30):
        if due.job_id in waiting:
            continue
        job = ledger.claim(due.job_id, Step.UPLOAD, "w", 30)
        assert job is not None
        problem = None if state is State.DONE else PROBLEM
        assert ledger.commit(job, StepResult(state, Step.UPLOAD, problem=problem), {}, ())


def test_a_gate_is_news_once_when_it_closes_and_once_when_it_opens(ledger: Ledger) -> None:
    gates = Gates(ledger)
    gates.close(Gate.CREDITS, probe_at=0, message="0 credits left", advice="Top up.")
    (closed,) = look(ledger)
    assert (closed.title, closed.body, closed.mood) == (
        "Dropscore: the gate 'credits' is closed",
        "0 credits left\nTop up.",
        "warning",
    )
    assert look(ledger) == []
    gates.open(Gate.CREDITS)
    (opened,) = look(ledger)
    assert opened.title == "Dropscore: the gate 'credits' is open"
    assert look(ledger) == []


def test_a_rate_gate_is_news_only_when_it_stays(ledger: Ledger, wall: Wall) -> None:
    gates = Gates(ledger)
    for _ in range(5):
        gates.close(Gate.RATE, probe_at=0, message="429", advice="Wait.")
        wall.go(30)
        assert look(ledger) == []
        gates.open(Gate.RATE)
        assert look(ledger) == []
    gates.close(Gate.RATE, probe_at=0, message="429", advice="Wait.")
    wall.go(61)
    assert [notice.title for notice in look(ledger)] == ["Dropscore: the gate 'rate' is closed"]


def test_a_failure_is_named_with_its_advice_and_none_of_the_agent_s_words(ledger: Ledger, wall: Wall) -> None:
    submit(ledger, "goes-on")
    end(ledger, State.FAILED, "clip")
    wall.go(3)
    (failed,) = look(ledger)
    assert failed.title == "Dropscore: 1 file failed"
    assert failed.body == "clip.mp4: no_music. Try: dropscore retry clip"
    assert look(ledger) == []


def test_a_storm_of_failures_is_one_message_a_minute(ledger: Ledger, wall: Wall) -> None:
    submit(ledger, "goes-on")
    notices = []
    for number in range(60):
        end(ledger, State.FAILED, f"a{number}", f"b{number}")
        wall.go(3)
        notices += look(ledger)
    assert len(notices) == 3
    wall.go(60)
    notices += look(ledger)
    assert sum(int(notice.title.split()[1]) for notice in notices) == 120  # all are counted, none twice
    assert all(len(notice.body.splitlines()) <= NAMED + 1 for notice in notices)
    assert notices[-1].body.splitlines()[-1].startswith("and ")


def test_a_batch_is_news_when_all_have_ended_and_nothing_comes(ledger: Ledger, wall: Wall) -> None:
    budget = CreditBudget(ledger)
    budget.reserve("x", 150, 9850)
    budget.commit("x", paid=True)
    submit(ledger, "waits")
    end(ledger, State.DONE, "a", "b")
    wall.go(60)
    assert look(ledger) == []
    end(ledger, State.DONE, "c")
    ledger.transition("waits", State.CANCELLED, among=[State.QUEUED])
    wall.go(9)
    assert look(ledger) == []
    wall.go(4)
    (ended,) = look(ledger)
    assert (ended.title, ended.mood) == ("Dropscore: 4 files have ended", "warning")
    assert ended.body == ("3 done, 1 cancelled.\n150 credits spent, 9,850 left when the last edit began.")
    wall.go(600)
    assert look(ledger) == []
    end(ledger, State.DONE, "d")
    wall.go(60)
    (again,) = look(ledger)
    assert (again.title, again.mood) == ("Dropscore: 1 file has ended", "success")
    assert again.body.splitlines()[1].startswith("0 credits spent")


def test_the_last_look_of_a_worker_waits_for_no_quiet(ledger: Ledger) -> None:
    end(ledger, State.DONE, "a")
    end(ledger, State.FAILED, "b")
    assert look(ledger) == []
    titles = [notice.title for notice in look(ledger, last=True)]
    assert titles == ["Dropscore: 1 file failed", "Dropscore: 2 files have ended"]


def test_a_file_behind_a_gate_keeps_its_batch_open(ledger: Ledger, wall: Wall) -> None:
    end(ledger, State.DONE, "a")
    Gates(ledger).close(Gate.CREDITS, probe_at=0, message="m", advice="a")
    submit(ledger, "p")
    wall.go(100)
    (closed,) = look(ledger, last=True)
    assert (closed.title, closed.body) == (
        "Dropscore: the gate 'credits' is closed",
        "m\na\n1 file behind it.",
    )


def test_what_was_long_before_the_first_look_is_no_news(ledger: Ledger, wall: Wall) -> None:
    end(ledger, State.FAILED, "old")
    wall.go(3600)
    assert look(ledger) == []
    wall.go(100)
    assert look(ledger, last=True) == []


def test_a_secret_in_a_gate_s_message_is_masked(ledger: Ledger) -> None:
    Gates(ledger).close(Gate.AUTH, probe_at=0, message="nmv_usr_abcdef0123456789 is refused", advice="a")
    (closed,) = look(ledger)
    assert "abcdef" not in closed.body
    assert "nmv_***" in closed.body
