"""Commands of a person: what goes on where, what is paid again, and whose name an output has."""

import json
from pathlib import Path

import pytest

from jobs import control
from jobs.errors import NoSuchJob, NotAllowed
from jobs.gates import Gates
from jobs.ledger import Ledger
from jobs.limits import CreditBudget
from jobs.model import (
    ACTIVE,
    Checkpoint,
    Gate,
    InstructionState,
    InstructionStatus,
    Job,
    Problem,
    RenderRef,
    SessionRef,
    State,
    Step,
    UploadRef,
)
from jobs.result import write_result
from jobs.sources import Sources
from tests.conftest import Wall
from tests.unit.jobs.actions import (
    admit,
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

SENT = InstructionState(text="add music", status=InstructionStatus.SENDING, before="d0", reads=5, attempts=1)
LANDED = SENT.evolve(status=InstructionStatus.LANDED)
CLOSED = SENT.evolve(status=InstructionStatus.CLOSED)
PENDING = InstructionState(text="add music")
RENDER = RenderRef(render_id="r1", polls=9, unchanged=4, renewed=2, moved=5.0)


def reached(*instructions: InstructionState, render: RenderRef | None = None) -> Checkpoint:
    session = SessionRef(session_id="s1")
    upload = UploadRef(sha256="x")
    return Checkpoint(session=session, sessions=3, upload=upload, instructions=instructions, render=render)


def ended(
    ledger: Ledger,
    folder: Path,
    step: Step,
    code: str,
    point: Checkpoint,
    state: State = State.FAILED,
    job_id: str = "j1",
) -> Job:
    """A job that ended at this step, having reached this."""
    submit(ledger, job_id, f"/in/{job_id}.mp4", f"{folder}/{job_id}.mp4")
    bring_to(ledger, job_id, step)
    job = claim_alone(ledger, job_id, step)
    assert end_step(ledger, job, state, step, checkpoint=point, problem=Problem(code=code), attempts=4)
    return ledger.get(job_id)


# --- retry ----------------------------------------------------------------------------------------


def test_a_failed_download_goes_on_at_the_download(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.DOWNLOAD, "output_exists", reached(LANDED, render=RENDER))
    assert control.retry(ledger, "j1") is Step.DOWNLOAD
    job = ledger.get("j1")
    assert (job.state, job.attempts, job.problem, job.started) == (State.QUEUED, 0, None, 0.0)
    assert job.checkpoint.render == RenderRef(render_id="r1")
    assert job.checkpoint.sessions == 0
    assert [due.step for due in admit(ledger)] == [Step.DOWNLOAD]
    check_sets(ledger)


@pytest.mark.parametrize("code", ["render_failed", "output_broken", "render_not_found", "download_broken"])
@pytest.mark.parametrize("step", [Step.POLL, Step.DOWNLOAD])
def test_a_lost_render_is_never_asked_for_again(
    fake_ledger: Ledger, tmp_path: Path, code: str, step: Step
) -> None:
    """A render that was gone at its download kept its dead URL for every retry."""
    ended(fake_ledger, tmp_path, step, code, reached(LANDED, render=RENDER))
    assert control.retry(fake_ledger, "j1") is Step.RENDER
    job = fake_ledger.get("j1")
    assert job.checkpoint.render is None
    assert job.checkpoint.instructions == (LANDED.evolve(reads=5),)


@pytest.mark.parametrize("one", [SENT, CLOSED])
def test_what_was_sent_is_looked_at_again_and_never_resent_by_itself(
    ledger: Ledger, tmp_path: Path, one: InstructionState
) -> None:
    ended(ledger, tmp_path, Step.EDIT, "unconfirmed", reached(one), State.UNCONFIRMED)
    assert control.retry(ledger, "j1") is Step.EDIT
    assert ledger.get("j1").checkpoint.instructions == (one.evolve(reads=0),)


@pytest.mark.parametrize("one", [SENT, CLOSED])
def test_a_person_may_send_again_what_never_showed(
    ledger: Ledger, tmp_path: Path, one: InstructionState
) -> None:
    ended(ledger, tmp_path, Step.VERIFY, "nothing_changed", reached(LANDED, one).evolve(current=1))
    assert control.retry(ledger, "j1", resend=True) is Step.EDIT
    job = ledger.get("j1")
    assert job.checkpoint.instructions == (LANDED, PENDING.evolve(attempts=one.attempts))
    assert job.checkpoint.session == SessionRef(session_id="s1")


def test_a_resend_begins_from_the_start_when_the_session_is_gone(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.EDIT, control.SESSION_GONE, reached(LANDED, SENT), State.UNCONFIRMED)
    assert control.retry(ledger, "j1", resend=True) is Step.UPLOAD
    again = (PENDING.evolve(attempts=LANDED.attempts), PENDING.evolve(attempts=SENT.attempts))
    assert ledger.get("j1").checkpoint == Checkpoint(instructions=again)


@pytest.mark.parametrize("one", [LANDED, PENDING, SENT.evolve(status=InstructionStatus.SKIPPED)])
def test_a_resend_never_repeats_what_landed_or_never_left(
    ledger: Ledger, tmp_path: Path, one: InstructionState
) -> None:
    ended(ledger, tmp_path, Step.RENDER, "nothing_to_render", reached(one))
    assert control.retry(ledger, "j1", resend=True) is Step.RENDER
    assert ledger.get("j1").checkpoint.instructions == (one.evolve(reads=0),)


def test_a_resend_after_all_instructions_is_a_retry(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.RENDER, "server_error", reached(LANDED).evolve(current=1))
    assert control.retry(ledger, "j1", resend=True) is Step.RENDER


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.WAITING, State.PARKED, State.DONE])
def test_what_goes_on_or_is_done_is_not_retried(ledger: Ledger, state: State) -> None:
    submit(ledger)
    if state is not State.QUEUED:
        job = claim(ledger)
        if state is not State.RUNNING:
            assert end_step(ledger, job, state, Step.DOWNLOAD)
    before = ledger.get("j1")
    with pytest.raises(NotAllowed, match=f"is {state}"):
        control.retry(ledger, "j1")
    assert ledger.get("j1") == before


