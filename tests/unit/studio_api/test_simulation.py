"""Simulated durations: within the contract's ranges, by the file's name and the seed alone."""

from __future__ import annotations

import pytest

from studio.rendering import draw_simulated_s, find_shown_name
from studio.settings import StudioSettings


@pytest.mark.parametrize(("what", "least_s", "most_s"), [("edit", 1.0, 4.0), ("render", 3.0, 9.0)])
def test_durations_fill_the_contracts_ranges(what, least_s, most_s):
    settings = StudioSettings(time_scale=0.1)
    drawn_s = [draw_simulated_s(what, f"clip{number}", settings) for number in range(300)]
    assert least_s <= min(drawn_s) < least_s * 1.1
    assert most_s * 0.95 < max(drawn_s) <= most_s


def test_the_same_file_takes_the_same_time_until_the_seed_changes():
    one, other = StudioSettings(), StudioSettings(seed=1)
    assert draw_simulated_s("edit", "clip", one) == draw_simulated_s("edit", "clip", one)
    assert draw_simulated_s("edit", "clip", one) != draw_simulated_s("edit", "clip", other)
    assert draw_simulated_s("edit", "clip", one) != draw_simulated_s("edit", "clip2", one)


@pytest.mark.parametrize(
    ("draft", "name"),
    [
        ({"t": [], "m": {"title": "clip"}}, "clip"),
        ({"t": [], "m": {}}, "else"),
        ({"t": [], "m": []}, "else"),
        ({"t": []}, "else"),
        (None, "else"),
    ],
)
def test_a_draft_without_a_title_goes_by_another_name(draft, name):
    assert find_shown_name(draft, "else") == name
