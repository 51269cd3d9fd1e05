"""One track of a draft, read liberally and told in words (api-contract 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

Fields = Mapping[str, Any]

_SOURCE_KINDS = frozenset({"source", "original", "voice", "video_audio"})


class TrackKind(Enum):
    """The types of track the contract names, and all others."""

    VIDEO = 0
    AUDIO = 1
    TEXT = 7
    OTHER = -1

    @property
    def label(self) -> str:
        """Return the word the summary uses."""
        return {TrackKind.VIDEO: "Video", TrackKind.AUDIO: "BGM", TrackKind.TEXT: "Title"}.get(self, "Track")


@dataclass(frozen=True, slots=True)
class Track:
    """One track in words: times in seconds on the timeline, `volume` 0 to 1, or None if it is not stated."""

    kind: TrackKind
    title: str
    start_s: float
    end_s: float
    volume: float | None = None
    text: str = ""
    source: bool = False

    @property
    def label(self) -> str:
        """Return `Video`, `BGM`, `Title`, or `Audio` for the source's own sound."""
        return "Audio" if self.source else self.kind.label

    @property
    def name(self) -> str:
        """Return the title, in quotation marks if it is the text people see."""
        return f'"{self.text}"' if self.kind is TrackKind.TEXT and self.text else self.title

    @property
    def span(self) -> str:
        """Return the time it covers, as `0-10s`."""
        return f"{seconds(self.start_s)}-{seconds(self.end_s)}s"

    @property
    def percent(self) -> str | None:
        """Return the volume as `35%`, or None."""
        return None if self.volume is None else f"{round(self.volume * 100)}%"

    def __str__(self) -> str:
        """Return the track as it stands in the summary, as `BGM: Lo-fi (0-10s, 35%)`."""
        level = f", {self.percent}" if self.percent and self.kind is TrackKind.AUDIO else ""
        return f"{self.label}: {self.name} ({self.span}{level})"


def seconds(value: float) -> str:
    """Return seconds for people: one decimal at most, and none if it is zero."""
    return f"{value:.1f}".removesuffix(".0")


def number(value: object) -> float | None:
    """Return a JSON number as float, else None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def segments(track: Fields) -> list[Fields]:
    """Return the segments (`sg`) of a track as the service sends it."""
    listed = track.get("sg")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def meta(item: Fields) -> Fields:
    """Return the metadata (`m`) of a track, a segment or a draft."""
    found = item.get("m")
    return found if isinstance(found, dict) else {}


def describe(track: Fields) -> Track:
    """Return a track with at least one segment in words."""
    parts = segments(track)
    kind = _kind(track.get("tt"))
    start_s, end_s = _span_s(parts)
    places = [meta(parts[0]), parts[0], meta(track), track]
    title = _words([meta(track), track, *places], ("title", "name", "text"))
    text = (_words(places, ("text", "content")) or title) if kind is TrackKind.TEXT else ""
    source = kind is TrackKind.AUDIO and _words(places, ("kind",)).lower() in _SOURCE_KINDS
    return Track(kind, title or kind.label, start_s, end_s, _volume(places), text, source)


def _kind(value: object) -> TrackKind:
    wanted = number(value)
    return next((kind for kind in TrackKind if kind.value == wanted), TrackKind.OTHER)


def _span_s(parts: Sequence[Fields]) -> tuple[float, float]:
    """Return the first start and the last end; a segment that states no start follows the one before it."""
    starts_ms, ends_ms, cursor_ms = [], [], 0.0
    for part in parts:
        stated = _first_number([meta(part), part], ("start", "start_ms", "s"))
        start_ms = cursor_ms if stated is None else stated
        cursor_ms = start_ms + (number(part.get("d")) or 0.0)
        starts_ms.append(start_ms)
        ends_ms.append(cursor_ms)
    return min(starts_ms, default=0.0) / 1000, max(ends_ms, default=0.0) / 1000


def _volume(places: Sequence[Fields]) -> float | None:
    """Return the volume as 0 to 1. 35 is a percentage; up to 2 it is a factor (2 is twice as loud)."""
    value = _first_number(places, ("volume", "vol", "v"))
    if value is None or value < 0:
        return None
    return value / 100 if value > 2 else value


def _first_number(places: Sequence[Fields], keys: Sequence[str]) -> float | None:
    found = (number(place.get(key)) for place in places for key in keys)
    return next((value for value in found if value is not None), None)


def _words(places: Sequence[Fields], keys: Sequence[str]) -> str:
    found = (place.get(key) for place in places for key in keys)
    return next((" ".join(word.split()) for word in found if isinstance(word, str) and word.strip()), "")
