"""Reads the timeline's summary line back into tracks (api-contract 4)."""

import re
from dataclasses import dataclass

_HEAD = re.compile(r"^Timeline \(\d+ tracks?\): ")
_TRACK = re.compile(
    r"(?P<label>\w+): (?P<name>.*?) "
    r"\((?P<start>\d+(?:\.\d+)?)-(?P<end>\d+(?:\.\d+)?)s(?:, (?P<level>\d+%))?\)"
    r"(?= \d+\. \w+: |$)"
)
_NUMBER = re.compile(r"^\d+\. ")
MAX_TRACKS = 24


@dataclass(frozen=True, slots=True)
class Track:
    """One track of a summary; times in seconds, ``level`` as written (``35%``) or empty."""

    label: str
    name: str
    start_s: float
    end_s: float
    level: str


def tracks(summary: str) -> tuple[Track, ...]:
    """The tracks of ``Timeline (1 track): 1. BGM: Lo-fi (0-10s, 35%)``; none for any other text."""
    head = _HEAD.match(summary)
    if not head:
        return ()
    found: list[Track] = []
    rest = summary[head.end() :]
    while len(found) < MAX_TRACKS and (number := _NUMBER.match(rest)):
        match = _TRACK.match(rest, number.end())
        if not match:
            break
        found.append(_track(match))
        rest = rest[match.end() :].lstrip()
    return tuple(found)


def _track(match: re.Match[str]) -> Track:
    return Track(
        label=match["label"],
        name=match["name"],
        start_s=float(match["start"]),
        end_s=float(match["end"]),
        level=match["level"] or "",
    )
