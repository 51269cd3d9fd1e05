"""What a musician would look for in a score: form, harmony, bass, grooves, themes, endings."""

from __future__ import annotations

import itertools
import time
from random import Random

import numpy as np
import pytest

from studio.music.band import Band
from studio.music.compose import MusicSpec, beats_of, write
from studio.music.form import Bar, plan_form
from studio.music.harmony import lead_voices, read_bars, read_chord, scale_of
from studio.music.melody import Tone, answer, fit_tone, pitch_of, vary, write_theme
from studio.music.moods import GENRES, MOODS, Mood, style_mood
from studio.music.patterns import STRENGTHS, load_patterns
from studio.music.performance import Stroke, perform_notes
from studio.music.score import SCALES, Hit, Note, Score

STYLES = [(mood, "") for mood in sorted(MOODS)] + [("happy", genre) for genre in GENRES]
EVERY_STYLE = pytest.mark.parametrize(("mood", "genre"), STYLES)
DRUMMED = [(mood, genre) for mood, genre in STYLES if style_mood(mood, genre).drum_pattern]


def bars_of(spec: MusicSpec, duration_s: float) -> tuple[tuple[Bar, float, float], ...]:
    """Every bar with its start and end in s."""
    grid = beats_of(spec, duration_s)
    bars = plan_form(grid, spec.cuts_s)
    return tuple(
        (bar, float(grid[bar.beat]), float(grid[min(len(grid) - 1, bar.beat + bar.beats)])) for bar in bars
    )


def drum_bars(spec: MusicSpec, score: Score, duration_s: float) -> list[frozenset[tuple[str, int]]]:
    """Which drum is struck on which sixteenth, bar by bar."""
    found = []
    for bar, start_s, end_s in bars_of(spec, duration_s):
        step_s = (end_s - start_s) / bar.beats / 4
        near = [hit for hit in score.hits if start_s - step_s / 2 <= hit.start_s < end_s - step_s / 2]
        found.append(frozenset((hit.drum, round((hit.start_s - start_s) / step_s)) for hit in near))
    return found


def energy(events: list[Note] | list[Hit]) -> float:
    return sum(event.velocity**2 for event in events)


@pytest.mark.parametrize(
    ("numeral", "classes", "bass"),
    [
        ("I", {0, 4, 7}, 0),
        ("ii7", {2, 5, 9, 0}, 2),
        ("bVImaj7", {8, 0, 3, 7}, 8),
        ("V7/ii", {9, 1, 4, 7}, 9),
        ("I:1", {0, 4, 7}, 4),
        ("iim7b5", {2, 5, 8, 0}, 2),
        ("V7#9", {7, 11, 2, 5, 10}, 7),
        ("iv6", {5, 8, 0, 2}, 5),
        ("i5", {0, 7}, 0),
        ("#ivdim", {6, 9, 0}, 6),
    ],
)
def test_a_numeral_is_a_chord(numeral: str, classes: set[int], bass: int) -> None:
    chord = read_chord(numeral)
    assert (set(chord.classes), chord.bass) == (classes, bass)


@pytest.mark.parametrize("numeral", ["", "H7", "Imaj77", "viii"])
def test_what_is_no_chord_is_refused(numeral: str) -> None:
    with pytest.raises(ValueError, match="not a chord"):
        read_chord(numeral)


@EVERY_STYLE
def test_a_style_names_chords_and_patterns_that_exist(mood: str, genre: str) -> None:
    style, patterns = style_mood(mood, genre), load_patterns()
    assert len(style.major) >= 3 or mood == "dark"
    assert len(style.minor) >= 3
    for progression in (*style.major, *style.minor, *style.close):
        assert read_bars(progression)
    assert style.chord_pattern in patterns["chords"]
    assert style.bass_pattern in patterns["bass"]
    assert style.lead_rhythm in patterns["lead"]
    assert style.drum_pattern in {"", *patterns["drums"]}


def test_there_are_at_least_fourteen_genres_that_differ() -> None:
    assert len(GENRES) >= 14
    played = {genre: style_mood("happy", genre) for genre in GENRES}
    assert len(
        {(s.chord_voice, s.chord_pattern, s.bass_pattern, s.drum_pattern) for s in played.values()}
    ) == len(GENRES)


def test_patterns_are_rows_of_sixteen_known_signs() -> None:
    patterns = load_patterns()
    levels, parts = ("thin", "main", "full"), ("chords", "bass")
    rows = [row for part in parts for p in patterns[part].values() for level in levels for row in p[level]]
    kits = patterns["drums"].values()
    grooves = [groove for kit in kits for level in ("light", "main", "full") for groove in kit[level]]
    rows += [row for groove in grooves for row in groove.values()]
    assert {len(row) for row in rows} == {16}
    assert {
        len(row) for kit in patterns["drums"].values() for fill in kit["fills"] for row in fill.values()
    } == {8}
    assert set("".join(rows)) <= {*STRENGTHS, *"0123456789."}


