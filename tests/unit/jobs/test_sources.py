"""What the producer keeps: sources it has seen, files that moved, newer wishes, and what is let go."""

import pytest

from jobs.ledger import Ledger, path_key
from jobs.model import (
    ENDED,
    SOURCE_GONE,
    STALE_CODES,
    Checkpoint,
    InstructionState,
    InstructionStatus,
    Job,
    Problem,
    SessionRef,
    State,
    Step,
    UploadRef,
)
from jobs.sources import NO_JOB, Sources
from tests.conftest import Wall
from tests.unit.jobs.actions import (
    admit_ids,
    bring_to,
    check_sets,
    claim,
    claim_alone,
    end,
    end_step,
    look_up,
    make_spec,
    submit,
    try_claim,
)

PENDING = InstructionState(text="add music")


def test_marks_come_back_in_order_with_their_jobs(ledger: Ledger) -> None:
    sources = Sources(ledger)
    sources.mark({"/in/a b.mp4": ("7:99 x", "j1"), "/in/b.txt": ("", NO_JOB)})
    assert sources.seen(["/in/b.txt", "/in/none", "/in/a b.mp4"]) == [("", NO_JOB), None, ("7:99 x", "j1")]
    assert sources.seen([]) == []
    sources.mark({})


def test_a_producer_is_alive_for_a_minute_after_its_last_beat(ledger: Ledger) -> None:
    sources = Sources(ledger)
    assert not sources.is_alive("p")
    sources.beat("p")
    assert sources.is_alive("p")
    assert not sources.is_alive("q")
    assert 50 < ledger.client.ttl("dropscore:producer:p") <= 60


def test_duplicates_are_remembered_by_their_path(ledger: Ledger) -> None:
    sources = Sources(ledger)
    for number in range(30):
        sources.add_duplicate(f"/in/copy {number}.mp4", "j1")
    sources.add_duplicate("/in/copy 0.mp4", "j2")
    found = dict(sources.duplicates())
    assert len(found) == 30
    assert (found["/in/copy 0.mp4"], found["/in/copy 1.mp4"]) == ("j2", "j1")


# --- a file that was moved ------------------------------------------------------------------------


def relocated(ledger: Ledger, job_id: str = "j1", to: str = "/in/new.mp4") -> bool:
    return Sources(ledger).relocate(ledger.get(job_id), to)


@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING, State.PARKED])
def test_a_job_goes_on_with_its_file_at_the_new_place(ledger: Ledger, state: State) -> None:
    submit(ledger)
    if state is not State.QUEUED:
        assert end_step(ledger, claim(ledger), state, Step.UPLOAD)
    assert Sources(ledger).relocate(ledger.get("j1"), "s3://bucket/new.mp4", "etag-2") is True
    job = ledger.get("j1")
    assert (job.state, job.spec.source, job.spec.etag) == (state, "s3://bucket/new.mp4", "etag-2")
    assert job.spec.output == "/out/j1.mp4"
    assert job.spec.instructions == ("add music",)
    check_sets(ledger)


def test_one_that_failed_for_lack_of_its_file_is_queued_again(ledger: Ledger) -> None:
    """An inbox that was unmounted for 15 s: 8 of 10 files were failed for good, though it came back."""
    submit(ledger, session_group="g")
    end(ledger, "j1", State.FAILED, SOURCE_GONE)
    assert relocated(ledger) is True
    job = ledger.get("j1")
    assert (job.state, job.problem, job.attempts) == (State.QUEUED, None, 0)
    check_sets(ledger)
    assert admit_ids(ledger) == ["j1"]
    claimed = try_claim(ledger, "j1", Step.UPLOAD)
    assert claimed is not None
    assert claimed.spec.source == "/in/new.mp4"


@pytest.mark.parametrize("code", sorted(STALE_CODES))
def test_the_source_of_one_that_failed_for_its_sake_is_looked_at_again(ledger: Ledger, code: str) -> None:
    sources, source = Sources(ledger), submit(ledger).spec.source
    sources.mark({source: ("7:99 x", "j1"), "/in/other.mp4": ("7:99 x", "j1")})
    end(ledger, "j1", State.FAILED, code)
    assert sources.seen([source, "/in/other.mp4"]) == [None, ("7:99 x", "j1")]
    assert relocated(ledger, to=source) is True


def test_the_source_of_one_that_failed_otherwise_or_has_another_job_stays_seen(ledger: Ledger) -> None:
    sources = Sources(ledger)
    for job_id, code, marked in (("j1", "no_music", "j1"), ("j2", SOURCE_GONE, "another")):
        source = submit(ledger, job_id).spec.source
        sources.mark({source: ("7:99 x", marked)})
        end(ledger, job_id, State.FAILED, code)
        assert sources.seen([source]) == [("7:99 x", marked)]


