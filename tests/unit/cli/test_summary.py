import io
from collections import Counter

import pytest
from rich.console import Console

from cli.output.summary import HeldFiles, RunEnding, choose_exit_code, print_ending
from jobs.model import Gate, Problem, State, Step
from jobs.result import describe_result


def ending(files=(), standing=(), held=(), left=0, lost=0):
    counts = Counter(job.state for job in files)
    return RunEnding(
        exit_code=0,
        outbox="/outbox",
        states=dict(counts),
        files=tuple(map(describe_result, files)),
        standing=tuple(map(describe_result, standing)),
        held=tuple(held),
        left=left,
        lost=lost,
    )


def closed(gate, waiting):
    return HeldFiles(gate=gate, since="", message="It is closed", advice="Open it", waiting=waiting)


def text_of(end, folders, width=120):
    console = Console(file=io.StringIO(), width=width)
    print_ending(end, folders, console)
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
        ([Gate.BUDGET], [], 8),
        ([Gate.CREDITS, Gate.AUTH], [State.FAILED], 7),
    ],
)
def test_the_exit_code_says_the_most_pressing_thing(gates, states, code):
    assert choose_exit_code(set(gates), Counter(states)) == code


def test_files_that_the_ledger_no_longer_knows_are_no_success(folders):
    assert choose_exit_code(set(), Counter(), lost=3) == 1
    text = text_of(ending(lost=3), folders)
    assert "3 files taken in, but the ledger no longer knows them" in text
    assert "Nothing new to do" not in text


def test_every_file_that_went_wrong_is_listed_and_those_that_went_well_are_folded(make_job, folders):
    good = [make_job(f"good-{n}.mp4", State.DONE, Step.DOWNLOAD, sha256="0") for n in range(100)]
    bad = [make_job(f"bad-{n}.mp4", State.FAILED, problem=Problem(message="no")) for n in range(60)]
    text = text_of(ending([*good, *bad]), folders)
    assert text.count("good-") == 2 * 40  # the name and its output
    assert "and 60 more" in text
    assert text.count("bad-") == 60
    assert "100 done, 60 failed. Results are in" in text
    assert "dropscore retry --failed" in text


def test_what_failed_earlier_is_listed_and_named_as_that(make_job, folders):
    text = text_of(ending(standing=[make_job(state=State.UNCONFIRMED)]), folders)
    assert "Nothing new to do. 1 from earlier runs still to be seen to. Results are in" in text
    assert "dropscore retry --unconfirmed" in text


def test_a_closed_gate_is_told_with_what_to_do(folders):
    text = text_of(ending(held=[closed(Gate.CREDITS, 12)], left=12), folders)
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
