import numpy as np
import pytest

from studio.analyse import Findings
from studio.music.compose import MusicSpec, beats_of, blocks, compose, write
from studio.music.genres import GENRES, styled
from studio.music.grid import beat_grid
from studio.music.moods import MOODS, mood_for, seed_for
from studio.music.theory import SCALES, chord, frequency_hz, lead_voices, nearest, note
from studio.music.voices import RATE, VOICES, tone

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
    assert min(map(_heard_db, seconds)) > -45.0
    assert _heard_db(piece) > -26.0


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


def test_the_last_chord_begins_on_a_beat_and_lasts_to_the_last_frame() -> None:
    spec = MusicSpec("sad", seed=4)
    beats, notes = beats_of(spec, 30.0), write(spec, 30.0).notes
    last_s = max(n.start_s for n in notes if n.voice == "strings")
    assert np.abs(beats - last_s).min() < 1e-6
    assert max(n.start_s + n.hold_s for n in notes) == pytest.approx(30.0, abs=0.2)
    assert beats[-1] == 30.0


@pytest.mark.parametrize("mood", EVERY_MOOD)
def test_notes_stay_in_the_range_of_their_instruments(mood: str) -> None:
    pitches = [n.pitch for seed in range(5) for n in write(MusicSpec(mood, seed=seed), 60.0).notes]
    assert min(pitches) >= 24
    assert max(pitches) <= 98


@pytest.mark.parametrize("mood", EVERY_MOOD)
def test_chords_are_consonant(mood: str) -> None:
    style = MOODS[mood]
    for degree in {d for progression in style.progressions for d in progression}:
        low, middle, high = chord(48, style.scale, degree)
        assert middle - low in {3, 4}
        assert high - low in {7, 8}


@pytest.mark.parametrize("mood", EVERY_MOOD)
def test_beats_meet_most_cuts(mood: str) -> None:
    rng = np.random.default_rng(8)
    met = total = 0
    for _ in range(12):
        cuts = np.cumsum(rng.uniform(1.2, 6.0, 30))
        cuts = cuts[cuts < 59.0]
        beats = beat_grid(MOODS[mood].bpm, 60.0, cuts)
        met += sum(np.abs(beats - cut).min() <= 0.05 for cut in cuts)
        total += len(cuts)
    assert met / total >= 0.8


@pytest.mark.parametrize(("bpm", "duration_s"), [(64, 0.04), (128, 0.7), (90, 1.0), (100, 600.0)])
def test_beats_begin_at_zero_and_end_on_the_last_frame(bpm: float, duration_s: float) -> None:
    beats = beat_grid(bpm, duration_s)
    assert beats[0] == 0.0
    assert beats[-1] == duration_s
    assert (np.diff(beats) > 0).all()


def test_without_cuts_the_tempo_is_the_one_asked_for() -> None:
    beats = beat_grid(100.0, 60.0)
    assert 60.0 / np.diff(beats) == pytest.approx(100.0, rel=0.01)


def test_a_cut_is_marked_by_a_cymbal_on_its_beat() -> None:
    hits = write(MusicSpec("energetic", seed=1, cuts_s=(3.1, 7.4)), 12.0).hits
    crashes = [h.start_s for h in hits if h.drum == "crash"]
    assert crashes == pytest.approx([3.1, 7.4], abs=0.05)


@pytest.mark.parametrize("mood", ["sad", "romantic"])
def test_a_slow_piece_goes_faster_where_cuts_are_close(mood: str) -> None:
    cuts = np.cumsum(np.random.default_rng(8).uniform(1.0, 3.0, 40))
    cuts = cuts[cuts < 59.0]
    beats = beat_grid(MOODS[mood].bpm, 60.0, cuts)
    assert np.mean([np.abs(beats - cut).min() <= 0.05 for cut in cuts]) >= 0.8
    steady = beat_grid(MOODS[mood].bpm, 60.0, cuts, steady=True)
    assert 60.0 / np.diff(steady).mean() == pytest.approx(MOODS[mood].bpm, rel=0.1)


@pytest.mark.parametrize("genre", GENRES)
def test_a_genre_sounds_in_every_mood(genre: str) -> None:
    for mood in EVERY_MOOD:
        style = styled(mood, genre)
        assert set(style.instruments) - {"drums"} <= set(VOICES)
        assert style.scale == MOODS[mood].scale
    piece = compose(MusicSpec("happy", seed=3, genre=genre), 6.0)
    assert np.abs(piece).max() < 0.99
    assert np.abs(np.diff(piece, axis=0)).max() < 0.5
    assert _heard_db(piece) > -30.0


def test_a_genre_changes_who_plays_and_the_moods_own_changes_nothing() -> None:
    assert styled("calm", "lo-fi") is styled("calm") is styled("calm", "polka") is MOODS["calm"]
    voices = {n.voice for n in write(MusicSpec("energetic", seed=1, genre="rock"), 20.0).notes}
    assert "crunch" in voices and "stab" not in voices


def test_theory() -> None:
    assert frequency_hz(69) == 440.0
    assert [note(60, "major", d) for d in (0, 2, 7, -1)] == [60, 64, 72, 59]
    assert chord(60, "major", 1, seventh=True) == (62, 65, 69, 72)
    assert nearest(61, (48, 52)) == 60
    voiced = lead_voices((60, 64, 67), (65, 69, 72), 64)
    assert sum(abs(a - b) for a, b in zip((60, 64, 67), voiced, strict=True)) <= 6


@pytest.mark.parametrize("name", sorted(VOICES))
def test_a_tone_begins_and_ends_softly(name: str) -> None:
    sound = tone(VOICES[name], 220.0, 0.5)
    assert np.abs(sound[0]).max() < 0.01
    assert np.abs(sound[-1]).max() < 0.01
    assert np.abs(sound).max() > 0.1


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