def test_what_cannot_follow_its_file_stays_as_it_was(ledger: Ledger) -> None:
    submit(ledger, "running")
    claim(ledger, "running")
    submit(ledger, "edited")
    bring_to(ledger, "edited", Step.EDIT)
    submit(ledger, "failed")
    end(ledger, "failed", State.FAILED, "no_music")
    submit(ledger, "sent")
    reached = Checkpoint(upload=UploadRef(sha256="x"))
    assert end_step(ledger, claim(ledger, "sent"), State.WAITING, Step.UPLOAD, checkpoint=reached)
    submit(ledger, "cancelled")
    end(ledger, "cancelled", State.CANCELLED)
    for job_id in ("running", "edited", "failed", "sent", "cancelled"):
        before = ledger.get(job_id)
        assert relocated(ledger, job_id) is False
        assert ledger.get(job_id) == before
    check_sets(ledger)


def test_a_job_that_followed_another_file_meanwhile_is_left_alone(ledger: Ledger) -> None:
    known = submit(ledger)
    assert relocated(ledger, to="/in/first.mp4") is True
    assert Sources(ledger).relocate(known, "/in/second.mp4") is False
    assert ledger.get("j1").spec.source == "/in/first.mp4"
    assert Sources(ledger).relocate(known.evolve(id="nobody"), "/in/x.mp4") is False


# --- a newer wish for the same source -------------------------------------------------------------


def supersede(ledger: Ledger, job_id: str = "j1") -> bool:
    return Sources(ledger).supersede(ledger.get(job_id))


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.WAITING, State.PARKED])
@pytest.mark.parametrize("backlog", [False, True])
def test_a_job_that_sent_nothing_makes_room_for_a_newer_wish(
    ledger: Ledger, state: State, backlog: bool
) -> None:
    submit(ledger, output="/out/clip.mp4", backlog=backlog)
    if state is not State.QUEUED:
        job = claim(ledger)
        if state is not State.RUNNING:
            assert end_step(ledger, job, state, Step.UPLOAD)
    held = ledger.get("j1")
    assert supersede(ledger) is True
    found = ledger.get("j1")
    assert (found.state, found.reason) == (State.CANCELLED, "superseded")
    assert ledger.save(held, {}) is False
    newer = make_spec("/in/clip.mp4", fingerprint="newer")
    assert ledger.submit("j2", newer, ["/out/clip.mp4"]).output == "/out/clip.mp4"
    check_sets(ledger)


def test_a_message_under_way_does_not_wake_a_superseded_job(ledger: Ledger) -> None:
    submit(ledger)
    assert admit_ids(ledger) == ["j1"]
    assert supersede(ledger) is True
    assert try_claim(ledger, "j1", Step.UPLOAD) is None


def at_edit(ledger: Ledger, *instructions: InstructionState, back_to: Step = Step.EDIT) -> Job:
    submit(ledger)
    point = Checkpoint(session=SessionRef(session_id="s"), instructions=instructions)
    assert end_step(ledger, claim(ledger), State.QUEUED, back_to, checkpoint=point)
    return ledger.get("j1")


def test_one_whose_instruction_waits_to_be_sent_makes_room_too(ledger: Ledger) -> None:
    at_edit(ledger, PENDING, PENDING)
    assert supersede(ledger) is True
    check_sets(ledger)


def test_a_job_whose_instruction_may_just_be_leaving_is_never_superseded(ledger: Ledger) -> None:
    at_edit(ledger, PENDING)
    claim(ledger, step=Step.EDIT)
    assert supersede(ledger) is False
    assert ledger.get("j1").state is State.RUNNING


@pytest.mark.parametrize("back_to", [Step.UPLOAD, Step.EDIT])
@pytest.mark.parametrize(
    "one",
    [
        *(PENDING.evolve(status=status) for status in InstructionStatus if status != "pending"),
        PENDING.evolve(attempts=1),
    ],
)
def test_a_job_whose_instruction_was_sent_is_never_superseded(
    ledger: Ledger, one: InstructionState, back_to: Step
) -> None:
    job = at_edit(ledger, one, PENDING, back_to=back_to)
    assert supersede(ledger) is False
    assert ledger.get("j1") == job
    assert ledger.client.hgetall("dropscore:outputs") == {path_key("/out/j1.mp4"): "j1"}


