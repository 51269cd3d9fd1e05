"""Drafts of several servers, the summary of the contract, and changes in words."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemovideo import Draft, TrackKind, changes

VIDEO = {"tt": 0, "sg": [{"d": 10000, "m": {"title": "city timelapse"}}]}
MUSIC = {"tt": 1, "sg": [{"d": 10000, "m": {"title": "Lo-fi", "volume": 0.35}}]}
TITLE = {"tt": 7, "sg": [{"d": 3000, "m": {"text": "Urban Dreams"}}]}
SOURCE = {"tt": 1, "m": {"kind": "source", "title": "talk"}, "sg": [{"d": 4000}]}


def draft(*tracks: dict[str, Any], **more: Any) -> Draft:
    return Draft({"t": list(tracks), **more})


def test_the_summary_is_the_one_of_the_contract() -> None:
    assert (
        draft(VIDEO, MUSIC, TITLE).summary() == "Timeline (3 tracks): 1. Video: city timelapse (0-10s) "
        '2. BGM: Lo-fi (0-10s, 35%) 3. Title: "Urban Dreams" (0-3s)'
    )


def test_one_track_and_none() -> None:
    assert draft(VIDEO).summary() == "Timeline (1 track): 1. Video: city timelapse (0-10s)"
    assert draft().summary() == "Timeline (0 tracks)"


@pytest.mark.parametrize(
    ("segment", "told"),
    [
        ({"d": 8000, "m": {"title": "A"}}, "BGM: A (0-8s)"),
        ({"d": 8400, "m": {"title": "A", "start": 500}}, "BGM: A (0.5-8.9s)"),
        ({"d": 8000, "start": 1000, "m": {"name": "A", "v": 20}}, "BGM: A (1-9s, 20%)"),
        ({"d": 8000, "m": {"title": "A", "volume": 0}}, "BGM: A (0-8s, 0%)"),
        ({"d": 8000, "m": {"title": "A", "volume": 1}}, "BGM: A (0-8s, 100%)"),
        ({"d": 8000, "m": {"title": "A", "volume": "loud"}}, "BGM: A (0-8s)"),
        ({"d": 8000, "m": {"title": "  two\n lines "}}, "BGM: two lines (0-8s)"),
        ({"d": 8000}, "BGM: BGM (0-8s)"),
        ({"d": None, "m": None}, "BGM: BGM (0-0s)"),
        ({"d": float("inf")}, "BGM: BGM (0-0s)"),
    ],
)
def test_what_other_servers_write(segment: dict[str, Any], told: str) -> None:
    assert draft({"tt": 1, "sg": [segment]}).summary() == f"Timeline (1 track): 1. {told}"


@pytest.mark.parametrize(
    ("stated", "factor"), [(0.5, 0.5), (2, 2.0), (2.5, 0.025), (3, 0.03), (50, 0.5), (100, 1.0), (-1, None)]
)
def test_a_volume_is_a_factor_up_to_two_and_a_percentage_above(stated: float, factor: float | None) -> None:
    (track,) = draft(quieter(stated)).tracks
    assert track.volume == factor


def test_a_title_is_named_by_the_words_people_see() -> None:
    named = {"tt": 7, "m": {"title": "Opening"}}
    (track,) = draft({**named, "sg": [{"d": 1, "m": {"text": "Hello"}}]}).tracks
    assert (track.title, track.text, track.name) == ("Opening", "Hello", '"Hello"')
    (track,) = draft({**named, "sg": [{"d": 1}]}).tracks
    assert (track.text, track.name) == ("Opening", '"Opening"')
    (track,) = draft({"tt": 7, "sg": [{"d": 1}]}).tracks
    assert (track.text, track.name) == ("", "Title")
    (track,) = draft(VIDEO).tracks
    assert track.name == "city timelapse"


def test_times_are_exact_to_the_millisecond() -> None:
    (track,) = draft({"tt": 0, "sg": [{"d": 2001, "start": 1500}]}).tracks
    assert (track.start_s, track.end_s) == (1.5, 3.501)


def test_segments_without_a_start_follow_each_other() -> None:
    (track,) = draft({"tt": 0, "sg": [{"d": 2000}, {"d": 3500}]}).tracks
    assert (track.start_s, track.end_s) == (0.0, 5.5)


def test_tracks_and_kinds() -> None:
    tracks = draft(VIDEO, MUSIC, TITLE, {"tt": 3, "sg": [{"d": 1}]}, SOURCE).tracks
    assert [track.kind for track in tracks] == [
        TrackKind.VIDEO,
        TrackKind.AUDIO,
        TrackKind.TEXT,
        TrackKind.OTHER,
        TrackKind.AUDIO,
    ]
    assert tracks[-1].source and str(tracks[-1]) == "Audio: talk (0-4s)"
    assert tracks[2].text == "Urban Dreams"


def test_music_is_not_the_sources_own_sound() -> None:
    assert draft(VIDEO, MUSIC).has_music
    assert not draft(VIDEO, SOURCE).has_music
    assert not draft(VIDEO, {"tt": 1, "sg": []}).has_music


def test_ready_means_a_track_with_something_in_it() -> None:
    assert draft(VIDEO).ready
    assert not draft({"tt": 0, "sg": []}).ready
    assert not Draft({}).ready


def test_duration_is_stated_or_found() -> None:
    assert draft(VIDEO, d=8000).duration_s == 8.0
    assert draft(VIDEO, TITLE).duration_s == 10.0
    assert Draft({}).duration_s == 0.0


def test_equal_drafts_have_equal_digests_whatever_their_order() -> None:
    assert Draft({"a": 1, "t": []}).digest == Draft({"t": [], "a": 1}).digest
    assert Draft({"a": 1}).digest != Draft({"a": 2}).digest


@pytest.mark.parametrize("value", [None, "", "null", "no json", "[1]", 3, [], {}, "[" * 100_000])
def test_what_is_no_draft(value: object) -> None:
    assert Draft.parse(value) is None


def test_a_draft_as_text_is_read_and_unknown_keys_stay() -> None:
    raw = {"t": [VIDEO], "zz": {"kept": [1, None]}}
    parsed = Draft.parse(json.dumps(raw))
    assert parsed is not None and parsed.raw == raw


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["t", "tt", "sg", "d", "m", "title", "start", "volume", "x"]), inner, max_size=5
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(JSON, JSON)
def test_no_draft_can_break_it(first: Any, second: Any) -> None:
    one, two = Draft.parse({"t": first}), Draft.parse({"t": [{"tt": 1, "sg": [second], "m": first}]})
    assert one is not None and two is not None
    assert two.summary().startswith("Timeline (")
    changes(one, two)
    assert changes(two, two) == ()


def quieter(volume: float) -> dict[str, Any]:
    return {"tt": 1, "sg": [{"d": 10000, "m": {"title": "Lo-fi", "volume": volume}}]}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([VIDEO], [VIDEO, MUSIC], ("BGM added: Lo-fi, 0-10s, 35%",)),
        ([VIDEO, TITLE], [VIDEO], ('Title removed: "Urban Dreams", 0-3s',)),
        ([VIDEO, MUSIC], [VIDEO, quieter(0.2)], ("BGM changed: volume 35% → 20%",)),
        (
            [MUSIC],
            [{"tt": 1, "sg": [{"d": 8000, "m": {"title": "Epic", "volume": 0.35}}]}],
            ("BGM changed: Lo-fi → Epic, time 0-10s → 0-8s", "Length changed: 10s → 8s"),
        ),
        ([VIDEO], [VIDEO], ()),
        ([], [VIDEO], ("Video added: city timelapse, 0-10s", "Length changed: 0s → 10s")),
    ],
)
def test_changes_in_words(before: list[Any], after: list[Any], told: tuple[str, ...]) -> None:
    assert changes(draft(*before), draft(*after)) == told


def test_changes_from_and_to_nothing() -> None:
    assert changes(None, draft(MUSIC)) == ("BGM added: Lo-fi, 0-10s, 35%",)
    assert changes(draft(MUSIC), None) == ("BGM removed: Lo-fi, 0-10s, 35%", "Length changed: 10s → 0s")
    assert changes(None, None) == ()


def test_a_second_song_is_not_taken_for_the_first() -> None:
    second = {"tt": 1, "sg": [{"d": 5000, "m": {"title": "Jazz"}}]}
    assert draft(second, MUSIC).changes(draft(MUSIC)) == ("BGM added: Jazz, 0-5s",)


def test_a_change_nobody_has_words_for() -> None:
    faded = {"tt": 1, "sg": [{"d": 10000, "m": {"title": "Lo-fi", "volume": 0.35, "fade_out_ms": 3000}}]}
    assert draft(faded).changes(draft(MUSIC)) == ("Timeline changed in its details",)


def test_a_new_picture_size() -> None:
    wide = draft(VIDEO, m={"width": 1920, "height": 1080})
    tall = draft(VIDEO, m={"width": 1080, "height": 1920})
    assert tall.changes(wide) == ("Picture changed: 1920x1080 → 1080x1920",)


def test_a_picture_has_a_size_when_both_sides_are_stated() -> None:
    assert draft(m={"width": 1920, "height": 1080}).canvas == "1920x1080"
    assert draft(m={"width": 1920}).canvas == draft(m={"height": 1080}).canvas == draft().canvas == ""
    sized, unsized = draft(VIDEO, m={"width": 1920, "height": 1080}), draft(VIDEO)
    assert sized.changes(unsized) == unsized.changes(sized) == ("Timeline changed in its details",)


def test_a_draft_is_its_own_reading() -> None:
    one = draft(VIDEO)
    assert Draft.parse(one) is one


def test_digests_do_not_change_from_one_version_to_the_next() -> None:
    """They are kept in the ledger: a digest that changed would make an edit of each timeline in work."""
    digest = Draft({"t": [], "m": {"title": "Müsik", "b": 1, "a": 2.5}}).digest
    assert digest == "9d29f4847a9261df1ec0ffaae07ca96108e4cc11c7b1de471051830ea03ab3f2"


def test_tracks_have_the_numbers_of_the_contract() -> None:
    assert (TrackKind.VIDEO.value, TrackKind.AUDIO.value, TrackKind.TEXT.value) == (0, 1, 7)
    kinds = [draft({"tt": number, "sg": [{"d": 1}]}).tracks[0].kind for number in (0, 1, 7, 2, -1, None)]
    assert kinds == [TrackKind.VIDEO, TrackKind.AUDIO, TrackKind.TEXT, *[TrackKind.OTHER] * 3]
    assert not draft(VIDEO).tracks[0].source
