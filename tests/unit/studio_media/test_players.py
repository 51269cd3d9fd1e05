"""The instruments: their pitch, their edges, their forces, and how they are kept and mixed."""

import numpy as np
import pytest

from studio.music.drums import DRUMS, TAKES, strike
from studio.music.mixer import BLOCK, Compressor, Desk, Room, perform
from studio.music.modes import RATE, frequency_hz, ring
from studio.music.sampler import PROGRAMS, Sampler
from studio.music.score import Hit, Note, Score
from studio.music.voices import VOICES, drum_named, voice_named

ASKED_FOR = """

    piano rhodes guitar nylon ukulele electric_guitar crunch bass upright_bass synth_bass violin
    viola cello contrabass strings spiccato pizzicato harp flute clarinet oboe horn trumpet brass
    choir organ accordion vibes marimba glockenspiel celesta bells music_box kalimba sleigh_bells
    saw_lead saw_pad glass_pad stab sub drone
"""
ASKED_DRUMS = """

    kick snare rim clap hat open_hat pedal_hat ride crash tom_low tom_mid tom_high brush shaker
    tambourine cowbell conga_low conga_high taiko timpani cymbal_swell sub_drop riser
"""
UNTUNED = {"sleigh_bells"}
LOW = {"bass", "upright_bass", "synth_bass", "sub", "drone", "contrabass"}


def _heard_hz(sound: np.ndarray, near_hz: float) -> float:
    """Return the strongest frequency within a quarter tone of `near_hz` or of its octave."""
    part = sound.mean(axis=0)[2400:]
    power = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 18)) ** 2
    hz = np.fft.rfftfreq(1 << 18, 1 / RATE)
    wanted = np.abs(np.log2(hz.clip(1) / near_hz)) < 1 / 24
    return float(hz[wanted][power[wanted].argmax()])


