"""Following a real ledger."""

from pathlib import Path

import pytest

from cli import follow
from cli.follow import Follower, ended_since, nothing_left, pages
from cli.summary import gather
from jobs.gates import Gates
from jobs.ledger import Move
from jobs.model import Gate, Problem, RenderRef, Spec, State, Step

pytestmark = pytest.mark.integration


@pytest.fixture
def gates(ledger):
    return Gates(ledger)


def submit(ledger, name, problem=None, root="/inbox"):
    spec = Spec(
        source=f"{root}/{name}",
        root=root,
        output=f"/outbox/{name}",
        result="",
        skill="s",
        instructions=("i",),
        fingerprint=name,
        created=ledger.now(),
    )
    ledger.submit(name, spec, [spec.output], "1:1", problem)


def claimed(ledger, name, step=Step.UPLOAD):
    return ledger.claim(name, step, "me", 30.0)


def move(ledger, job, state, step=None, **more):
    assert ledger.move(job, Move(state, step or job.step, **more), job.checkpoint, job.steps)


def test_a_job_is_seen_to_begin_to_go_on_and_to_end(ledger, gates, wall):
    follower = Follower(ledger, gates, ledger.now())
    submit(ledger, "a")
    seen = follower.look()
    assert (seen.waiting, seen.in_work) == (1, ())
    wall.go(1)
    job = claimed(ledger, "a")
    seen = follower.look()
    assert [one.state for one in seen.changed] == [State.RUNNING]
    assert (seen.waiting, [one.id for one in seen.in_work]) == (0, ["a"])
    assert follower.look().changed == ()
    wall.go(1)
    move(ledger, job, State.QUEUED, Step.EDIT, due=ledger.now())
    assert [one.step for one in follower.look().in_work] == [Step.EDIT]
    move(ledger, claimed(ledger, "a", Step.EDIT), State.DONE)
    wall.go(1)
    seen = follower.look()
    assert (seen.in_work, seen.ended) == ((), {State.DONE: 1})


def test_a_renders_progress_is_seen_although_the_job_has_not_moved(ledger, gates, wall):
    submit(ledger, "a")
    job = claimed(ledger, "a")
    follower = Follower(ledger, gates, ledger.now())
    follower.look()
    wall.go(30)
    follower.look()
    ledger.checkpoint(job, job.checkpoint.evolve(render=RenderRef(render_id="r", progress=40.0)))
    seen = follower.look()
    assert seen.changed == ()
    assert [one.checkpoint.render.progress for one in seen.in_work] == [40.0]


def test_work_that_an_earlier_run_left_is_in_work_from_the_first_look(ledger, gates, wall):
    submit(ledger, "a")
    move(ledger, claimed(ledger, "a"), State.WAITING, due=ledger.now() + 60, until=ledger.now() + 60)
    submit(ledger, "old")
    move(ledger, claimed(ledger, "old"), State.DONE)
    wall.go(3600)
    seen = Follower(ledger, gates, ledger.now()).look()
    assert [one.id for one in seen.in_work] == ["a"]
    assert seen.ended == {}


def test_nothing_is_missed_and_nothing_told_twice_in_a_storm(ledger, gates, wall, monkeypatch):
    monkeypatch.setattr(follow, "PAGE", 10)
    follower = Follower(ledger, gates, ledger.now())
    told = []
    for n in range(120):
        submit(ledger, f"j{n:03}", Problem(message="no"))
        wall.go(0.01)
        if n % 7 == 0:
            told += [job.id for job in follower.look().changed]
    told += [job.id for job in follower.look().changed]
    assert sorted(told) == [f"j{n:03}" for n in range(120)]


def test_pages_go_through_everything_since(ledger, wall, monkeypatch):
    monkeypatch.setattr(follow, "PAGE", 4)
    for n in range(11):
        submit(ledger, f"j{n:02}", Problem(message="no"))
        wall.go(1)
    assert [job.id for job in pages(ledger, State.FAILED, 0.0)] == [f"j{n:02}" for n in range(11)]
    since = ledger.now() - 3.5
    assert [job.id for job in ended_since(ledger, since)] == ["j08", "j09", "j10"]


def test_a_retried_job_has_not_ended(ledger, gates, wall):
    follower = Follower(ledger, gates, ledger.now())
    submit(ledger, "a", Problem(message="no"))
    assert follower.look().ended == {State.FAILED: 1}
    wall.go(1)
    ledger.order("a", State.QUEUED, among=[State.FAILED], due=ledger.now())
    assert follower.look().ended == {}


@pytest.mark.parametrize(
    ("gate", "over"),
    [
        (Gate.CREDITS, True),
        (Gate.PLAN, True),
        (Gate.AUTH, True),
        (Gate.PAUSED, True),
        (Gate.RATE, False),
        (Gate.DISK, False),
    ],
)
def test_only_what_a_person_must_do_ends_a_run_with_work_left(ledger, gates, gate, over):
    gates.close(gate, probe_at=ledger.now() + 9, message="m", advice="a")
    submit(ledger, "a")
    assert not nothing_left(ledger, gates)
    move(ledger, claimed(ledger, "a"), State.PARKED, due=ledger.now() + 3600, reason=gate)
    assert nothing_left(ledger, gates) is over


def test_the_ending_names_duplicates_what_stands_and_what_waits(ledger, gates, wall, folders_of):
    folders, root = folders_of, str(folders_of.inbox)
    for name in ("old", "gone"):
        submit(ledger, name, Problem(message="no"), root)
    submit(ledger, "elsewhere", Problem(message="no"), "/other")
    Path(folders.inbox, "old").touch()
    wall.go(60)
    since = ledger.now()
    submit(ledger, "a", root=root)
    move(ledger, claimed(ledger, "a"), State.DONE)
    twin = ledger.get("a").spec.evolve(source=f"{root}/twin")
    assert not ledger.submit("a", twin, [], "1:1").new
    gates.close(Gate.CREDITS, probe_at=0, message="m", advice="a")
    gates.close(Gate.PLAN, probe_at=0, message="m", advice="a")
    submit(ledger, "parked", root=root)
    move(ledger, claimed(ledger, "parked"), State.PARKED, reason=Gate.CREDITS, due=ledger.now())
    sources = [f"{root}/{name}" for name in ("old", "a", "twin", "parked", "never-taken")]
    ending = gather(ledger, gates, folders, since, sources)
    assert [job.id for job in ending.ended] == ["a"]
    assert [job.id for job in ending.standing] == ["old"]
    assert ending.duplicates == ((f"{root}/twin", f"{root}/a"),)
    assert [(closed.gate, count) for closed, count in ending.parked] == [(Gate.CREDITS, 1)]
    assert (ending.left, ending.exit_code) == (1, 4)