def test_a_retry_of_nothing_says_so(ledger: Ledger) -> None:
    with pytest.raises(NoSuchJob):
        control.retry(ledger, "nobody")


def name_was_given_away(ledger: Ledger, folder: Path) -> tuple[Job, Job]:
    """A fails, its name goes to B, B delivers."""
    names = [f"{folder}/clip.mp4", f"{folder}/clip.2.mp4"]
    assert ledger.submit("a", make_spec("/in/clip.mp4"), names).output == names[0]
    end(ledger, "a", State.FAILED)
    second = make_spec("/in/clip.mp4", fingerprint="changed")
    assert ledger.submit("b", second, names).output == names[0]
    bring_to(ledger, "b", Step.DOWNLOAD)
    job = claim_alone(ledger, "b", Step.DOWNLOAD)
    Path(names[0]).write_bytes(b"B's film")
    write_result(job.evolve(state=State.DONE))
    assert end_step(ledger, job, State.DONE)
    return ledger.get("a"), ledger.get("b")


@pytest.mark.parametrize("resend", [False, True])
def test_a_retry_never_writes_over_the_result_of_another_job(
    ledger: Ledger, tmp_path: Path, resend: bool
) -> None:
    """A failed, its name went to B, B delivered, and the retry of A wrote B's result as failed."""
    name_was_given_away(ledger, tmp_path)
    result = (tmp_path / "clip.result.json").read_text()
    control.retry(ledger, "a", resend=resend)
    job = ledger.get("a")
    assert job.spec.output == f"{tmp_path}/clip.v2.mp4"
    assert job.spec.result == f"{tmp_path}/clip.v2.result.json"
    control.cancel(ledger, "a")  # writes A's result
    assert (tmp_path / "clip.result.json").read_text() == result
    assert json.loads(result)["job"] == "b"
    assert json.loads((tmp_path / "clip.v2.result.json").read_text())["state"] == "cancelled"
    assert ledger.get("b").spec.output == f"{tmp_path}/clip.mp4"


def test_a_retry_takes_no_name_under_which_a_file_lies(ledger: Ledger, tmp_path: Path) -> None:
    name_was_given_away(ledger, tmp_path)
    (tmp_path / "clip.v2.mp4").write_bytes(b"somebody's")
    control.retry(ledger, "a")
    assert ledger.get("a").spec.output == f"{tmp_path}/clip.v3.mp4"