def test_voices_lead_to_the_nearest_inversion() -> None:
    first = lead_voices((), read_chord("I"), 48, 62)
    following = lead_voices(first, read_chord("vi"), 48, 62)
    assert sum(abs(a - b) for a, b in zip(first, following, strict=True)) <= 3
    assert len(lead_voices(first, read_chord("V13"), 48, 62)) == 4


def test_a_chord_colours_the_scale() -> None:
    assert scale_of(read_chord("V7"), "minor") == (0, 2, 3, 5, 7, 8, 11)
    assert pitch_of(6, 60, read_chord("V7"), "minor") == 71
    assert pitch_of(-1, 60, read_chord("i"), "minor") == 58


def test_a_theme_returns_to_its_motif_and_ends_on_a_long_tone() -> None:
    chords = [bar[0] for bar in read_bars("I V vi IV")]
    theme = write_theme("X-x-x---x-x-x---X---x---x-------", chords, "major", Random(3))
    rhythm = [[tone.beat for tone in bar] for bar in theme]
    assert len(theme) == 8
    assert rhythm[0] == rhythm[2] == rhythm[4] == rhythm[6]
    assert theme[7][0].length >= 2
    weighty = [(tone, chords[n % 4]) for n, bar in enumerate(theme) for tone in bar if tone.weighty]
    assert all(pitch_of(tone.degree, 0, chord, "major") % 12 in chord.classes for tone, chord in weighty)
    assert vary(theme[0], Random(1))[0].beat == rhythm[0][0]


def test_a_reply_begins_after_the_call_and_only_where_there_is_room() -> None:
    call = (Tone(0.0, 1.5, 2, 0.8),)
    reply = answer(call, 4, Random(1))
    assert reply and reply[0].beat >= 2.0 and reply[-1].beat + reply[-1].length <= 4.0
    assert answer((Tone(0.0, 4.0, 2, 0.8),), 4, Random(1)) == ()
    assert fit_tone(Tone(0.0, 1.0, 3, 0.8), read_chord("I"), "major").degree in {2, 4}


@EVERY_STYLE
def test_a_minute_has_a_form_with_a_height_after_a_quieter_build(mood: str, genre: str) -> None:
    spec = MusicSpec(mood, genre=genre, seed=5)
    score = write(spec, 60.0)
    bars = bars_of(spec, 60.0)
    kinds = list(dict.fromkeys(bar.kind for bar, _, _ in bars))
    assert kinds[0] == "intro" and kinds[-1] == "end" and {"verse", "build", "height"} <= set(kinds)
    strength: dict[str, list[float]] = {}
    for bar, start_s, end_s in bars:
        notes = [note for note in score.notes if start_s <= note.start_s < end_s]
        hits = [hit for hit in score.hits if start_s <= hit.start_s < end_s]
        strength.setdefault(bar.kind, []).append((energy(notes) + energy(hits)) / (end_s - start_s))
    assert np.mean(strength["height"]) > 1.5 * np.mean(strength["intro"])
    assert np.mean(strength["height"]) > np.mean(strength["verse"])


@pytest.mark.parametrize(("mood", "genre"), DRUMMED)
def test_drum_bars_differ_and_sections_end_in_fills(mood: str, genre: str) -> None:
    spec = MusicSpec(mood, genre=genre, seed=5)
    score = write(spec, 60.0)
    found = drum_bars(spec, score, 60.0)
    assert len({bar for bar in found if bar}) >= 8
    bars = [bar for bar, _, _ in bars_of(spec, 60.0)]
    last = next(n for n, bar in enumerate(bars) if bar.kind == "verse" and bar.last)
    assert {hit for hit in found[last] if hit[1] >= 8} != {hit for hit in found[last - 1] if hit[1] >= 8}


def test_the_height_begins_on_the_cut_where_the_pace_changes_most() -> None:
    cuts_s = (8.0, 16.0, 24.0, 32.0, 39.5, 40.5, 41.5, 42.5, 43.5)
    spec = MusicSpec("happy", seed=4, cuts_s=cuts_s)
    height_s = next(start_s for bar, start_s, _ in bars_of(spec, 60.0) if bar.kind == "height")
    assert height_s == pytest.approx(39.5, abs=0.06)


@pytest.mark.parametrize("duration_s", [0.04, 0.5, 2.0, 5.0, 9.0, 14.0, 21.0, 33.0, 47.0, 90.0, 181.0, 700.0])
def test_bars_cover_a_piece_of_any_length(duration_s: float) -> None:
    for mood in ("sad", "happy", "energetic"):
        bars = bars_of(MusicSpec(mood), duration_s)
        assert bars[0][1] == 0.0 and bars[-1][2] == duration_s
        assert all(left[2] == right[1] and right[0].beats > 0 for left, right in itertools.pairwise(bars))
        assert max(bar.of for bar, _, _ in bars) <= 24


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mood", ["calm", "sad", "romantic", "dark"])
def test_jazz_walks_on_tones_of_the_chord(mood: str, seed: int) -> None:
    """On the beat no tone is a semitone off a tone of the chord, unless it belongs to it."""
    style = style_mood(mood, "jazz")
    bars = plan_form(beats_of(MusicSpec(mood, genre="jazz"), 60.0))
    band = Band(style, 48, bars, seed)
    number = 0
    for stroke in band.play("bass"):
        while stroke.beat >= bars[number].beat + bars[number].beats:
            number += 1
        beat = stroke.beat - bars[number].beat
        if beat % 1 == 0:
            harmony = band.harmonies[number]
            classes = harmony.chords[harmony.at(beat)].classes
            step = (stroke.sound - 48) % 12
            assert step in classes or not {(step + 1) % 12, (step - 1) % 12} & classes


