import pytest

from cli.output.plain import PlainOutput
from jobs.gates import ClosedGate
from jobs.model import Checkpoint, Gate, InstructionState, Problem, State, Step


@pytest.fixture
def output(folders):
    lines = []
    plain = PlainOutput(folders, lines.append)
    return plain, lines


def texts(lines):
    return [line[10:] for line in lines]


def test_steps_that_passed_between_two_looks_are_told_all_the_same(output, snapshot, make_job):
    plain, lines = output
    plain.show(snapshot(changed=[make_job(step=Step.UPLOAD)]))
    plain.show(snapshot(changed=[make_job(step=Step.RENDER)]))
    assert texts(lines) == [f"a.mp4: {step}" for step in ("upload", "edit", "verify", "render")]


def test_a_waiting_step_is_not_told_again(output, snapshot, make_job):
    plain, lines = output
    for state in (State.RUNNING, State.WAITING, State.RUNNING):
        plain.show(snapshot(changed=[make_job(state=state, step=Step.UPLOAD)]))
    assert texts(lines) == ["a.mp4: upload"]


def test_an_end_tells_the_output_or_the_reason_and_what_to_do(output, snapshot, make_job, folders):
    plain, lines = output
    problem = Problem(message="b.mp4: it is no video", advice="Send an MP4")
    plain.show(
        snapshot(
            changed=[
                make_job(state=State.DONE, step=Step.UPLOAD),
                make_job("b.mp4", State.FAILED, Step.UPLOAD, problem=problem),
            ]
        )
    )
    assert texts(lines)[0].startswith("a.mp4: done in 5 s -> ")
    assert texts(lines)[0].endswith("outbox/a.mp4")
    assert texts(lines)[1] == "b.mp4: failed: it is no video. Send an MP4."


def test_a_gate_is_told_when_it_closes_and_when_it_opens(output, snapshot):
    plain, lines = output
    shut = {Gate.DISK: ClosedGate(Gate.DISK, 0.0, 60.0, "The outbox is full.", "Make room.")}
    for gates in ({}, shut, shut, {}):
        plain.show(snapshot(gates=gates))
    assert texts(lines) == [
        "waiting: The outbox is full. Make room.",
        "going on: the disk gate is open again",
    ]


def test_a_name_no_terminal_can_show_is_escaped(output, snapshot, make_job):
    plain, lines = output
    plain.show(snapshot(changed=[make_job("a\x1b[2Jb.mp4", step=Step.UPLOAD)]))
    assert texts(lines) == ["a\\x1b[2Jb.mp4: upload"]


def test_a_duplicate_is_told_as_soon_as_it_is_found(output, snapshot, folders):
    plain, lines = output
    plain.show(snapshot(duplicates=[(str(folders.inbox / "twin.mp4"), "job")]))
    assert texts(lines) == ["twin.mp4: the same as another file; not run again"]


def test_an_edit_that_takes_long_says_so_every_two_minutes_though_nothing_changes(output, snapshot, make_job):
    plain, lines = output
    job = make_job(step=Step.EDIT)  # it began 5 s before NOW
    for seconds in range(0, 300, 10):
        plain.show(snapshot(in_work=[job], now=job.started + seconds))
    assert texts(lines) == ["a.mp4: still working (2 min)", "a.mp4: still working (4 min)"]


def test_what_the_agent_does_is_told_with_it(output, snapshot, make_job):
    plain, lines = output
    point = Checkpoint(instructions=(InstructionState(text="add music", doing="Adding music"),))
    job = make_job(step=Step.EDIT).evolve(checkpoint=point)
    plain.show(snapshot(in_work=[job], now=job.started + 121))
    assert texts(lines) == ["a.mp4: still working (2 min): adding music …"]


@pytest.mark.parametrize(
    ("step", "state"), [(Step.POLL, State.RUNNING), (Step.EDIT, State.WAITING), (Step.UPLOAD, State.RUNNING)]
)
def test_only_an_edit_that_runs_is_still_working(step, state, output, snapshot, make_job):
    plain, lines = output
    job = make_job(state=state, step=step)
    plain.show(snapshot(in_work=[job], now=job.started + 500))
    assert lines == []
