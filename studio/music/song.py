"""A song of the user's library: its tags, what was measured of it, and whether it suits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av

from studio.music.moods import MOODS
from studio.music.traits import Traits, measure

_TAGS = ("title", "artist", "album", "genre", "mood", "comment")
_UNREADABLE = (av.FFmpegError, ValueError, IndexError, OSError, MemoryError)


@dataclass(frozen=True, slots=True)
class Song:
    """One song: `id` is its path within the library, `words` are its tags and its file's name."""

    id: str
    title: str
    artist: str
    genre: str
    words: str
    traits: Traits

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        return f"{self.title} by {self.artist}" if self.artist else self.title


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the library as it was when it was measured: time (ns) and size; no song when it is none."""

    stamp: tuple[int, int]
    song: Song | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Entry:
        """Read what `as_dict` wrote. Raises TypeError, KeyError or ValueError for values of another shape."""
        time_ns, size = values["stamp"]
        told = values["song"]
        song = Song(**{**told, "traits": Traits(**told["traits"])}) if told else None
        return cls((int(time_ns), int(size)), song)


def read_entry(path: Path, name: str, stamp: tuple[int, int]) -> Entry:
    """Measure a file and read its tags; what cannot be read as music is an entry without a song."""
    try:
        tags, traits = _tags(path), measure(path)
    except _UNREADABLE:
        return Entry(stamp, None)
    words = " · ".join([*(tags[tag] for tag in _TAGS if tags.get(tag)), path.stem.replace("_", " ")])
    return Entry(
        stamp,
        Song(
            name, tags.get("title") or path.stem, tags.get("artist", ""), tags.get("genre", ""), words, traits
        ),
    )


def _tags(path: Path) -> dict[str, str]:
    """Return the file's tags in small letters; Ogg keeps them with the stream."""
    with av.open(str(path)) as container:
        streams = container.streams.audio
        found = {**(streams[0].metadata if streams else {}), **container.metadata}
    return {key.lower(): value.strip() for key, value in found.items() if value.strip()}


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
    octaves = abs(math.log2(traits.bpm / wanted.bpm))
    apart = min(octaves, abs(octaves - 1.0) + 0.2)
    worth -= 1.5 * apart
    worth += 0.3 if traits.minor == (mood.scale in {"minor", "phrygian"}) else 0.0
    worth += 0.5 * min(1.0, traits.duration_s / max(1.0, wanted.length_s))
    return worth + _score_words(song, wanted, mood_of)


def _score_words(song: Song, wanted: Wanted, mood_of: MoodOf) -> float:
    """Return what the tags add: the song asked for by its title, the genre, the mood they speak of."""
    worth = 0.0
    if len(song.title) > 2 and song.title.lower() in wanted.text.lower():
        worth += _NAMED
    if wanted.genre and wanted.genre.lower() in song.words.lower():
        worth += _GENRE
    tagged = mood_of(song.words)
    return worth + (0.0 if tagged is None else _SAME_MOOD if tagged == wanted.mood else _OTHER_MOOD)
