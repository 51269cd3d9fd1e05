import numpy as np
import pytest

from studio.analyse import Findings
from studio.music.compose import MusicSpec, blocks, compose, write
from studio.music.moods import GENRES, MOODS, mood_for, seed_for, style_mood
from studio.music.score import SCALES
from studio.music.tempo import beat_times, find_tempo
from studio.music.voices import RATE, VOICES

EVERY_MOOD = sorted(MOODS)


def _heard_db(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(sound**2) + 1e-12))


def test_eight_moods_differ_in_tempo_and_title() -> None:
    assert EVERY_MOOD == ["calm", "dark", "dreamy", "energetic", "epic", "happy", "romantic", "sad"]
    assert len({mood.bpm for mood in MOODS.values()}) == len({mood.title for mood in MOODS.values()}) == 8
    assert MOODS["calm"].title == "Lo-fi"


@pytest.mark.parametrize("mood", EVERY_MOOD)
def test_a_mood_names_what_exists(mood: str) -> None:
    voices = set(MOODS[mood].instruments) - {"drums"}
    assert voices <= set(VOICES)
    assert MOODS[mood].scale in SCALES


@pytest.mark.parametrize("mood", EVERY_MOOD)
@pytest.mark.parametrize("duration_s", [0.04, 0.5, 2.0, 21.3])
def test_a_piece_has_its_length_and_neither_clicks_nor_clips(mood: str, duration_s: float) -> None:
    piece = compose(MusicSpec(mood, seed=3), duration_s)
    assert piece.shape == (round(duration_s * RATE), 2)
    assert piece.dtype == np.float32
    assert np.abs(piece).max() < 0.99
    assert np.abs(np.diff(piece, axis=0)).max() < 0.45
    assert np.abs(piece[0]).max() < 0.02
    assert np.abs(piece[-1]).max() == 0.0


@pytest.mark.parametrize("mood", EVERY_MOOD)
def test_a_piece_is_never_silent_for_long(mood: str) -> None:
    piece = compose(MusicSpec(mood, seed=11), 16.0)
    seconds = [piece[at : at + 2 * RATE] for at in range(0, 14 * RATE, RATE)]
    assert min(map(_heard_db, seconds)) > -50.0
    assert _heard_db(piece) > -32.0


def test_the_same_seed_gives_the_same_piece_and_another_another() -> None:
    first, again = (compose(MusicSpec("happy", seed=5), 6.0) for _ in range(2))
    other = compose(MusicSpec("happy", seed=6), 6.0)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_piece_does_not_depend_on_how_it_is_cut_into_blocks() -> None:
    spec = MusicSpec("calm", seed=2)
    joined = np.concatenate(list(blocks(spec, 9.0)))
    assert np.array_equal(joined, compose(spec, 9.0))


@pytest.mark.parametrize("part", ["drums", "bass", "lead", "chords"])
def test_a_part_is_left_out_and_the_others_stay_the_same(part: str) -> None:
    whole = write(MusicSpec("epic", seed=9), 24.0)
    fewer = write(MusicSpec("epic", seed=9, without=frozenset({part})), 24.0)
    if part == "drums":
        assert whole.hits and not fewer.hits
        assert fewer.notes == whole.notes
    else:
        assert fewer.hits == whole.hits
        assert set(fewer.notes) < set(whole.notes)


@pytest.mark.parametrize("mood", EVERY_MOOD)
def test_notes_stay_in_the_range_of_their_instruments(mood: str) -> None:
    pitches = [n.pitch for seed in range(5) for n in write(MusicSpec(mood, seed=seed), 60.0).notes]
    assert min(pitches) >= 26
    assert max(pitches) <= 98


@pytest.mark.parametrize("mood", EVERY_MOOD)
def test_beats_meet_most_cuts(mood: str) -> None:
    rng = np.random.default_rng(8)
    met = total = 0
    for _ in range(12):
        cuts = np.cumsum(rng.uniform(1.2, 6.0, 30))
        cuts = cuts[cuts < 59.0]
        beats = np.array(beat_times(find_tempo(MOODS[mood].bpm, 60.0, cuts), 60.0, cuts))
        met += sum(np.abs(beats - cut).min() <= 0.05 for cut in cuts)
        total += len(cuts)
    assert met / total >= 0.8


