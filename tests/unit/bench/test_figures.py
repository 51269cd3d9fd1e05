"""The benches' own arithmetic: medians, shares, rows, and what the service draws for a name."""

from __future__ import annotations

import os

import pytest

from bench.figures import HEAD, Row, machine, percentile, show, summarize
from bench.service import EDIT_S, RENDER_S, draw_s


def test_medians_are_shown_with_their_spread():
    assert summarize([3.0], "s") == "3.0 s"
    assert summarize([3.0, 1.0, 2.0], "MB", 0) == "2 MB (1 to 3)"


def test_the_99th_percentile():
    assert percentile([float(number) for number in range(1, 101)], 0.99) == 100
    assert percentile([float(number) for number in range(1, 201)], 0.99) == 199
    assert percentile([], 0.99) == float("inf"), "nothing measured reaches no bar"


@pytest.mark.parametrize(("reached", "mark", "code"), [(True, "ok", 0), (False, "MISSED", 1), (None, "", 0)])
def test_a_missed_bar_is_shown_and_makes_the_bench_fail(reached, mark, code, capsys):
    row = Row("files", "≤ 1", "2", "python -m bench.files", reached)
    assert show([row], "a note") == code
    printed = capsys.readouterr().out
    assert printed.startswith("a note\nLoad ")
    assert f"| files | ≤ 1 | 2 | {mark} | `python -m bench.files` |" in printed
    assert HEAD.splitlines()[0].count("|") == str(row).count("|")


def test_the_machine_and_the_moment_are_named():
    assert f"{os.cpu_count()} cores (" in machine()


def test_what_a_file_takes_is_drawn_from_its_name_within_the_contracts_ranges():
    drawn = [draw_s("edit", f"clip{number}.mp4", 1.0) for number in range(500)]
    assert EDIT_S[0] <= min(drawn) < EDIT_S[0] + 1
    assert EDIT_S[1] - 1 < max(drawn) <= EDIT_S[1]
    assert RENDER_S[0] <= draw_s("render", "clip.mp4", 1.0) <= RENDER_S[1]
    assert draw_s("edit", "alone__hand1.mp4", 1.0) == draw_s("edit", "late__hand1.mp4", 1.0)
    assert draw_s("edit", "clip1.mp4", 0.1) == pytest.approx(draw_s("edit", "clip1.mp4", 1.0) / 10)
