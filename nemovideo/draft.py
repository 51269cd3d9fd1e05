"""The timeline of a session, as the service keeps it (api-contract 4), and what people are told about it.

Only `t`, `tt`, `sg`, `d` and `m` are promised. Everything else is read if it is there, kept as it is, and
sent back.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from hashlib import sha256
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

    @classmethod
    def read(cls, track: Fields) -> "Track":
        """Read a track with at least one segment."""
        parts = _segments(track)
        number = _number(track.get("tt"))
        kind = next((kind for kind in TrackKind if kind.value == number), TrackKind.OTHER)
        start_s, end_s = _span_s(parts)
        places = [_meta(parts[0]), parts[0], _meta(track), track]
        title = _words([_meta(track), track, *places], ("title", "name", "text"))
        text = (_words(places, ("text", "content")) or title) if kind is TrackKind.TEXT else ""
        source = kind is TrackKind.AUDIO and _words(places, ("kind",)).lower() in _SOURCE_KINDS
        volume = _first_number(places, ("volume", "vol", "v"))
        if volume is not None:  # 35 is a percentage; up to 2 it is a factor (2 is twice as loud)
            volume = None if volume < 0 else volume / 100 if volume > 2 else volume
        return cls(kind, title or kind.label, start_s, end_s, volume, text, source)

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
        return f"{_seconds(self.start_s)}-{_seconds(self.end_s)}s"

    @property
    def percent(self) -> str | None:
        """Return the volume as `35%`, or None."""
        return None if self.volume is None else f"{round(self.volume * 100)}%"

    def __str__(self) -> str:
        """Return the track as it stands in the summary, as `BGM: Lo-fi (0-10s, 35%)`."""
        level = f", {self.percent}" if self.percent and self.kind is TrackKind.AUDIO else ""
        return f"{self.label}: {self.name} ({self.span}{level})"


@dataclass(frozen=True)
class Draft:
    """A draft that nobody changes. `raw` is what the service sent, and what goes back to it."""

    raw: Mapping[str, Any]

    @classmethod
    def parse(cls, value: object) -> "Draft | None":
        """Return the draft in `value` (an object, or the JSON text of one), or None if there is none."""
        if isinstance(value, Draft):
            return value
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return None
        return cls(value) if isinstance(value, dict) and value else None

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the canonical JSON: equal drafts, equal digests."""
        text = json.dumps(self.raw, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return sha256(text.encode()).hexdigest()

    @property
    def ready(self) -> bool:
        """Tell whether it can be exported: one track at least has a segment (api-contract 4)."""
        return any(_segments(track) for track in _tracks(self.raw))

    @cached_property
    def tracks(self) -> tuple[Track, ...]:
        """Return the tracks that hold something, in their order."""
        return tuple(Track.read(track) for track in _tracks(self.raw) if _segments(track))

    @property
    def duration_s(self) -> float:
        """Return the length of the timeline: its own `d`, else the end of the last track."""
        stated = _number(self.raw.get("d"))
        return stated / 1000 if stated else max((track.end_s for track in self.tracks), default=0.0)

    @property
    def has_music(self) -> bool:
        """Tell whether a track holds sound that was added, not the source's own."""
        return any(track.kind is TrackKind.AUDIO and not track.source for track in self.tracks)

    @property
    def canvas(self) -> str:
        """Return the picture's size as `1080x1920`, empty if it is not stated."""
        width, height = _number(_meta(self.raw).get("width")), _number(_meta(self.raw).get("height"))
        return f"{width:.0f}x{height:.0f}" if width and height else ""

    def summary(self) -> str:
        """Return the line for people, exactly in the form of api-contract 4."""
        count = len(self.tracks)
        listed = " ".join(f"{place}. {track}" for place, track in enumerate(self.tracks, 1))
        return f"Timeline ({count} track{'' if count == 1 else 's'}): {listed}".rstrip(": ")

    def changes(self, before: "Draft | None") -> tuple[str, ...]:
        """Return what differs from `before`, as `BGM added: Lo-fi, 0-8s, 35%`; empty if they are equal.

        One line for each track that came, went or changed, then for the length and the picture.
        """
        if before is None:
            return tuple(_compare_tracks((), self.tracks))
        if before.digest == self.digest:
            return ()
        found = list(_compare_tracks(before.tracks, self.tracks))
        if (old := _seconds(before.duration_s)) != (new := _seconds(self.duration_s)):
            found.append(f"Length changed: {old}s → {new}s")
        if before.canvas and self.canvas and before.canvas != self.canvas:
            found.append(f"Picture changed: {before.canvas} → {self.canvas}")
        return tuple(found) or ("Timeline changed in its details",)


def changes(before: Draft | None, after: Draft | None) -> tuple[str, ...]:
    """Return what an edit changed, in words, from the drafts before and after it (api-contract 3.4)."""
    return (after or Draft({})).changes(before)


def _compare_tracks(before: tuple[Track, ...], after: tuple[Track, ...]) -> Iterator[str]:
    """Match tracks by name first, then by kind, so that a second song is not taken for the first one."""
    gone, unmatched = list(before), []
    for track in after:
        if (same := _find_match(track, gone, by_name=True)) is None:
            unmatched.append(track)
        else:
            gone.remove(same)
            yield from _describe_difference(same, track)
    for track in unmatched:
        if (same := _find_match(track, gone, by_name=False)) is None:
            yield _describe(track, "added")
        else:
            gone.remove(same)
            yield from _describe_difference(same, track)
    yield from (_describe(track, "removed") for track in gone)


def _find_match(track: Track, others: list[Track], *, by_name: bool) -> Track | None:
    alike = (other for other in others if other.label == track.label)
    return next((other for other in alike if not by_name or other.name == track.name), None)


def _describe(track: Track, verb: str) -> str:
    level = (track.percent,) if track.percent and track.kind is TrackKind.AUDIO else ()
    return f"{track.label} {verb}: {', '.join((track.name, track.span, *level))}"


def _describe_difference(before: Track, after: Track) -> Iterator[str]:
    steps = (
        ("", before.name, after.name),
        ("time ", before.span, after.span),
        ("volume ", before.percent or "default", after.percent or "default"),
    )
    if parts := [f"{word}{old} → {new}" for word, old, new in steps if old != new]:
        yield f"{after.label} changed: {', '.join(parts)}"


def _seconds(value: float) -> str:
    """Return seconds for people: one decimal at most, and none if it is zero."""
    return f"{value:.1f}".removesuffix(".0")


def _number(value: object) -> float | None:
    """Return a JSON number as a finite float, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < float("inf") else None


def _tracks(raw: Fields) -> Iterator[Fields]:
    tracks = raw.get("t")
    for track in tracks if isinstance(tracks, list) else ():
        if isinstance(track, dict):
            yield track


def _segments(track: Fields) -> list[Fields]:
    """Return the segments (`sg`) of a track as the service sends it."""
    listed = track.get("sg")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _meta(item: Fields) -> Fields:
    """Return the metadata (`m`) of a track, a segment or a draft."""
    found = item.get("m")
    return found if isinstance(found, dict) else {}


def _span_s(parts: Sequence[Fields]) -> tuple[float, float]:
    """Return the first start and the last end; a segment without a start follows the one before it."""
    starts_ms, ends_ms, cursor_ms = [], [], 0.0
    for part in parts:
        stated = _first_number([_meta(part), part], ("start", "start_ms", "s"))
        start_ms = cursor_ms if stated is None else stated
        cursor_ms = start_ms + (_number(part.get("d")) or 0.0)
        starts_ms.append(start_ms)
        ends_ms.append(cursor_ms)
    return min(starts_ms) / 1000, max(ends_ms) / 1000


def _first_number(places: Sequence[Fields], keys: Sequence[str]) -> float | None:
    found = (_number(place.get(key)) for place in places for key in keys)
    return next((value for value in found if value is not None), None)


def _words(places: Sequence[Fields], keys: Sequence[str]) -> str:
    found = (place.get(key) for place in places for key in keys)
    return next((" ".join(word.split()) for word in found if isinstance(word, str) and word.strip()), "")
