"""Following a real ledger."""

from pathlib import Path

import pytest

from cli.output import snapshot
from cli.output.snapshot import Follower, jobs_ended_since, nothing_left
from cli.output.summary import gather_ending
from jobs.gates import Gates
from jobs.ledger import StepResult, pack_checkpoint
from jobs.model import Gate, InstructionState, InstructionStatus, JobSpec, Problem, RenderRef, State, Step
from jobs.sources import Sources

pytestmark = pytest.mark.integration


@pytest.fixture
def gates(ledger):
    return Gates(ledger)


def submit(ledger, name, problem=None, root="/inbox"):
    spec = JobSpec(
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
    ledger.fetch_due(10, 30.0)
    return ledger.claim(name, step, "me", 30.0)


def move(ledger, job, state, step=None, **more):
    result = StepResult(state, step or job.step, **more)
    assert ledger.commit(job, result, pack_checkpoint(job.checkpoint), job.steps)


def test_a_job_is_seen_to_begin_to_go_on_and_to_end(ledger, gates, wall):
    follower = Follower(ledger, gates, ledger.now())
    submit(ledger, "a")
    seen = follower.take_snapshot()
    assert (seen.waiting, seen.in_work) == (1, ())
    wall.go(1)
    job = claimed(ledger, "a")
    seen = follower.take_snapshot()
    assert [one.state for one in seen.changed] == [State.RUNNING]
    assert (seen.waiting, [one.id for one in seen.in_work]) == (0, ["a"])
    assert follower.take_snapshot().changed == ()
    wall.go(1)
    move(ledger, job, State.QUEUED, Step.EDIT, due=ledger.now())
    assert [one.step for one in follower.take_snapshot().in_work] == [Step.EDIT]
    move(ledger, claimed(ledger, "a", Step.EDIT), State.DONE)
    wall.go(1)
    seen = follower.take_snapshot()
    assert (seen.in_work, seen.ended) == ((), {State.DONE: 1})


def test_a_renders_progress_is_seen_although_the_job_has_not_moved(ledger, gates, wall):
    submit(ledger, "a")
    job = claimed(ledger, "a")
    follower = Follower(ledger, gates, ledger.now())
    follower.take_snapshot()
    wall.go(30)
    follower.take_snapshot()
    ledger.save(job, pack_checkpoint(job.checkpoint.evolve(render=RenderRef(render_id="r", progress=40.0))))
    seen = follower.take_snapshot()
    assert seen.changed == ()
    assert [one.checkpoint.render.progress for one in seen.in_work] == [40.0]


def test_work_that_an_earlier_run_left_is_in_work_from_the_first_look(ledger, gates, wall):
    submit(ledger, "a")
    move(ledger, claimed(ledger, "a"), State.WAITING, due=ledger.now() + 60)
    submit(ledger, "old")
    move(ledger, claimed(ledger, "old"), State.DONE)
    wall.go(3600)
    seen = Follower(ledger, gates, ledger.now()).take_snapshot()
    assert [one.id for one in seen.in_work] == ["a"]
    assert seen.ended == {}


def test_nothing_is_missed_and_nothing_told_twice_in_a_storm(ledger, gates, wall, monkeypatch):
    monkeypatch.setattr(snapshot, "PAGE", 10)
    follower = Follower(ledger, gates, ledger.now())
    told = []
    for n in range(120):
        submit(ledger, f"j{n:03}", Problem(message="no"))
        wall.go(0.01)
        if n % 7 == 0:
            told += [job.id for job in follower.take_snapshot().changed]
    told += [job.id for job in follower.take_snapshot().changed]
    assert sorted(told) == [f"j{n:03}" for n in range(120)]


def test_the_jobs_that_ended_since_are_listed(ledger, wall):
    for n in range(11):
        submit(ledger, f"j{n:02}", Problem(message="no"))
        wall.go(1)
    since = ledger.now() - 3.5
    assert [job.id for job in jobs_ended_since(ledger, since)] == ["j08", "j09", "j10"]


def test_a_retried_job_has_not_ended(ledger, gates, wall):
    follower = Follower(ledger, gates, ledger.now())
    submit(ledger, "a", Problem(message="no"))
    assert follower.take_snapshot().ended == {State.FAILED: 1}
    wall.go(1)
    ledger.transition("a", State.QUEUED, among=[State.FAILED])
    assert follower.take_snapshot().ended == {}


@pytest.mark.parametrize(
    ("gate", "step", "over"),
    [
        (Gate.CREDITS, Step.EDIT, True),
        (Gate.CREDITS, Step.RENDER, False),  # it holds edits back, not renders
        (Gate.PLAN, Step.RENDER, True),
        (Gate.AUTH, Step.POLL, True),
        (Gate.PAUSED, Step.UPLOAD, True),
        (Gate.RATE, Step.EDIT, False),
        (Gate.DISK, Step.EDIT, False),
    ],
)
def test_only_what_a_person_must_do_ends_a_run_with_work_left(ledger, gates, gate, step, over):
    submit(ledger, "a")
    move(ledger, claimed(ledger, "a"), State.QUEUED, step, due=ledger.now())
    assert not nothing_left(ledger)
    gates.close(gate, probe_at=ledger.now() + 9, message="m", advice="a")
    assert nothing_left(ledger) is over


def test_a_file_behind_two_gates_is_counted_once(ledger, gates):
    for name in "ab":
        submit(ledger, name)
    for gate in (Gate.CREDITS, Gate.AUTH, Gate.PAUSED):
        gates.close(gate, probe_at=0, message="m", advice="a")
    assert nothing_left(ledger)
    move_b = ledger.transition("b", State.CANCELLED, among=[State.QUEUED])
    assert move_b is State.QUEUED
    assert nothing_left(ledger)


def test_a_job_in_work_keeps_a_run_going_although_all_others_wait_for_a_person(ledger, gates):
    submit(ledger, "a")
    claimed(ledger, "a")
    gates.close(Gate.AUTH, probe_at=0, message="m", advice="a")
    assert not nothing_left(ledger)


def test_a_ledger_that_was_emptied_is_noticed(ledger, gates, folders_of):
    follower = Follower(ledger, gates, ledger.now())
    submit(ledger, "a")
    submit(ledger, "b")
    follower.take_snapshot()
    assert follower.count_lost() == 0
    ledger.client.flushall()
    ending = gather_ending(ledger, folders_of, ledger.now(), [], follower)
    assert (ending.lost, ending.exit_code, ending.files) == (2, 1, ())


def test_edits_that_are_on_their_way_are_counted(ledger, gates):
    follower = Follower(ledger, gates, ledger.now())
    for name in "abc":
        submit(ledger, name)
        move(ledger, claimed(ledger, name), State.QUEUED, Step.EDIT, due=ledger.now())
    follower.take_snapshot()
    assert follower.count_open_edits() == 0
    for name, status in (("a", InstructionStatus.SENDING), ("b", InstructionStatus.LANDED)):
        job = claimed(ledger, name, Step.EDIT)
        sent = InstructionState(text="music", status=status)
        ledger.save(job, pack_checkpoint(job.checkpoint.evolve(instructions=(sent,))))
    follower.take_snapshot()
    assert follower.count_open_edits() == 1


def test_a_duplicate_is_news_once_and_only_in_its_run(ledger, gates):
    sources = Sources(ledger)
    sources.add_duplicate("/inbox/old.mp4", "a")
    follower = Follower(ledger, gates, ledger.now())
    assert follower.take_snapshot().duplicates == ()
    sources.add_duplicate("/inbox/twin.mp4", "a")
    found = [follower.take_snapshot().duplicates for _ in range(2 * snapshot.DUPLICATES_EVERY)]
    assert [one for one in found if one] == [(("/inbox/twin.mp4", "a"),)]


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
    Sources(ledger).mark({twin.source: ("1:1", "a")})
    gates.close(Gate.CREDITS, probe_at=0, message="m", advice="a")
    gates.close(Gate.PLAN, probe_at=0, message="m", advice="a")
    submit(ledger, "held", root=root)
    sources = [f"{root}/{name}" for name in ("old", "a", "twin", "held", "never-taken")]
    ending = gather_ending(ledger, folders, since, sources)
    assert [result.job for result in ending.files] == ["a"]
    assert [result.job for result in ending.standing] == ["old"]
    assert [(twin.source, twin.same_as) for twin in ending.duplicates] == [(f"{root}/twin", f"{root}/a")]
    assert [(held.gate, held.waiting) for held in ending.held] == [(Gate.CREDITS, 1)]
    assert (ending.left, ending.exit_code) == (1, 4)