@pytest.mark.parametrize(("bpm", "duration_s"), [(64, 0.04), (128, 0.7), (90, 1.0), (100, 600.0)])
def test_beats_begin_at_zero_and_end_on_the_last_frame(bpm: float, duration_s: float) -> None:
    beats = np.array(beat_times(bpm, duration_s))
    assert beats[0] == 0.0
    assert beats[-1] == duration_s
    assert (np.diff(beats) > 0).all()


def test_without_cuts_the_tempo_is_the_one_asked_for() -> None:
    for duration_s in (7.3, 31.9, 60.0):
        assert find_tempo(100.0, duration_s) == 100
        assert 60.0 / np.diff(beat_times(100.0, duration_s)[:-1]) == pytest.approx(100.0, rel=0.001)


def test_a_cut_is_marked_by_a_cymbal_on_its_beat() -> None:
    hits = write(MusicSpec("energetic", seed=1, cuts_s=(3.1, 7.4)), 12.0).hits
    crashes = np.array([h.start_s for h in hits if h.drum == "crash"])
    assert [np.abs(crashes - cut_s).min() < 0.05 for cut_s in (3.1, 7.4)] == [True, True]


@pytest.mark.parametrize("mood", ["sad", "romantic"])
def test_a_slow_piece_goes_faster_where_cuts_are_close(mood: str) -> None:
    cuts = np.cumsum(np.random.default_rng(8).uniform(1.0, 3.0, 40))
    cuts = cuts[cuts < 59.0]
    bpm = find_tempo(MOODS[mood].bpm, 60.0, cuts)
    beats = np.array(beat_times(bpm, 60.0, cuts))
    assert bpm > MOODS[mood].bpm
    assert np.mean([np.abs(beats - cut).min() <= 0.05 for cut in cuts]) >= 0.8
    assert 60.0 / np.median(np.diff(beats)) == pytest.approx(bpm, rel=0.04)


@pytest.mark.parametrize("genre", GENRES)
def test_a_genre_sounds_in_every_mood(genre: str) -> None:
    for mood in EVERY_MOOD:
        style = style_mood(mood, genre)
        assert set(style.instruments) - {"drums"} <= set(VOICES)
        assert style.scale == MOODS[mood].scale
    piece = compose(MusicSpec("happy", seed=3, genre=genre), 6.0)
    assert np.abs(piece).max() < 0.99
    assert np.abs(np.diff(piece, axis=0)).max() < 0.5
    assert _heard_db(piece) > -34.0


def test_a_genre_changes_who_plays_and_the_moods_own_changes_nothing() -> None:
    assert style_mood("calm", "lo-fi") is style_mood("calm") is style_mood("calm", "polka") is MOODS["calm"]
    voices = {n.voice for n in write(MusicSpec("energetic", seed=1, genre="rock"), 20.0).notes}
    assert "crunch" in voices and "stab" not in voices


@pytest.mark.parametrize(
    ("findings", "mood"),
    [
        (Findings(brightness=0.6, motion=0.9), "energetic"),
        (Findings(brightness=0.2, motion=0.9), "epic"),
        (Findings(brightness=0.6, motion=0.4), "happy"),
        (Findings(brightness=0.1, motion=0.1), "dark"),
        (Findings(brightness=0.4, saturation=0.05, motion=0.1), "sad"),
        (Findings(brightness=0.6, saturation=0.6, motion=0.1), "romantic"),
        (Findings(), "calm"),
        (Findings(motion=0.3, cuts_s=tuple(range(1, 20)), duration_s=20.0), "energetic"),
    ],
)
def test_the_mood_follows_the_picture(findings: Findings, mood: str) -> None:
    assert mood_for(findings) == mood


def test_a_seed_is_told_by_its_text() -> None:
    assert seed_for("elf add music") == seed_for("elf add music")
    assert seed_for("elf add music") != seed_for("frog add music")
    assert 0 <= seed_for("") < 2**31
