"""The user's own songs: measured once, matched in words, trimmed and looped on bar lines."""

from __future__ import annotations

import itertools
import json
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.agent.choosing import find_named_mood
from studio.music import song as song_module
from studio.music.library import Library
from studio.music.recording import Recording
from studio.music.song import Song, Wanted, best_song
from studio.music.traits import Traits, measure
from studio.music.voices import RATE

Writer = Callable[[str, np.ndarray], Path]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    folder = tmp_path_factory.mktemp("songs")

    def to(name: str, samples: np.ndarray) -> Path:
        path = folder / name
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((samples * 32_767).astype("<i2").tobytes())
        return path

    return to


BPM, LENGTH_S = 116.0, 24.0


def _play(sound: np.ndarray, at_s: float, wave: np.ndarray) -> None:
    at = round(at_s * RATE)
    piece = wave[: max(0, len(sound) - at)]
    sound[at : at + len(piece)] += piece


def _tone(pitch: int, length_s: float, dies_s: float, harmonics: int) -> np.ndarray:
    seconds = np.arange(round(length_s * RATE)) / RATE
    hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    waves = sum(np.sin(2 * np.pi * hz * n * seconds) / n for n in range(1, harmonics + 1))
    return np.asarray(waves * np.exp(-seconds / dies_s) * np.minimum(1.0, seconds / 0.002))