def test_a_retry_keeps_a_name_that_is_still_its_own(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.EDIT, "no_music", reached(SENT))
    control.retry(ledger, "j1")
    assert ledger.get("j1").spec.output == f"{tmp_path}/j1.mp4"
    assert ledger.client.hvals("dropscore:outputs") == ["j1"]


def test_two_jobs_that_failed_one_after_the_other_do_not_share_a_name(ledger: Ledger, tmp_path: Path) -> None:
    names = [f"{tmp_path}/clip.mp4"]
    for job_id in ("a", "b"):
        ledger.submit(job_id, make_spec("/in/clip.mp4", fingerprint=job_id), names)
        end(ledger, job_id, State.FAILED)
    for job_id in ("a", "b"):
        control.retry(ledger, job_id)
    assert ledger.get("a").spec.output != ledger.get("b").spec.output


def test_a_superseded_job_that_is_retried_gets_a_name_of_its_own(ledger: Ledger, tmp_path: Path) -> None:
    names = [f"{tmp_path}/clip.mp4"]
    ledger.submit("old", make_spec("/in/clip.mp4"), names)
    assert Sources(ledger).supersede(ledger.get("old"))
    ledger.submit("new", make_spec("/in/clip.mp4", fingerprint="new"), names)
    assert ledger.get("new").spec.output == names[0]
    control.retry(ledger, "old")
    assert ledger.get("old").spec.output == f"{tmp_path}/clip.v2.mp4"
    check_sets(ledger)


def test_failed_jobs_are_chosen_by_their_code(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.EDIT, "no_music", reached(SENT), job_id="a")
    ended(ledger, tmp_path, Step.POLL, "render_failed", reached(LANDED), job_id="b")
    ended(ledger, tmp_path, Step.EDIT, "no_music", reached(SENT), State.UNCONFIRMED, job_id="c")
    assert [job.id for job in control.failed_jobs(ledger, "no_music")] == ["a"]
    assert {job.id for job in control.failed_jobs(ledger)} == {"a", "b"}
    assert list(control.failed_jobs(ledger, "unknown")) == []


# --- cancel ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.WAITING, State.PARKED])
def test_a_cancelled_job_is_in_no_line_and_holds_nothing(
    fake_ledger: Ledger, tmp_path: Path, step: Step, state: State
) -> None:
    ledger = fake_ledger
    submit(ledger, output=f"{tmp_path}/j1.mp4", backlog=True)
    bring_to(ledger, "j1", step)
    if state is not State.QUEUED:
        job = claim_alone(ledger, "j1", step)
        CreditBudget(ledger).reserve("j1", 50)
        if state is not State.RUNNING:
            assert end_step(ledger, job, state)
    assert control.cancel(ledger, "j1").state is State.CANCELLED
    places = look_up(ledger, "j1")
    assert (places.due, places.in_flight, places.admitted) == ((), (), False)
    assert json.loads((tmp_path / "j1.result.json").read_text())["state"] == "cancelled"
    check_sets(ledger)


def test_a_message_under_way_does_not_wake_a_cancelled_job(ledger: Ledger, tmp_path: Path) -> None:
    submit(ledger, output=f"{tmp_path}/j1.mp4")
    admit(ledger)
    control.cancel(ledger, "j1")
    assert try_claim(ledger, "j1", Step.UPLOAD) is None
    control.retry(ledger, "j1")
    assert try_claim(ledger, "j1", Step.UPLOAD) is None  # of the admission before
    assert admit_ids(ledger) == ["j1"]


def test_a_cancelled_jobs_place_goes_to_the_next(ledger: Ledger, tmp_path: Path) -> None:
    for number in range(5):
        submit(ledger, f"j{number}", output=f"{tmp_path}/j{number}.mp4")
    assert admit_ids(ledger) == ["j0", "j1", "j2", "j3"]
    control.cancel(ledger, "j2")
    assert admit_ids(ledger) == ["j4"]


