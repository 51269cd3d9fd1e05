import pytest

from cli.plain import PlainTeller
from jobs.gates import Closed
from jobs.model import Gate, Problem, State, Step


@pytest.fixture
def told(folders):
    lines = []
    teller = PlainTeller(folders, lines.append)
    return teller, lines


def texts(lines):
    return [line[10:] for line in lines]


def test_steps_that_passed_between_two_looks_are_told_all_the_same(told, snapshot, make_job):
    teller, lines = told
    teller.show(snapshot(changed=[make_job(step=Step.UPLOAD)]))
    teller.show(snapshot(changed=[make_job(step=Step.RENDER)]))
    assert texts(lines) == [f"a.mp4: {step}" for step in ("upload", "edit", "verify", "render")]


def test_a_waiting_step_is_not_told_again(told, snapshot, make_job):
    teller, lines = told
    for state in (State.RUNNING, State.WAITING, State.RUNNING):
        teller.show(snapshot(changed=[make_job(state=state, step=Step.UPLOAD)]))
    assert texts(lines) == ["a.mp4: upload"]


def test_an_end_tells_the_output_or_the_reason_and_what_to_do(told, snapshot, make_job, folders):
    teller, lines = told
    problem = Problem(message="b.mp4: it is no video", advice="Send an MP4")
    teller.show(
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


def test_a_gate_is_told_when_it_closes_and_when_it_opens(told, snapshot):
    teller, lines = told
    shut = {Gate.DISK: Closed(Gate.DISK, 0.0, 60.0, "The outbox is full.", "Make room.")}
    for gates in ({}, shut, shut, {}):
        teller.show(snapshot(gates=gates))
    assert texts(lines) == [
        "waiting: The outbox is full. Make room.",
        "going on: the disk gate is open again",
    ]


def test_a_name_no_terminal_can_show_is_escaped(told, snapshot, make_job):
    teller, lines = told
    teller.show(snapshot(changed=[make_job("a\x1b[2Jb.mp4", step=Step.UPLOAD)]))
    assert texts(lines) == ["a\\x1b[2Jb.mp4: upload"]
