"""The form of a piece: its sections from the first beat to the last chord, and where its height begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from studio.music.score import BAR, Seconds

_RING_S = 2.6  # the last chord has at least so long to die away
_MET_S = 0.05
_HEIGHT = 0.66  # of the piece
_EARLIEST, _LATEST = 0.4, 0.85
_PHRASE = 8  # bars
_CYCLE = 32  # bars after which a long piece begins again


@dataclass(frozen=True, slots=True)
class Shape:
    """How a section is played: its level (dB, at its start and its end), and what each player does.

    `drums` and `chords` name a row of the patterns ("" rests), `theme` what the lead makes of the theme
    ("" rests), `lift` is its register in octaves; `answers` says whether another voice replies to it.
    """

    level_db: tuple[float, float]
    drums: str
    chords: str
    bass: str
    theme: str
    pad: bool = False
    lift: int = 0
    answers: bool = False
    bridge: bool = False


SHAPES = {
    "intro": Shape((-2.2, -1.8), "", "thin", "", ""),
    "verse": Shape((-1.5, -1.0), "main", "main", "main", "plain"),
    "again": Shape((-1.0, -0.5), "main", "main", "main", "varied", pad=True, answers=True),
    "bridge": Shape((-1.0, -0.5), "main", "main", "main", "second", pad=True, bridge=True),
    "break": Shape((-2.5, -2.0), "", "thin", "thin", "fragment", pad=True),
    "build": Shape((-2.0, -0.5), "roll", "main", "pedal", "", pad=True),
    "height": Shape((0.0, 0.0), "full", "full", "full", "high", pad=True, lift=1, answers=True),
    "outro": Shape((-1.0, -2.5), "light", "thin", "thin", "fragment"),
    "end": Shape((-1.5, -1.5), "", "", "", ""),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its first beat, length in beats, the kind of its section, its place in it, and the cycle."""

    beat: int
    beats: int
    kind: str
    place: int
    of: int
    cycle: int = 0

    @property
    def shape(self) -> Shape:
        """Return how its section is played."""
        return SHAPES[self.kind]

    @property
    def last(self) -> bool:
        """Say whether it is the last one of its section."""
        return self.place == self.of - 1

    @property
    def level(self) -> float:
        """Return how loud it is, as a factor: a section grows or fades from its first bar to its last."""
        start_db, end_db = self.shape.level_db
        db = start_db + (end_db - start_db) * self.place / max(1, self.of - 1)
        return float(10.0 ** (db / 20.0))


def plan_form(grid: Seconds, cuts_s: Sequence[float] = (), *, closes: bool = True) -> tuple[Bar, ...]:
    """Lay sections over the beats: a height on the most important cut, and a last chord that can ring.

    A piece that does not close, because another one follows, builds up to it instead.
    """
    beats = len(grid) - 1
    ring_beats = int(np.sum(grid > grid[-1] - _RING_S))
    room = beats - max(BAR, min(ring_beats, beats)) if closes else beats
    if room < BAR:
        return (Bar(0, beats, "end" if closes else "verse", 0, 1),)
    height = _height_beat(grid, cuts_s) if room >= 8 * BAR else 0
    before, extra = divmod(height, BAR)
    if extra == BAR - 1:
        before, extra = before + 1, -1
    after = (room - height) // BAR
    if not height or before < 3 or after < 2:
        before, extra, after = 0, 0, room // BAR
    sections = list(_sections(before, after))
    if not closes:
        sections = _open_end(sections)
    bars: list[Bar] = []
    beat = cycle = 0
    for n, (kind, length) in enumerate(sections):
        cycle += kind == "verse" and n > 1
        for place in range(length):
            size = BAR + (extra if len(bars) == before - 1 else 0)
            if n == len(sections) - 1 and place == length - 1:
                size = room - beat  # what does not make a bar lengthens the one before the last chord
            bars.append(Bar(beat, size, kind, place, length, cycle))
            beat += size
    return (*bars, Bar(room, beats - room, "end", 0, 1, cycle)) if closes else tuple(bars)


def _open_end(sections: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the sections with a build of up to two bars in place of the last ones."""
    kind, length = sections[-1]
    kind = "height" if kind == "outro" else kind
    build = min(2, length - 1)
    return [*sections[:-1], (kind, length - build), *([("build", build)] if build else [])]


def _height_beat(grid: Seconds, cuts_s: Sequence[float]) -> int:
    """Return the beat of the most important cut: past the middle, where the picture's pace changes most."""
    length_s = float(grid[-1])
    edges = [0.0, *sorted(cuts_s), length_s]
    best, worth = round(_HEIGHT * (len(grid) - 1) / BAR) * BAR, -1.0
    for n in range(1, len(edges) - 1):
        place = edges[n] / length_s
        beat = int(np.abs(grid - edges[n]).argmin())
        if not _EARLIEST <= place <= _LATEST or abs(float(grid[beat]) - edges[n]) > _MET_S:
            continue
        before_s, after_s = edges[n] - edges[n - 1], edges[n + 1] - edges[n]
        change = abs(before_s - after_s) / max(before_s, after_s, 0.1)
        if (here := 1.0 + change - 3.0 * abs(place - _HEIGHT)) > worth:
            best, worth = beat, here
    return best


def _sections(before: int, after: int) -> Iterator[tuple[str, int]]:
    """Yield the sections, with their bars, of a piece with so many bars before its height and from it on."""
    if not before:
        intro = min(2, after // 4)
        if intro:
            yield "intro", intro
        verse = after - intro
        if verse >= 5:
            yield "verse", verse - verse // 2
            yield "height", verse // 2
        elif verse:
            yield "verse", verse
        return
    intro = 4 if before >= 26 else 2 if before >= 7 else 1
    rising = 4 if before >= 26 else 2 if before >= 9 else 1
    yield "intro", intro
    middle = before - intro - rising - (2 if rising > 1 else 0)
    while middle >= _CYCLE:
        yield from (("verse", 8), ("again", 8), ("bridge", 8), ("break", 4))
        middle -= 28
    yield from _middle(middle)
    if rising > 1:
        yield "break", 2
    yield "build", rising
    outro = 4 if after >= 16 else 2 if after >= 7 else 0
    high = after - outro
    while high >= _CYCLE + 4:
        yield from (("height", 8), ("break", 4), ("verse", 8), ("bridge", 8), ("build", 4))
        high -= _CYCLE
    if high > 2 * _PHRASE:
        yield from (("height", _PHRASE), ("again", high - 2 * _PHRASE))
    yield "height", min(high, _PHRASE) if high > 2 * _PHRASE else high
    if outro:
        yield "outro", outro


def _middle(bars: int) -> Iterator[tuple[str, int]]:
    """Yield verse, verse again and bridge, in phrases of four bars as far as they go."""
    if bars <= 5:
        yield "verse", bars
        return
    verse = 8 if bars >= 18 else 4
    yield "verse", verse
    left = bars - verse
    again = 0 if left < 8 and bars < 12 else 8 if left >= 16 else 4
    if again:
        yield "again", again
    left -= again
    yield "bridge", min(left, _PHRASE)
    if left > _PHRASE:
        yield "again", left - _PHRASE