@pytest.mark.parametrize("reserved", ["before the cancel", "after it"])
def test_a_cancel_during_an_edit_leaves_nothing_set_aside(
    ledger: Ledger, tmp_path: Path, reserved: str
) -> None:
    """The worker looked at the balance while a person cancelled: 50 credits stayed aside for ever."""
    budget = CreditBudget(ledger)
    budget.begin(100)
    submit(ledger, output=f"{tmp_path}/j1.mp4")
    bring_to(ledger, "j1", Step.EDIT)
    job = claim(ledger, step=Step.EDIT)
    if reserved == "before the cancel":
        budget.reserve("j1", 50)
    control.cancel(ledger, "j1")
    if reserved == "after it":
        assert budget.reserve("j1", 50)[0] is True  # no reason to say that the budget is used up
    assert ledger.save(job, {}) is False  # so nothing is sent
    budget.commit("j1", paid=False)
    assert budget.spending().aside == 0
    check_sets(ledger)


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED])
def test_what_has_ended_is_not_cancelled(ledger: Ledger, state: State) -> None:
    submit(ledger)
    end(ledger, "j1", state)
    with pytest.raises(NotAllowed, match="needs parked, queued, running, unconfirmed, waiting"):
        control.cancel(ledger, "j1")
    assert ledger.get("j1").state is state


def test_an_unconfirmed_job_can_be_given_up(ledger: Ledger, tmp_path: Path) -> None:
    ended(ledger, tmp_path, Step.EDIT, "unconfirmed", reached(SENT), State.UNCONFIRMED)
    assert control.cancel(ledger, "j1").checkpoint.instructions == (SENT,)
    assert control.retry(ledger, "j1") is Step.EDIT
    assert ledger.get("j1").checkpoint.instructions[0].status is InstructionStatus.SENDING
    check_sets(ledger)


def test_giving_up_an_unconfirmed_job_does_not_hurry_the_one_that_works_in_its_session(
    ledger: Ledger, tmp_path: Path, wall: Wall
) -> None:
    for job_id in ("first", "second"):
        submit(ledger, job_id, output=f"{tmp_path}/{job_id}.mp4", session_group="g")
    end(ledger, "first", State.UNCONFIRMED)
    assert end_step(ledger, claim(ledger, "second"), State.WAITING, Step.POLL, after_s=60)
    control.cancel(ledger, "first")
    assert admit_ids(ledger) == []


# --- tweak ----------------------------------------------------------------------------------------


def done(ledger: Ledger, folder: Path, **fields: object) -> Job:
    """A job that is done, with its result file beside its output."""
    submit(ledger, "p", output=f"{folder}/p.mp4", **fields)
    bring_to(ledger, "p", Step.DOWNLOAD)
    job = claim_alone(ledger, "p", Step.DOWNLOAD)
    point = reached(LANDED).evolve(sha256="cd", session=SessionRef(session_id="s9", task_id="t9"))
    (folder / "p.mp4").write_bytes(b"film")
    write_result(job.evolve(state=State.DONE, checkpoint=point))
    assert end_step(ledger, job, State.DONE, checkpoint=point)
    return ledger.get("p")


def test_a_tweak_goes_on_in_the_same_session_and_keeps_the_first_output(
    ledger: Ledger, tmp_path: Path
) -> None:
    done(ledger, tmp_path)
    submission = control.tweak(ledger, "p", "louder")
    assert (submission.new, submission.output) == (True, f"{tmp_path}/p.v2.mp4")
    job = ledger.get(submission.job_id)
    assert (job.spec.parent, job.spec.instructions, job.spec.skill) == ("p", ("louder",), "background-music")
    assert job.checkpoint.session == SessionRef(session_id="s9", task_id="t9")
    assert control.tweak(ledger, "p", "louder").new is False
    assert control.tweak(ledger, "p", "softer").output == f"{tmp_path}/p.v3.mp4"
    assert (tmp_path / "p.mp4").read_bytes() == b"film"


def test_tweaks_of_one_session_go_one_after_the_other(ledger: Ledger, tmp_path: Path) -> None:
    done(ledger, tmp_path)
    first, second = (control.tweak(ledger, "p", text).job_id for text in ("louder", "softer"))
    assert admit_ids(ledger) == [first]
    end(ledger, first)
    assert admit_ids(ledger) == [second]


def test_a_tweak_leaves_the_mark_of_its_source_as_it_was(ledger: Ledger, tmp_path: Path) -> None:
    job = done(ledger, tmp_path)
    Sources(ledger).mark({job.spec.source: ("7:99", "p")})
    control.tweak(ledger, "p", "louder")
    assert Sources(ledger).seen([job.spec.source])[0][0] == "7:99"  # type: ignore[index] # it was marked


