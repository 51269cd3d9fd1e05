import io

import pytest
from rich.console import Console

from cli.format import shorten_middle
from cli.output.live import Frame, LiveView, bar, draw
from jobs.gates import ClosedGate
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
    lines = drawn(draw(snapshot(in_work=jobs, running=in_work), frame, height), width, height)
    assert len(lines) <= height - 1
    assert all(len(line) <= width for line in lines)
    assert "inbox" in lines[0]
    assert "done" in lines[-1]


def test_files_in_work_that_do_not_fit_are_counted(folders, make_job, snapshot):
    jobs = [make_job(f"c{n}.mp4", id=str(n)) for n in range(40)]
    lines = drawn(draw(snapshot(in_work=jobs), Frame(folders, "t", "h", 0.0, ()), 12), 100, 12)
    shown = sum("c" in line and ".mp4" in line for line in lines)
    assert any(f"and {40 - shown} more in work" in line for line in lines)


def test_a_line_shows_name_bar_step_and_time_without_colour(folders, make_job, snapshot):
    job = make_job("beach/a.mp4", step=Step.POLL, percent=50.0)
    line = drawn(draw(snapshot(in_work=[job]), Frame(folders, "t", "h", 0.0, ()), 24), 100)[2]
    assert line.startswith("›  beach/a.mp4")
    assert "━" * 17 + "─" * 7 in line
    assert line.split()[-2:] == ["rendering", "0:09"]


def test_a_failed_file_says_why_beside_its_name(folders, make_job, snapshot):
    problem = Problem(message="a.mp4: not a video", advice="send one")
    job = make_job("a.mp4", State.FAILED, Step.UPLOAD, problem=problem)
    frame = Frame(folders, "t", "h", 0.0, (job,))
    line = drawn(draw(snapshot(), frame, 24), 100)[2]
    assert "a.mp4  not a video" in line
    assert "failed" in line


@pytest.mark.parametrize(("part", "full"), [(-1, 0), (0, 0), (0.5, 5), (1, 10), (7, 10)])
def test_a_bar_is_always_as_wide_as_asked(part, full):
    assert bar(part, 10, "").plain == "━" * full + "─" * (10 - full)


def test_totals_name_what_there_is_and_leave_out_what_there_is_not(folders, make_job, snapshot):
    seen = snapshot(
        in_work=[make_job()], ended={State.DONE: 3, State.FAILED: 1}, queued=1200, running=1, parked=2
    )
    last = drawn(draw(seen, Frame(folders, "t", "Ctrl-C", 0.0, ()), 24), 100)[-1]
    assert last.startswith("3 done  ·  1 failed  ·  2 parked  ·  1 in work  ·  1,200 waiting")
    assert "unconfirmed" not in last


def test_the_live_view_keeps_gate_lines_and_takes_the_picture_away(folders, make_job, snapshot):
    console = Console(file=io.StringIO(), width=100, height=20, force_terminal=True, color_system=None)
    view = LiveView(folders, "title", console)
    shut = ClosedGate(Gate.CREDITS, 0.0, 60.0, "The account has 3 credits", "Add some")
    view.show(snapshot(changed=[make_job(state=State.QUEUED)], gates={Gate.CREDITS: shut}))
    view.show(snapshot(gates={Gate.CREDITS: shut}))
    view.show_finishing("Finishing 1 file.")
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


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [("short.mp4", 9, "short.mp4"), ("holiday-001.mp4", 9, "ho…01.mp4"), ("abc", 2, "bc"), ("abc", 0, "")],
)
def test_a_long_name_is_cut_in_its_middle(text, width, cut):
    assert shorten_middle(text, width) == cut


@pytest.mark.parametrize("width", [44, 50, 80])
def test_names_that_differ_before_a_common_end_can_be_told_apart(width, folders, make_job, snapshot):
    names = [f"Summer holiday at the lake 2026, day {n:02}, the afternoon.mp4" for n in range(3)]
    jobs = [make_job(name, id=name) for name in names]
    frame = Frame(folders, "title", "", 1.0, (), width)
    console = Console(file=io.StringIO(), width=width, height=20)
    console.print(draw(snapshot(in_work=jobs), frame, 20))
    shown = console.file.getvalue()
    assert all(f"day {number:02}" in shown for number in range(3)), shown


@pytest.mark.parametrize("width", [50, 60, 80])
def test_names_that_differ_at_their_ends_can_be_told_apart(width, folders, make_job, snapshot):
    names = [f"a long day at the beach with everybody, part {n:02}.mp4" for n in range(3)]
    jobs = [make_job(name, id=name) for name in names]
    lines = drawn(draw(snapshot(in_work=jobs), Frame(folders, "t", "h", 0.0, (), width), 24), width)
    for n in range(3):
        assert sum(f"{n:02}.mp4" in line for line in lines) == 1
    assert all(len(line) <= width for line in lines)


def test_a_file_from_outside_the_inbox_is_named_from_where_one_stands(
    folders, make_job, snapshot, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    job = make_job()
    job = job.evolve(spec=job.spec.evolve(source=str(tmp_path / "archive" / "b.mp4")))
    line = drawn(draw(snapshot(in_work=[job]), Frame(folders, "t", "h", 0.0, ()), 24), 100)[2]
    assert line.startswith("›  archive/b.mp4")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_an_edit_that_takes_long_says_so_in_its_line(width, folders, make_job, snapshot):
    job = make_job("clip.mp4", step=Step.EDIT)
    frame = Frame(folders, "t", "h", 0.0, (), width)
    soon, later = (
        drawn(draw(snapshot(in_work=[job], now=job.started + seconds), frame, 12), width)
        for seconds in (119, 250)
    )
    assert not any("still" in line for line in soon)
    (line,) = [line for line in later if "editing" in line]
    assert "mp4" in line
    assert "still working (4 min)" in line or width == 40
    assert len(line) <= width