def test_a_walking_bass_moves_on_every_beat() -> None:
    spec = MusicSpec("romantic", genre="jazz", seed=2)
    bass = [note for note in write(spec, 60.0).notes if note.part == "bass"]
    assert len({note.pitch for note in bass}) >= 10
    same = sum(a.pitch == b.pitch for a, b in itertools.pairwise(bass))
    assert same < 0.15 * len(bass)


def test_the_theme_is_heard_again_at_the_height() -> None:
    spec = MusicSpec("happy", seed=8)
    lead = [n for n in write(spec, 60.0).notes if n.part == "lead" and n.voice == MOODS["happy"].lead_voice]
    bars = bars_of(spec, 60.0)

    def tune(kind: str) -> list[tuple[int, int]]:
        start_s, end_s, beats = next(
            (s, e, bar.beats) for bar, s, e in bars if bar.kind == kind and bar.place == 0
        )
        here = [n for n in lead if start_s - 0.1 <= n.start_s < end_s - 0.1]
        return [(round((n.start_s - start_s) / (end_s - start_s) * beats * 4), n.pitch % 12) for n in here]

    assert tune("verse") and tune("verse") == tune("height")


@pytest.mark.parametrize("duration_s", [12.0, 33.0])
@EVERY_STYLE
def test_the_last_chord_is_let_go_so_that_it_dies_away(mood: str, genre: str, duration_s: float) -> None:
    spec = MusicSpec(mood, genre=genre, seed=6)
    notes = write(spec, duration_s).notes
    begun_s = bars_of(spec, duration_s)[-1][1]
    last = [note for note in notes if note.start_s >= begun_s - 0.05]
    assert {"chords", "bass"} <= {note.part for note in last}
    assert 1.8 <= duration_s - begun_s <= 4.2
    assert max(note.start_s + note.hold_s for note in notes) <= duration_s - 0.55
    assert max(note.start_s for note in notes) <= begun_s + 0.3


def test_the_same_seed_gives_the_same_score() -> None:
    spec = MusicSpec("epic", seed=12, cuts_s=(9.0, 21.5))
    assert write(spec, 40.0) == write(spec, 40.0)
    assert write(spec, 40.0) != write(MusicSpec("epic", seed=13, cuts_s=(9.0, 21.5)), 40.0)


def test_swing_delays_the_second_note_of_a_pair_and_lateness_all() -> None:
    grid = np.arange(0.0, 9.0)
    swung = Mood(
        **{**_values(MOODS["calm"]), "swing": 0.6, "unit": 0.5, "late_ms": (("lead", 20.0),), "loose_ms": 0.0}
    )
    notes = perform_notes(
        [Stroke(0, 0.4, 60, 1.0), Stroke(0.5, 0.4, 60, 1.0), Stroke(1, 0.4, 60, 1.0)], swung, "lead", grid,
        np.random.default_rng(1),
    )  # fmt: skip
    assert [note.start_s for note in notes] == pytest.approx([0.02, 0.62, 1.02])


def test_nobody_plays_like_a_machine() -> None:
    spec = MusicSpec("calm", seed=3)
    beats = beats_of(spec, 60.0)
    near = [n.start_s for n in write(spec, 60.0).notes if n.part == "chords"]
    off_s = np.array([np.abs(beats - at_s).min() for at_s in near if np.abs(beats - at_s).min() < 0.06])
    assert 0.003 < off_s.std() < 0.03


def test_writing_a_minute_takes_little() -> None:
    write(MusicSpec("happy", seed=1), 5.0)
    begun = time.process_time()
    for seed in range(4):
        write(MusicSpec("energetic", seed=seed), 60.0)
    assert (time.process_time() - begun) / 4 < 0.15


def _values(mood: Mood) -> dict[str, object]:
    return {name: getattr(mood, name) for name in Mood.__slots__}


def test_scales_have_seven_steps() -> None:
    assert {len(steps) for steps in SCALES.values()} == {7}


@pytest.mark.parametrize("duration_s", [1.0, 5.0, 10.0, 25.0, 70.0])
def test_a_piece_that_another_one_follows_builds_up_to_it(duration_s: float) -> None:
    spec = MusicSpec("happy", seed=6, closes=False)
    bars = plan_form(beats_of(spec, duration_s), closes=False)
    assert bars[-1].kind == ("build" if duration_s >= 5.0 else "verse")
    assert sum(bar.beats for bar in bars) == len(beats_of(spec, duration_s)) - 1
    notes = write(spec, duration_s).notes
    assert max(note.start_s + note.hold_s for note in notes) > duration_s - 0.5