@pytest.mark.parametrize("step", [Step.VERIFY, Step.RENDER, Step.POLL, Step.DOWNLOAD])
def test_a_job_past_its_edit_is_never_superseded(fake_ledger: Ledger, step: Step) -> None:
    submit(fake_ledger)
    bring_to(fake_ledger, "j1", step)
    assert supersede(fake_ledger) is False


@pytest.mark.parametrize("state", sorted(ENDED))
def test_what_has_ended_is_not_superseded(ledger: Ledger, state: State) -> None:
    submit(ledger)
    end(ledger, "j1", state)
    assert supersede(ledger) is False
    assert ledger.get("j1").state is state
    assert Sources(ledger).supersede(ledger.get("j1").evolve(id="nobody")) is False


def test_a_superseded_file_lets_the_next_of_its_session_begin(ledger: Ledger) -> None:
    for job_id in ("first", "second"):
        submit(ledger, job_id, session_group="g")
    assert supersede(ledger, "first") is True
    assert admit_ids(ledger) == ["second"]
    check_sets(ledger)


# --- letting go -----------------------------------------------------------------------------------


def test_what_ended_long_ago_is_let_go_with_its_name_and_its_places(ledger: Ledger, wall: Wall) -> None:
    for job_id, state in (("a", State.DONE), ("b", State.FAILED), ("c", State.CANCELLED)):
        submit(ledger, job_id)
        end(ledger, job_id, state)
    wall.go(1000)
    submit(ledger, "late")
    end(ledger, "late")
    submit(ledger, "queued")
    assert ledger.forget(500, State, lambda _: False) == 3
    assert [job.id for job in ledger.many(["a", "b", "c", "late", "queued"])] == ["late", "queued"]
    assert sorted(ledger.client.hvals("dropscore:outputs")) == ["late", "queued"]
    assert Sources(ledger).seen(["/in/a.mp4"]) == [None]
    assert ledger.ended_since(0) == 1
    check_sets(ledger)


def test_only_chosen_states_are_let_go_and_never_what_goes_on(ledger: Ledger, wall: Wall) -> None:
    submit(ledger, "done")
    end(ledger, "done")
    submit(ledger, "failed")
    end(ledger, "failed", State.FAILED)
    submit(ledger, "queued")
    wall.go(1000)
    assert ledger.forget(10, [State.QUEUED, State.FAILED], lambda _: False) == 1
    assert [job.id for job in ledger.many(["done", "failed", "queued"])] == ["done", "queued"]


def test_a_source_that_is_still_there_is_never_taken_in_again(ledger: Ledger, wall: Wall) -> None:
    for job_id in ("here", "gone"):
        ledger.submit(job_id, make_spec(f"/in/{job_id}.mp4"), [f"/out/{job_id}.mp4"], note="7:99")
        end(ledger, job_id)
    wall.go(1000)
    assert ledger.forget(10, [State.DONE], lambda path: path == "/in/here.mp4") == 2
    assert Sources(ledger).seen(["/in/here.mp4", "/in/gone.mp4"]) == [("7:99", "here"), None]


def test_many_are_let_go_in_batches(fake_ledger: Ledger, wall: Wall) -> None:
    ledger = fake_ledger
    for number in range(1100):
        problem = Problem(code="empty_file")
        ledger.submit(f"j{number}", make_spec(f"/in/{number}"), [f"/out/{number}.mp4"], problem=problem)
    wall.go(1000)
    assert ledger.forget(10, [State.FAILED], lambda _: False) == 1100
    assert ledger.client.keys("dropscore:job:*") == []
    assert ledger.client.zcard("dropscore:in:failed") == 0


def test_an_id_without_a_job_does_not_keep_forget_busy_for_ever(ledger: Ledger, wall: Wall) -> None:
    submit(ledger)
    end(ledger, "j1")
    ledger.client.zadd("dropscore:in:done", {"evicted": 0})
    wall.go(1000)
    assert ledger.forget(10, [State.DONE], lambda _: False) == 1
    assert ledger.forget(10, [State.DONE], lambda _: False) == 0


def test_a_name_that_another_job_has_meanwhile_stays_its_own(ledger: Ledger, wall: Wall) -> None:
    submit(ledger, "old", "/in/clip.mp4", "/out/clip.mp4")
    end(ledger, "old", State.FAILED)
    submit(ledger, "new", "/in/clip.mp4", "/out/clip.mp4", fingerprint="new")
    wall.go(1000)
    assert ledger.forget(10, [State.FAILED], lambda _: True) == 1
    assert ledger.client.hvals("dropscore:outputs") == ["new"]
    assert look_up(ledger, "new").due == ("upload",)
    claim_alone(ledger, "new", Step.UPLOAD)
