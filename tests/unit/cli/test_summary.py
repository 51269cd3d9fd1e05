import io

import pytest
from rich.console import Console

from cli.summary import Ending, tell
from jobs.gates import Closed
from jobs.model import Gate, Problem, State, Step


def ending(ended=(), standing=(), parked=(), duplicates=(), left=0):
    return Ending(tuple(ended), tuple(standing), tuple(parked), tuple(duplicates), left)


def closed(gate):
    return Closed(gate, 0.0, 60.0, "It is closed", "Open it")


def text_of(end, folders, width=120):
    console = Console(file=io.StringIO(), width=width)
    tell(end, folders, console)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("gates", "states", "code"),
    [
        ([], [], 0),
        ([], [State.DONE, State.CANCELLED], 0),
        ([], [State.DONE, State.FAILED], 1),
        ([], [State.UNCONFIRMED], 1),
        ([Gate.CREDITS], [State.FAILED], 4),
        ([Gate.PLAN], [], 4),
        ([Gate.PAUSED], [], 4),
        ([Gate.CREDITS, Gate.AUTH], [State.FAILED], 7),
    ],
)
def test_the_exit_code_says_the_most_pressing_thing(gates, states, code, make_job):
    jobs = [make_job(f"{n}.mp4", state) for n, state in enumerate(states)]
    assert ending(jobs, parked=[(closed(gate), 1) for gate in gates]).exit_code == code


def test_what_failed_earlier_counts_as_long_as_it_stands(make_job):
    assert ending(standing=[make_job(state=State.FAILED)]).exit_code == 1


def test_every_file_that_went_wrong_is_listed_and_those_that_went_well_are_folded(make_job, folders):
    good = [make_job(f"good-{n}.mp4", State.DONE, Step.DOWNLOAD) for n in range(100)]
    bad = [make_job(f"bad-{n}.mp4", State.FAILED, problem=Problem(message="no")) for n in range(60)]
    text = text_of(ending([*good, *bad]), folders)
    assert text.count("good-") == 2 * 40  # the name and its output
    assert "and 60 more" in text
    assert text.count("bad-") == 60
    assert "100 done, 60 failed. Results are in" in text


def test_a_closed_gate_is_told_with_what_to_do(folders):
    text = text_of(ending(parked=[(closed(Gate.CREDITS), 12)], left=12), folders)
    assert "12 files waiting: It is closed. Open it." in text
    assert "12 left" in text
    assert "Nothing new to do" not in text


def test_nothing_new_is_said_in_one_line(folders):
    assert text_of(ending(), folders).startswith("Nothing new to do. Results are in ")
    assert text_of(ending(), folders).count("\n") == 1


def test_a_narrow_terminal_loses_no_word(make_job, folders):
    problem = Problem(message="the sound is broken beyond repair", advice="export the clip again")
    text = text_of(ending([make_job(state=State.FAILED, problem=problem)]), folders, width=50)
    words = " ".join(text.split())
    for word in (*problem.message.split(), *problem.advice.split()):
        assert word in words
