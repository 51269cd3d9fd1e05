"""The timeline of a session, as the service keeps it (api-contract 4), and what people are told about it.

Only `t`, `tt`, `sg`, `d` and `m` are promised. Everything else is read if it is there, kept as it is, and
sent back.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from nemo.changes import Frame, compare
from nemo.timeline import Fields, Track, TrackKind, describe, meta, number, segments


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
        return any(segments(track) for track in _tracks(self.raw))

    @cached_property
    def tracks(self) -> tuple[Track, ...]:
        """Return the tracks that hold something, in their order."""
        return tuple(describe(track) for track in _tracks(self.raw) if segments(track))

    @property
    def duration_s(self) -> float:
        """Return the length of the timeline: its own `d`, else the end of the last track."""
        stated = number(self.raw.get("d"))
        return stated / 1000 if stated else max((track.end_s for track in self.tracks), default=0.0)

    @property
    def has_music(self) -> bool:
        """Tell whether a track holds sound that was added, not the source's own."""
        return any(track.kind is TrackKind.AUDIO and not track.source for track in self.tracks)

    def summary(self) -> str:
        """Return the line for people, exactly in the form of api-contract 4."""
        count = len(self.tracks)
        listed = " ".join(f"{place}. {track}" for place, track in enumerate(self.tracks, 1))
        return f"Timeline ({count} track{'' if count == 1 else 's'}): {listed}".rstrip(": ")

    def changes(self, before: "Draft | None") -> tuple[str, ...]:
        """Return what differs from `before`, as `BGM added: Lo-fi, 0-8s, 35%`; empty if they are equal."""
        if before is None:
            return compare((), self.tracks)
        if before.digest == self.digest:
            return ()
        found = compare(before.tracks, self.tracks, before.frame, self.frame)
        return found or ("Timeline changed in its details",)

    @property
    def frame(self) -> Frame:
        """Return the length and the picture's size."""
        width, height = number(meta(self.raw).get("width")), number(meta(self.raw).get("height"))
        return Frame(self.duration_s, f"{width:.0f}x{height:.0f}" if width and height else "")


def changes(before: Draft | None, after: Draft | None) -> tuple[str, ...]:
    """Return what an edit changed, in words, from the drafts before and after it (api-contract 3.4)."""
    return (after or Draft({})).changes(before)


def _tracks(raw: Fields) -> Iterator[Fields]:
    tracks = raw.get("t")
    for track in tracks if isinstance(tracks, list) else ():
        if isinstance(track, dict):
            yield track
