"""The benches' own arithmetic."""

from __future__ import annotations

import os

import pytest

from bench.figures import HEAD, Row, busiest, extrapolated_s, machine, scheduled_s, spread, told
from bench.makespan import fitting
from bench.peers.running import Ran
from bench.stage import Drawn


@pytest.mark.parametrize(
    ("durations_s", "slots", "expected_s"),
    [([3, 2, 1], 1, 6), ([3, 2, 1], 2, 3), ([3, 2, 1], 9, 3), ([1, 1, 1, 5], 2, 6), ([2], 4, 2)],
)
def test_each_work_begins_in_the_first_slot_that_is_free(durations_s, slots, expected_s):
    assert scheduled_s(durations_s, slots) == expected_s


def test_what_was_measured_is_extended_by_what_each_work_must_take():
    durations_s = [10.0, 20.0, 30.0, 60.0]
    assert extrapolated_s(33.0, 2, durations_s, 1) == pytest.approx(33.0 * 120 / 30)
    assert extrapolated_s(22.0, 2, durations_s, 2) == pytest.approx(22.0 * 80 / 20)
    assert extrapolated_s(33.0, 4, durations_s, 2) == pytest.approx(33.0), "all measured: as measured"


@pytest.mark.parametrize(
    ("times_s", "expected"), [([], 0), ([5.0], 1), ([0, 0.5, 1.0, 1.4, 9], 3), ([3, 1, 2], 1), ([1, 1, 1], 3)]
)
def test_the_busiest_second(times_s, expected):
    assert busiest(times_s, 1.0) == expected


def test_medians_are_told_with_their_spread():
    assert told([3.0], "s") == "3.0 s"
    assert told([3.0, 1.0, 2.0], "MB", 0) == "2 MB (1 to 3)"
    assert spread([90.0, 100.0, 120.0]) == pytest.approx(0.2)
    assert spread([0.0, 0.0, 9.0]) == float("inf")


@pytest.mark.parametrize(("reached", "mark"), [(True, ""), (None, ""), (False, " (missed)")])
def test_a_row_fits_under_the_head_and_tells_a_missed_bar(reached, mark):
    row = str(Row("what", "≤ 4 s", "5 s", "python -m bench.start", reached))
    assert row == f"| what | ≤ 4 s | 5 s{mark} | `python -m bench.start` |"
    assert row.count("|") == HEAD.splitlines()[0].count("|")


def test_the_machine_is_named_with_the_date():
    assert f"{os.cpu_count()} cores" in machine()
    assert "UTC" in machine()


@pytest.mark.parametrize(
    ("render_s", "polls", "whole_s"), [(3.0, 1, 5.0), (3.1, 2, 8.0), (0.0, 1, 5.0), (8.9, 3, 11.0)]
)
def test_a_file_ends_with_the_poll_that_sees_its_render_end(render_s, polls, whole_s):
    one = Drawn(edit_s=2.0, render_s=render_s, poll_s=3.0)
    assert (one.polls, one.whole_s) == (polls, whole_s)


@pytest.mark.parametrize(("room_mb", "children"), [(200, 5), (199, 5), (170, 4), (60, 1), (10, 1)])
def test_as_many_children_as_fit_beside_the_pool_itself(room_mb, children):
    trial = Ran(took_s=1.0, peak_mb=110.0, children_mb=60.0)
    assert fitting(trial, room_mb) == children
