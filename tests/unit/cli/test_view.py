import io

import pytest
from rich.console import Console

from cli.view import Frame, LiveView, bar, picture
from jobs.gates import Closed
from jobs.model import Gate, Problem, State, Step


def drawn(picture, width, height=24):
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(picture)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize(("width", "height"), [(40, 8), (80, 10), (80, 24), (200, 50)])
@pytest.mark.parametrize("in_work", [0, 1, 5, 500])
@pytest.mark.parametrize("ended", [0, 3, 200])
def test_a_picture_fits_the_screen_whatever_there_is(
    width, height, in_work, ended, folders, make_job, snapshot
):
    jobs = [make_job(f"clip {n} of a long name.mp4", id=str(n)) for n in range(in_work)]
    latest = tuple(make_job(f"e{n}.mp4", State.DONE) for n in range(ended))
    frame = Frame(folders, "inbox → outbox", "hint", 5.0, latest, width)
    lines = drawn(picture(snapshot(in_work=jobs, running=in_work), frame, height), width, height)
    assert len(lines) <= height - 1
    assert all(len(line) <= width for line in lines)
    assert "inbox" in lines[0]
    assert "done" in lines[-1]


def test_files_in_work_that_do_not_fit_are_counted(folders, make_job, snapshot):
    jobs = [make_job(f"c{n}.mp4", id=str(n)) for n in range(40)]
    lines = drawn(picture(snapshot(in_work=jobs), Frame(folders, "t", "h", 0.0, ()), 12), 100, 12)
    shown = sum("c" in line and ".mp4" in line for line in lines)
    assert any(f"and {40 - shown} more in work" in line for line in lines)


def test_a_line_shows_name_bar_step_and_time_without_colour(folders, make_job, snapshot):
    job = make_job("beach/a.mp4", step=Step.POLL, percent=50.0)
    line = drawn(picture(snapshot(in_work=[job]), Frame(folders, "t", "h", 0.0, ()), 24), 100)[2]
    assert line.startswith("›  beach/a.mp4")
    assert "━" * 17 + "─" * 7 in line
    assert line.split()[-2:] == ["rendering", "0:09"]


def test_a_failed_file_says_why_beside_its_name(folders, make_job, snapshot):
    problem = Problem(message="a.mp4: not a video", advice="send one")
    job = make_job("a.mp4", State.FAILED, Step.UPLOAD, problem=problem)
    frame = Frame(folders, "t", "h", 0.0, (job,))
    line = drawn(picture(snapshot(), frame, 24), 100)[2]
    assert "a.mp4  not a video" in line
    assert "failed" in line


@pytest.mark.parametrize(("part", "full"), [(-1, 0), (0, 0), (0.5, 5), (1, 10), (7, 10)])
def test_a_bar_is_always_as_wide_as_asked(part, full):
    assert bar(part, 10, "").plain == "━" * full + "─" * (10 - full)


def test_totals_name_what_there_is_and_leave_out_what_there_is_not(folders, make_job, snapshot):
    seen = snapshot(
        in_work=[make_job()], ended={State.DONE: 3, State.FAILED: 1}, queued=1200, running=1, parked=2
    )
    last = drawn(picture(seen, Frame(folders, "t", "Ctrl-C", 0.0, ()), 24), 100)[-1]
    assert last.startswith("3 done  ·  1 failed  ·  2 parked  ·  1 in work  ·  1,200 waiting")
    assert "unconfirmed" not in last


def test_the_live_view_keeps_gate_lines_and_takes_the_picture_away(folders, make_job, snapshot):
    console = Console(file=io.StringIO(), width=100, height=20, force_terminal=True, color_system=None)
    view = LiveView(folders, "title", console)
    shut = Closed(Gate.CREDITS, 0.0, 60.0, "The account has 3 credits", "Add some")
    view.show(snapshot(changed=[make_job(state=State.PARKED, reason="credits")], gates={Gate.CREDITS: shut}))
    view.show(snapshot(gates={Gate.CREDITS: shut}))
    view.finishing("Finishing 1 file.")
    view.show(snapshot())
    view.close()
    text = console.file.getvalue()
    assert text.count("waiting: The account has 3 credits. Add some.") == 1
    assert "going on: the credits gate is open again" in text
    assert "Ctrl-C again stops now" in text
    assert text.rstrip().endswith("\x1b[2K")  # the last thing written clears the picture's first line


def test_a_retried_file_leaves_the_list_of_what_ended(folders, make_job, snapshot):
    console = Console(file=io.StringIO(), width=100, height=20, force_terminal=True, color_system=None)
    view = LiveView(folders, "title", console)
    view.show(snapshot(changed=[make_job(state=State.FAILED, problem=Problem(message="no"))]))
    console.file.seek(0)
    console.file.truncate()
    view.show(snapshot(changed=[make_job(state=State.QUEUED)]))
    view.close()
    assert "a.mp4" not in console.file.getvalue()