def _bright_hz(sound: np.ndarray) -> float:
    part = sound.mean(axis=0)[: RATE // 2]
    power = np.abs(np.fft.rfft(part)) ** 2
    return float((power * np.fft.rfftfreq(len(part), 1 / RATE)).sum() / power.sum())


@pytest.fixture(scope="module")
def players() -> Sampler:
    return Sampler()


@pytest.mark.parametrize("voice", sorted({*VOICES, *ASKED_FOR.split()}))
def test_a_tone_has_its_pitch_and_soft_edges(players: Sampler, voice: str) -> None:
    pitch = 43 if voice_named(voice) in LOW else 64
    sound = players.tone(voice, pitch, 0.6, 1.0).play(1.0)
    assert sound.dtype == np.float32
    assert np.abs(sound[:, :2]).max() < 0.03
    assert np.abs(sound[:, -2:]).max() < 0.01
    assert 0.05 < np.abs(sound).max() < 3.0
    if voice not in UNTUNED:
        assert 1200 * abs(np.log2(_heard_hz(sound, frequency_hz(pitch)) / frequency_hz(pitch))) < 12


@pytest.mark.parametrize(
    "voice", ["piano", "guitar", "bass", "violin", "brass", "electric_guitar", "crunch", "stab"]
)
def test_a_harder_tone_is_brighter(players: Sampler, voice: str) -> None:
    soft, hard = (players.tone(voice, 55, force, 0.5).sound for force in (0.1, 0.9))
    assert _bright_hz(hard) > 1.03 * _bright_hz(soft)


def test_a_held_tone_goes_on_without_a_seam(players: Sampler) -> None:
    for voice in ("violin", "strings", "organ", "saw_pad"):
        tone = players.tone(voice, 57, 0.6, 9.0)
        sound = tone.play(9.0)
        assert tone.loop and sound.shape[1] >= 9 * RATE
        seam = tone.loop[1]
        usual = np.abs(np.diff(sound[:, seam - RATE : seam - 10], axis=1)).max()
        assert np.abs(np.diff(sound[:, seam - 3 : seam + 3], axis=1)).max() <= 1.1 * usual
        levels = [
            float(np.sqrt(np.mean(sound[:, n * RATE // 2 : (n + 1) * RATE // 2] ** 2))) for n in range(3, 17)
        ]
        assert max(levels) < 2.2 * min(levels)


def test_a_plucked_string_dies_away_and_a_damped_one_at_once(players: Sampler) -> None:
    tone = players.tone("guitar", 52, 0.6, 4.0)
    rung, damped = tone.play(4.0), tone.play(0.3)
    late = [
        float(np.sqrt(np.mean(rung[:, int(s * RATE) : int((s + 0.2) * RATE)] ** 2))) for s in (0.1, 1.0, 2.5)
    ]
    assert late[0] > 1.5 * late[1] > 2.0 * late[2] > 0.0
    assert damped.shape[1] < RATE


@pytest.mark.parametrize("drum", sorted({*DRUMS, *ASKED_DRUMS.split()}))
def test_a_stroke_is_heard_and_no_two_are_alike(drum: str) -> None:
    takes = [strike(drum, 0.8, take) for take in range(TAKES)]
    assert all(0.1 < np.abs(stroke).max() < 2.0 for stroke in takes)
    assert all(np.abs(stroke[:, 0]).max() < 0.02 and np.abs(stroke[:, -1]).max() < 0.02 for stroke in takes)
    if drum not in {"deep"}:
        assert not np.array_equal(takes[0], takes[1])
    assert np.array_equal(takes[2], strike(drum, 0.8, 2))


def test_unknown_names_are_played_by_something_near() -> None:
    assert voice_named("fiddle") == "violin"
    assert voice_named("theremin of doom") == "piano"
    assert drum_named("woodblock", DRUMS) == "rim"
    assert drum_named("gong", DRUMS) in DRUMS
    assert set(PROGRAMS) <= set(VOICES)
    assert set(ASKED_FOR.split()) <= set(VOICES) and set(ASKED_DRUMS.split()) <= DRUMS


def test_a_sampler_keeps_no_more_than_its_bytes_and_makes_no_tone_twice() -> None:
    players = Sampler(kept_bytes=3_000_000)
    first = players.tone("piano", 60, 0.5, 0.2)
    assert players.tone("piano", 60, 0.55, 0.2) is first
    assert players.tone("piano", 60, 0.5, 3.0) is not first  # it has to ring longer now
    for pitch in range(50, 80):
        players.tone("strings", pitch, 0.5, 2.0)
    assert sum(tone.sound.nbytes for tone in players._kept.values()) <= 3_000_000


def test_modes_are_dying_sines() -> None:
    hz, decay_s = 440.0, 0.3
    sound = ring(np.array([hz]), np.array([decay_s]), np.array([1.0]), 1.0)
    seconds = np.arange(len(sound)) / RATE
    assert np.abs(sound - np.sin(2 * np.pi * hz * seconds) * np.exp(-seconds / decay_s)).max() < 1e-3


def test_a_room_answers_to_a_click_with_a_tail_that_dies() -> None:
    room = Room(1.2)
    click = np.zeros((2, BLOCK), dtype=np.float32)
    click[:, 100] = 1.0
    answer = room.reflect(click)
    assert np.abs(answer[:, :600]).max() < 1e-6
    levels = [
        float(np.sqrt(np.mean(answer[:, int(s * RATE) : int((s + 0.1) * RATE)] ** 2)))
        for s in (0.05, 0.4, 0.9)
    ]
    assert levels[0] > 5 * levels[1] > 25 * levels[2]
    assert abs(float(np.corrcoef(answer[0, RATE // 10 :], answer[1, RATE // 10 :])[0, 1])) < 0.3


def test_a_compressor_holds_back_peaks_and_leaves_a_crescendo() -> None:
    noise = np.random.default_rng(1).standard_normal((2, 3 * BLOCK)).astype(np.float32) * np.float32(0.05)
    noise[:, BLOCK + RATE : BLOCK + RATE + 4800] *= 10
    noise[:, 2 * BLOCK :] *= 3
    follow = Compressor(4.0, 0.5).follow
    gains = [follow(noise[:, at : at + BLOCK]) for at in range(0, 3 * BLOCK, BLOCK)]
    pressed = noise * np.concatenate(gains)

    def gain_db(at: int, end: int) -> float:
        return float(10 * np.log10(np.mean(pressed[:, at:end] ** 2) / np.mean(noise[:, at:end] ** 2)))

    assert abs(gain_db(RATE, BLOCK)) < 0.2
    assert -9 < gain_db(BLOCK + RATE + 1200, BLOCK + RATE + 4800) < -4
    assert abs(gain_db(3 * BLOCK - RATE, 3 * BLOCK)) < 1.0


def _whole(score: Score, duration_s: float) -> np.ndarray:
    return np.concatenate(list(perform(score, duration_s, Desk(0.2, 1.2), Sampler())))


@pytest.mark.parametrize("duration_s", [0.02, 0.4, 4.0, 8.3, 12.0])
def test_a_performance_has_its_length_and_ends_at_zero(duration_s: float) -> None:
    score = Score((Note(0.0, duration_s, 60, 0.5, "strings"),), (Hit(0.0, "kick", 0.5),))
    sound = _whole(score, duration_s)
    assert sound.shape == (round(duration_s * RATE), 2)
    assert np.abs(sound[-1]).max() < 1e-3


def test_what_has_died_away_is_not_faded() -> None:
    notes = tuple(Note(n * 0.5, 0.4, 60 + n, 0.4, "marimba") for n in range(8))
    assert np.array_equal(
        _whole(Score(notes, ()), 9.0)[: 8 * RATE], _whole(Score(notes, ()), 20.0)[: 8 * RATE]
    )


def test_what_rings_on_is_faded_over_more_than_a_second() -> None:
    sound = _whole(Score((Note(0.0, 12.0, 60, 0.4, "organ"),), ()), 10.0)
    levels = [
        float(np.sqrt(np.mean(sound[int(s * RATE) : int((s + 0.1) * RATE)] ** 2)))
        for s in (8.2, 9.1, 9.6, 9.9)
    ]
    assert levels[0] > levels[1] > levels[2] > levels[3]
    assert levels[1] > 0.4 * levels[0]