@pytest.mark.parametrize("why", ["not done", "no result", "shared session"])
def test_what_cannot_be_changed_is_refused(ledger: Ledger, tmp_path: Path, why: str) -> None:
    if why == "not done":
        submit(ledger, "p")
    else:
        done(ledger, tmp_path, **({"session_group": "/in"} if why == "shared session" else {}))
    if why == "no result":
        (tmp_path / "p.result.json").unlink()
    with pytest.raises(NotAllowed):
        control.tweak(ledger, "p", "louder")


def done_preview(ledger: Ledger, folder: Path) -> Job:
    submit(ledger, "p", output=f"{folder}/p.preview.mp4", preview=True)
    bring_to(ledger, "p", Step.DOWNLOAD)
    job = claim_alone(ledger, "p", Step.DOWNLOAD)
    point = reached(LANDED).evolve(sha256="cd", session=SessionRef(session_id="s9", task_id="t9"))
    write_result(job.evolve(state=State.DONE, checkpoint=point))
    assert end_step(ledger, job, State.DONE, checkpoint=point)
    return ledger.get("p")


def test_the_whole_of_a_preview_goes_on_in_its_session_and_asks_for_an_export(
    ledger: Ledger, tmp_path: Path
) -> None:
    assert done_preview(ledger, tmp_path).spec.preview
    submission = control.make_whole(ledger, "p")
    assert (submission.new, submission.output) == (True, f"{tmp_path}/p.mp4")
    job = ledger.get(submission.job_id)
    assert (job.spec.parent, job.spec.instructions, job.spec.preview) == ("p", ("export",), False)
    assert job.checkpoint.session == SessionRef(session_id="s9", task_id="t9")
    assert control.make_whole(ledger, "p").new is False


def test_a_tweak_of_a_preview_is_one_and_a_taken_name_is_left(ledger: Ledger, tmp_path: Path) -> None:
    done_preview(ledger, tmp_path)
    tweaked = control.tweak(ledger, "p", "louder")
    assert (tweaked.output, ledger.get(tweaked.job_id).spec.preview) == (f"{tmp_path}/p.preview.v2.mp4", True)
    (tmp_path / "p.mp4").write_text("another's")
    assert control.make_whole(ledger, "p").output == f"{tmp_path}/p.v2.mp4"


def test_only_a_preview_that_is_done_is_made_whole(ledger: Ledger, tmp_path: Path) -> None:
    done(ledger, tmp_path)
    with pytest.raises(NotAllowed, match="is no preview"):
        control.make_whole(ledger, "p")
    submit(ledger, "q", preview=True)
    with pytest.raises(NotAllowed, match="only what is done"):
        control.make_whole(ledger, "q")


def test_a_newer_wish_for_the_source_leaves_a_tweak_alone(ledger: Ledger, tmp_path: Path) -> None:
    done(ledger, tmp_path)
    tweaked = control.tweak(ledger, "p", "louder").job_id
    assert Sources(ledger).supersede(ledger.get(tweaked)) is False
    assert ledger.get(tweaked).state is State.QUEUED


# --- pause and resume -----------------------------------------------------------------------------


def test_pause_closes_a_gate_that_only_resume_opens(ledger: Ledger, wall: Wall) -> None:
    gates = Gates(ledger)
    for number in range(3):
        submit(ledger, f"j{number}", backlog=number == 2)
    assert control.pause(gates) is True
    assert control.pause(gates) is False
    wall.go(100_000)
    assert admit(ledger) == []
    assert control.resume(gates, [Gate.CREDITS]) == {}
    assert control.resume(gates) == {Gate.PAUSED: 3}
    assert len(admit(ledger)) == 3


def test_resume_opens_what_was_chosen_and_no_more(ledger: Ledger) -> None:
    gates = Gates(ledger)
    control.pause(gates)
    gates.close(Gate.CREDITS, probe_at=0, message="empty", advice="top up")
    submit(ledger)
    assert control.resume(gates, [Gate.CREDITS]) == {Gate.CREDITS: 1}
    assert set(gates.closed()) == {Gate.PAUSED}
    assert admit(ledger) == []


def test_a_transition_of_nobody_or_of_the_wrong_state_changes_nothing(ledger: Ledger) -> None:
    with pytest.raises(NoSuchJob):
        ledger.transition("nobody", State.CANCELLED, among=ACTIVE)
    submit(ledger)
    with pytest.raises(NotAllowed, match="is queued; this needs done"):
        ledger.transition("j1", State.CANCELLED, among=[State.DONE])
    assert ledger.get("j1").state is State.QUEUED
