"""The summary line, read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.report.timeline import MAX_TRACKS, Track, tracks
from nemo.timeline import Track as Said
from nemo.timeline import TrackKind


def test_the_contracts_own_example():
    line = (
        "Timeline (3 tracks): 1. Video: city timelapse (0-10s) 2. BGM: Lo-fi (0-10s, 35%) "
        '3. Title: "Urban Dreams" (0-3s)'
    )
    assert tracks(line) == (
        Track("Video", "city timelapse", 0, 10, ""),
        Track("BGM", "Lo-fi", 0, 10, "35%"),
        Track("Title", '"Urban Dreams"', 0, 3, ""),
    )


@pytest.mark.parametrize("line", ["", "nothing", "Timeline (0 tracks)", "Timeline (1 track): 1. Video city"])
def test_any_other_text_has_no_tracks(line):
    assert tracks(line) == ()


@pytest.mark.parametrize(
    "name", ["a (0-3s) b", "2. BGM: no track", "(0-1s, 5%)", "Urban: (2-3s) Dreams", "100%"]
)
def test_names_that_look_like_the_form_itself(name):
    line = f"Timeline (2 tracks): 1. Video: {name} (0-10s) 2. BGM: Lo-fi (0-10s, 35%)"
    assert [track.name for track in tracks(line)] == [name, "Lo-fi"]


@given(st.text(max_size=40), st.floats(0, 100), st.floats(0, 100))
def test_whatever_is_in_a_name_it_ends(name, start_s, length_s):
    said = Said(TrackKind.VIDEO, name, start_s, start_s + length_s)
    assert len(tracks(f"Timeline (1 track): 1. {said}")) <= 1


def test_a_timeline_without_end_is_cut_off():
    listed = " ".join(f"{n}. BGM: a (0-1s)" for n in range(1, 1000))
    assert len(tracks(f"Timeline (999 tracks): {listed}")) == MAX_TRACKS
