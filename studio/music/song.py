"""One song of the user's library: its tags, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av

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
