"""Taking a job in: once for its identity, one name for each output, one ring for the schedulers."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.errors import NoSuchJob
from jobs.ledger import Ledger, Submission
from jobs.model import Checkpoint, Problem, SessionRef, State, Step, job_id_for
from jobs.redis import RING_CHANNEL
from jobs.sources import Sources
from tests.conftest import Wall
from tests.unit.jobs.actions import (
    admit_ids,
    bring_to,
    check_sets,
    claim,
    due_at,
    end,
    end_step,
    look_up,
    make_spec,
    submit,
)


def test_a_new_job_is_queued_before_its_upload_and_due_at_once(ledger: Ledger) -> None:
    job = submit(ledger)
    assert (job.state, job.step, job.fence, job.attempts, job.crashes) == (
        State.QUEUED,
        Step.UPLOAD,
        "",
        0,
        0,
    )
    assert look_up(ledger, "j1").due == ("upload",)
    assert due_at(ledger, "j1") <= 0
    check_sets(ledger)


def test_a_job_comes_back_as_it_was_submitted(ledger: Ledger) -> None:
    spec = make_spec(
        "/in/Größe 1 ★.mp4",
        root="/in",
        instructions=("add music", "make it 加快"),
        size_bytes=7,
        duration_s=3.5,
        mtime_ns=1_800_000_000_123_456_789,
        language="zh-CN",
        max_credits=100,
        created=12.5,
    )
    assert ledger.submit("j1", spec, ["/out/Größe 1 ★.mp4"]) == Submission(
        "j1", True, State.QUEUED, "/out/Größe 1 ★.mp4"
    )
    found = ledger.get("j1").spec
    assert found == spec.evolve(output="/out/Größe 1 ★.mp4", result="/out/Größe 1 ★.result.json")


def test_the_same_identity_is_taken_in_once_however_many_ask(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: ledger.submit("same", make_spec(), [f"/out/{n}.mp4"]), range(50)))
    assert [answer.new for answer in answers].count(True) == 1
    assert ledger.counts()[State.QUEUED] == 1
    assert ledger.client.hlen("dropscore:outputs") == 1


def test_a_second_submission_tells_the_state_and_changes_nothing(ledger: Ledger) -> None:
    submit(ledger)
    job = claim(ledger)
    again = ledger.submit("j1", make_spec("/in/elsewhere.mp4"), ["/out/other.mp4"])
    assert again == Submission("j1", False, State.RUNNING, "")
    assert ledger.get("j1") == job
    assert admit_ids(ledger) == []


def test_a_submission_never_wakes_a_job_that_has_ended(ledger: Ledger) -> None:
    submit(ledger)
    end(ledger, "j1", State.FAILED)
    assert ledger.submit("j1", make_spec(), ["/out/j1.mp4"]).state is State.FAILED
    assert admit_ids(ledger) == []
    check_sets(ledger)


def test_the_identity_is_source_instructions_and_skill() -> None:
    first = job_id_for("f", ("a", "b"), "s")
    others = [
        job_id_for("g", ("a", "b"), "s"),
        job_id_for("f", ("b", "a"), "s"),
        job_id_for("f", ("a b",), "s"),
        job_id_for("f", ("a", "b"), "t"),
        job_id_for("f", ("a", "b"), "s", again="2"),
    ]
    assert job_id_for("f", ("a", "b"), "s") == first
    assert len({first, *others}) == 6
    assert len(first) == 16


def test_two_sources_never_get_the_same_output(ledger: Ledger) -> None:
    for number, expected in enumerate(["/out/clip.mp4", "/out/clip.2.mp4", "/out/clip.3.mp4"]):
        names = ["/out/clip.mp4", "/out/clip.2.mp4", "/out/clip.3.mp4"]
        spec = make_spec(f"/in/{number}/clip.mov")
        assert ledger.submit(f"j{number}", spec, names).output == expected


def test_many_at_once_get_as_many_names(ledger: Ledger) -> None:
    names = [f"/out/{number}.mp4" for number in range(30)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: ledger.submit(f"j{n}", make_spec(f"/in/{n}.mp4"), names), range(30))
        )
    assert sorted(answer.output for answer in answers) == sorted(names)


def test_a_mended_source_takes_over_the_name_of_its_failed_job(ledger: Ledger) -> None:
    problem = Problem(code="unsupported_file", message="no media")
    ledger.submit("bad", make_spec(), ["/out/clip.mp4"], problem=problem)
    assert ledger.get("bad").problem == problem
    good = make_spec(fingerprint="another")
    assert ledger.submit("good", good, ["/out/clip.mp4", "/out/clip.2.mp4"]).output == "/out/clip.mp4"


@pytest.mark.parametrize("state", [State.DONE, State.UNCONFIRMED])
def test_the_name_of_what_was_delivered_or_may_be_is_not_given_away(ledger: Ledger, state: State) -> None:
    submit(ledger, "first", "/in/clip.mp4", "/out/clip.mp4")
    bring_to(ledger, "first", Step.DOWNLOAD)
    end(ledger, "first", state)
    again = make_spec("/in/clip.mp4", fingerprint="changed")
    assert ledger.submit("second", again, ["/out/clip.mp4", "/out/clip.v2.mp4"]).output == "/out/clip.v2.mp4"


def test_the_name_of_another_sources_failed_job_is_not_given_away(ledger: Ledger) -> None:
    submit(ledger, "a", "/in/a/clip.mp4", "/out/clip.mp4")
    end(ledger, "a", State.FAILED)
    names = ["/out/clip.mp4", "/out/clip.2.mp4"]
    assert ledger.submit("b", make_spec("/in/b/clip.mp4"), names).output == "/out/clip.2.mp4"


def test_a_refused_source_is_failed_and_never_due(ledger: Ledger, wall: Wall) -> None:
    ledger.submit("bad", make_spec(), ["/out/clip.mp4"], problem=Problem(code="empty_file"))
    wall.go(100_000)
    assert admit_ids(ledger) == []
    assert ledger.counts()[State.FAILED] == 1
    check_sets(ledger)


def test_a_job_begins_with_what_was_reached_elsewhere(ledger: Ledger) -> None:
    reached = Checkpoint(session=SessionRef(session_id="s1"), sessions=1)
    ledger.submit("j1", make_spec(), ["/out/a.mp4"], checkpoint=reached)
    assert ledger.get("j1").checkpoint == reached


def test_a_submission_marks_its_source_as_seen(ledger: Ledger) -> None:
    ledger.submit("j1", make_spec(), ["/out/clip.mp4"], note="7:99")
    assert Sources(ledger).seen(["/in/clip.mp4", "/in/other.mp4"]) == [("7:99", "j1"), None]


def test_what_was_dropped_by_hand_goes_before_the_backlog(ledger: Ledger, wall: Wall) -> None:
    for number in range(3):
        submit(ledger, f"old{number}", backlog=True)
    wall.go(5)
    submit(ledger, "new")
    assert look_up(ledger, "old0").due == ("backlog",)
    assert admit_ids(ledger, most=2) == ["new", "old0"]


def test_a_backlog_is_no_lane_of_its_own_after_the_upload(ledger: Ledger) -> None:
    submit(ledger, "old", backlog=True)
    bring_to(ledger, "old", Step.EDIT)
    assert look_up(ledger, "old").due == ("edit",)
    job = claim(ledger, "old", Step.EDIT)
    assert end_step(ledger, job, State.QUEUED, Step.UPLOAD)  # its session was lost
    assert look_up(ledger, "old").due == ("backlog",)
    check_sets(ledger)


@pytest.mark.parametrize("refused", [False, True])
def test_the_schedulers_hear_of_a_job_that_may_run(ledger: Ledger, refused: bool) -> None:
    with ledger.client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(RING_CHANNEL)
        channel.get_message(timeout=1.0)
        problem = Problem(code="empty_file") if refused else None
        ledger.submit("j1", make_spec(), ["/out/a.mp4"], problem=problem)
        heard = channel.get_message(timeout=0.1 if refused else 5.0)
    assert (heard is not None) is not refused


def test_a_job_that_is_not_there_is_an_error_of_its_own(ledger: Ledger) -> None:
    with pytest.raises(NoSuchJob, match="no job nobody"):
        ledger.get("nobody")
    assert ledger.many(["nobody"]) == []


def test_jobs_are_listed_by_state_and_time_and_all_pages_are_read(ledger: Ledger, wall: Wall) -> None:
    for number in range(7):
        submit(ledger, f"j{number}")
        wall.go(1)
    middle = ledger.get("j3").updated
    assert ledger.ids(State.QUEUED, since=middle) == ["j3", "j4", "j5", "j6"]
    assert ledger.ids(State.QUEUED, newest_first=True, limit=2) == ["j6", "j5"]
    assert [job.id for job in ledger.all_in(State.QUEUED, page=3)] == [f"j{number}" for number in range(7)]


def test_what_ended_since_then_is_counted(ledger: Ledger, wall: Wall) -> None:
    for job_id, state in (("a", State.DONE), ("b", State.FAILED), ("c", State.UNCONFIRMED)):
        submit(ledger, job_id)
        end(ledger, job_id, state)
        wall.go(10)
    submit(ledger, "d")
    assert ledger.ended_since(0) == 3
    assert ledger.ended_since(ledger.now() - 15) == 1


def test_a_path_that_is_no_text_keeps_its_place(ledger: Ledger) -> None:
    """A name of bytes that are no UTF-8 comes as surrogates; its keys must still be told apart."""
    sources = Sources(ledger)
    paths = [os.fsdecode(name) for name in (b"/in/\xff.mp4", b"/in/\xfe.mp4")]
    sources.mark({paths[0]: ("1:1", "a"), paths[1]: ("2:2", "b")})
    assert sources.seen(paths) == [("1:1", "a"), ("2:2", "b")]


@pytest.mark.parametrize("step_s", [0.0, 0.3, 1.0])
def test_all_that_changed_since_are_read_once_whatever_falls_on_the_end_of_a_page(
    ledger: Ledger, wall: Wall, step_s: float
) -> None:
    for number in range(9):
        submit(ledger, f"j{number}")
        end(ledger, f"j{number}")
        wall.go(step_s)
    read = [job.id for job in ledger.changed_since(State.DONE, 0.0, page=2)]
    assert sorted(read) == [f"j{number}" for number in range(9)]