@pytest.fixture(scope="module")
def happy(write: Writer) -> Path:
    """A kick on each beat, a bass on each bar line, bright chords in C major and a hat between the beats."""
    beat_s, sound, rng = 60.0 / BPM, np.zeros(round(LENGTH_S * RATE)), np.random.default_rng(1)
    hat = rng.standard_normal(RATE // 20) * np.exp(-np.arange(RATE // 20) / 600)
    for beat in range(int(LENGTH_S / beat_s)):
        bar, place = divmod(beat, 4)
        root = (0, 5, 7, 0)[bar % 4]
        _play(sound, beat * beat_s, 0.5 * _tone(33, 0.2, 0.05, 1))
        _play(sound, (beat + 0.5) * beat_s, 0.5 * hat)
        for step in (0, 4, 7):
            _play(sound, beat * beat_s, 0.25 * _tone(72 + root + step, 0.3, 0.15, 12))
        if place == 0:
            _play(sound, beat * beat_s, 0.8 * _tone(36 + root, 1.0, 0.5, 2))
    return write("Sunny Day.wav", np.repeat(sound[:, None] * 0.3, 2, axis=1))


@pytest.fixture(scope="module")
def dark(write: Writer) -> Path:
    """Low chords in A minor that swell every four seconds."""
    sound = np.zeros(round(LENGTH_S * RATE))
    swell = np.sin(np.pi * np.arange(4 * RATE) / (4 * RATE))
    for number, chord in enumerate(((0, 3, 7), (5, 8, 12), (7, 10, 14), (0, 3, 7), (8, 12, 15), (0, 3, 7))):
        for step in chord:
            _play(sound, 4.0 * number, 0.25 * swell * _tone(45 + step, 4.0, 100.0, 2))
    return write("dark.wav", np.repeat(sound[:, None] * 0.3, 2, axis=1))


def test_tempo_beat_and_bar_of_a_song_are_measured(happy: Path) -> None:
    traits = measure(happy)
    assert traits.bpm == pytest.approx(BPM, rel=0.002)
    off_s = traits.first_bar_s % (240.0 / BPM)
    assert min(off_s, 240.0 / BPM - off_s) < 0.03
    assert traits.duration_s == pytest.approx(LENGTH_S, abs=0.05)


def test_key_energy_and_brightness_tell_songs_apart(happy: Path, dark: Path) -> None:
    bright, soft = measure(happy), measure(dark)
    assert bright.energy > soft.energy + 0.2
    assert bright.brightness > soft.brightness + 0.2
    assert soft.minor and not bright.minor


def _scale(write: Writer, steps: tuple[int, ...], tonic: int) -> str:
    seconds = np.arange(RATE) / RATE
    hz = [440 * 2 ** ((tonic + step - 69) / 12) for step in steps]
    tones = [np.sin(2 * np.pi * tone * seconds) * np.exp(-2 * seconds) for tone in hz]
    path = write("scale.wav", np.repeat(np.concatenate(tones)[:, None] * 0.4, 2, axis=1))
    return measure(path).key


@pytest.mark.parametrize(
    ("steps", "tonic", "key"),
    [((0, 4, 7, 0, 5, 9, 0, 7, 11, 2, 0, 4), 60, "C major"), ((0, 3, 7, 0, 5, 8, 0, 7, 3, 0), 69, "A minor")],
)
def test_the_key_is_heard(write: Writer, steps: tuple[int, ...], tonic: int, key: str) -> None:
    assert _scale(write, steps, tonic) == key


def _ramp(write: Writer, bars: int, bar_s: float) -> Path:
    """A song whose level tells which bar is playing."""
    levels = np.repeat((np.arange(bars) + 1) / (bars + 1), round(bar_s * RATE))
    tone = np.sign(np.sin(np.arange(len(levels)) * 2 * np.pi * 480 / RATE)) * levels
    return write(f"ramp{bars}.wav", np.repeat(tone[:, None], 2, axis=1) * 0.9)


def _bars_heard(piece: np.ndarray, bars: int, bar_s: float) -> list[int]:
    bar = round(bar_s * RATE)
    middles = (piece[at + bar // 4 : at + bar // 2] for at in range(0, len(piece) - bar, bar))
    return [round(float(np.abs(middle).mean()) / 0.9 * (bars + 1)) for middle in middles]


def test_a_long_song_is_trimmed_from_its_first_bar_line(write: Writer) -> None:
    song = Recording(_ramp(write, 12, 2.0), 2.0, 2.0, 24.0)
    piece = np.concatenate(list(song.blocks(9.0)))
    assert piece.shape == (9 * RATE, 2)
    assert piece.dtype == np.float32
    assert _bars_heard(piece, 12, 2.0) == [2, 3, 4, 5]
    assert np.abs(piece[-1]).max() == 0.0
    assert np.abs(piece[round(8.9 * RATE) :]).max() < 0.02, "the last bar fades"


def test_a_short_song_is_looped_on_bar_lines_in_whole_phrases(write: Writer) -> None:
    song = Recording(_ramp(write, 10, 1.0), 1.0, 1.0, 10.0)
    piece = np.concatenate(list(song.blocks(20.0)))
    assert len(piece) == 20 * RATE
    assert _bars_heard(piece, 10, 1.0) == [*range(2, 10), *range(2, 10), 2, 3, 4][:19]
    assert np.diff(song.beats(20.0)) == pytest.approx(0.25)


def test_a_song_shorter_than_told_ends_in_silence(write: Writer) -> None:
    song = Recording(_ramp(write, 2, 1.0), 0.0, 1.0, 60.0)
    piece = np.concatenate(list(song.blocks(5.0)))
    assert len(piece) == 5 * RATE
    assert np.abs(piece[3 * RATE :]).max() == 0.0


def test_each_song_is_measured_once_until_it_changes(
    happy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, memory = tmp_path / "music", tmp_path / "songs.json"
    (folder / "album").mkdir(parents=True)
    song = folder / "album" / "Sunny Day.wav"
    song.write_bytes(happy.read_bytes())
    (folder / "broken.mp3").write_bytes(b"no music")
    (folder / "notes.txt").write_text("no music either")
    (folder / ".hidden.wav").write_bytes(happy.read_bytes())
    heard: list[str] = []
    read = song_module.read_entry
    monkeypatch.setattr(
        song_module, "read_entry", lambda path, *rest: heard.append(path.name) or read(path, *rest)
    )
    for _ in range(2):
        library = Library(folder, memory)
        library.refresh()
        library.refresh()
    assert heard == ["Sunny Day.wav", "broken.mp3"]
    assert [found.id for found in library.songs] == ["album/Sunny Day.wav"]
    assert library.path_of("album/Sunny Day.wav") == song
    song.write_bytes(happy.read_bytes() + bytes(400))
    library.refresh()
    assert heard[2:] == ["Sunny Day.wav"]
    song.unlink()
    library.refresh()
    assert library.songs == ()


def test_an_id_leads_nowhere_but_into_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(b"x")
    folder = tmp_path / "music"
    folder.mkdir()
    library = Library(folder, tmp_path / "songs.json")
    for name in ("../secret.wav", str(tmp_path / "secret.wav"), "", ".", "secret.wav"):
        assert library.path_of(name) is None
    assert Library(None, tmp_path / "songs.json").path_of("a.wav") is None


def test_a_memory_that_cannot_be_read_is_made_anew(happy: Path, tmp_path: Path) -> None:
    memory = tmp_path / "songs.json"
    memory.write_text(json.dumps({"a": {"stamp": "?"}}))
    library = Library(happy.parent, memory)
    library.refresh()
    assert "Sunny Day.wav" in {found.id for found in library.songs}


def _song(name: str, words: str, **traits: object) -> Song:
    usual = Traits(180.0, 84.0, 0.1, "C major", -14.0, 0.6, 0.27)
    return Song(name, name, "", "", words, replace(usual, **traits))


CALM = Wanted("calm", "", 84.0, 60.0, "add calm music")


def test_the_song_that_suits_is_found_by_tags_or_by_sound() -> None:
    lofi, rock = _song("Rain", "lo-fi"), _song("Storm", "hard rock", bpm=150.0, energy=0.95, brightness=0.7)
    for songs in itertools.permutations((lofi, rock)):
        assert best_song(songs, CALM, find_named_mood) is lofi
        assert best_song(songs, replace(CALM, mood="energetic", bpm=128.0), find_named_mood) is rock
    untold = [replace(song, words=song.title) for song in (lofi, rock)]
    assert best_song(untold, CALM, find_named_mood) == untold[0]
    assert best_song(untold, replace(CALM, mood="energetic", bpm=128.0), find_named_mood) == untold[1]


def test_a_song_named_by_its_title_wins_and_one_just_heard_does_not_come_again() -> None:
    songs = [_song("Rain", "lo-fi"), _song("Storm", "hard rock", bpm=150.0)]
    assert best_song(songs, replace(CALM, text="use storm as music"), find_named_mood) is songs[1]
    assert best_song(songs[:1], replace(CALM, heard=("Rain",)), find_named_mood) is None


def test_of_songs_that_suit_alike_each_file_gets_one_of_its_own_and_keeps_it() -> None:
    songs = [_song(f"Rain {n}", "lo-fi") for n in range(4)]
    chosen = [best_song(songs, replace(CALM, seed=seed), find_named_mood) for seed in range(8)]
    assert set(chosen) == set(songs)
    assert chosen == [best_song(songs[::-1], replace(CALM, seed=seed), find_named_mood) for seed in range(8)]


def test_where_no_song_suits_there_is_none() -> None:
    assert best_song([_song("Storm", "hard rock", bpm=150.0, energy=0.95)], CALM, find_named_mood) is None
    assert best_song([], CALM, find_named_mood) is None
