"""Which song of the library suits: mood, pace, length, and what was asked for by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from studio.music.moods import MOODS
from studio.music.song import Song

MoodOf = Callable[[str], str | None]

# What each mood's own pieces measure: energy and brightness (see `studio.music.traits`).
_SOUND = {
    "calm": (0.6, 0.27), "happy": (0.9, 0.51), "epic": (0.55, 0.42), "sad": (0.4, 0.39),
    "energetic": (0.75, 0.55), "romantic": (0.47, 0.51), "dark": (0.29, 0.05), "dreamy": (0.47, 0.27),
}  # fmt: skip
_NAMED, _GENRE, _SAME_MOOD, _OTHER_MOOD = 20.0, 3.0, 3.0, -2.0
_ALIKE = 0.3  # songs so near the best are as good: a file's seed chooses, so that not all get the same
_ENOUGH = -0.5  # below, composing suits better than the best song there is


@dataclass(frozen=True, slots=True)
class Wanted:
    """What music is looked for: mood and genre, tempo, length (s), words said, seed, songs not to take."""

    mood: str
    genre: str
    bpm: float
    length_s: float
    text: str
    seed: int = 0
    heard: tuple[str, ...] = ()


def best_song(songs: Iterable[Song], wanted: Wanted, mood_of: MoodOf) -> Song | None:
    """Return the song that suits best, or None; `mood_of` tells the mood that tags speak of."""
    worths = {song: _worth(song, wanted, mood_of) for song in songs if song.id not in wanted.heard}
    most = max(worths.values(), default=-math.inf)
    if most < _ENOUGH:
        return None
    as_good = sorted((song for song, worth in worths.items() if worth >= most - _ALIKE), key=lambda s: s.id)
    return as_good[wanted.seed % len(as_good)]


def _worth(song: Song, wanted: Wanted, mood_of: MoodOf) -> float:
    traits, mood = song.traits, MOODS[wanted.mood]
    energy, brightness = _SOUND[wanted.mood]
    worth = -2.0 * abs(traits.energy - energy) - 1.5 * abs(traits.brightness - brightness)
    worth -= 1.5 * _apart(traits.bpm, wanted.bpm)
    worth += 0.3 if traits.minor == (mood.scale in {"minor", "phrygian"}) else 0.0
    worth += 0.5 * min(1.0, traits.duration_s / max(1.0, wanted.length_s))
    return worth + _told(song, wanted, mood_of)


def _told(song: Song, wanted: Wanted, mood_of: MoodOf) -> float:
    """Return what the tags add: the song asked for by its title, the genre, the mood they speak of."""
    worth = 0.0
    if len(song.title) > 2 and song.title.lower() in wanted.text.lower():
        worth += _NAMED
    if wanted.genre and wanted.genre.lower() in song.words.lower():
        worth += _GENRE
    tagged = mood_of(song.words)
    return worth + (0.0 if tagged is None else _SAME_MOOD if tagged == wanted.mood else _OTHER_MOOD)


def _apart(bpm: float, wanted: float) -> float:
    """Return how far apart two tempi are, in octaves; half and double feel alike."""
    octaves = abs(math.log2(bpm / wanted))
    return min(octaves, abs(octaves - 1.0) + 0.2)
