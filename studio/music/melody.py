"""Themes: a motif, its answer, its sequence and a cadence; and what returns of them, varied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from studio.music.harmony import Chord, scale_of
from studio.music.score import BAR

PERIOD = 8  # bars of a theme
_STEPS = 16  # of a bar, in a rhythm
_LOWEST, _HIGHEST = -2, 9  # degrees above the tonic in the middle of the lead's range
_SEQUENCES = (1, 2, -1, 0)


@dataclass(frozen=True, slots=True)
class Tone:
    """A tone of a melody: beat in its bar, length in beats, scale degree (0: the tonic), strength."""

    beat: float
    length: float
    degree: int
    strength: float

    @property
    def weighty(self) -> bool:
        """Say whether it is long or stressed, so that it must belong to the chord."""
        return self.length >= 1.0 or self.beat % 2 == 0


Theme = tuple[tuple[Tone, ...], ...]


def write_theme(cell: str, chords: Sequence[Chord], scale: str, rng: Random, *, start: int = 2) -> Theme:
    """Write eight bars over `chords` (one a bar, repeated as needed) on the rhythm `cell` of two bars.

    Motif, answer (its rhythm, another end), sequence (the motif a step or more away), and a cadence.
    """
    first, second = _read_rhythm(cell[:_STEPS]), _read_rhythm(cell[_STEPS:])
    motif = _draw_line(first, start, rng), _draw_line(second, start, rng)
    turned = (
        tuple(replace(tone, degree=2 * motif[1][0].degree - tone.degree) for tone in motif[1])
        if motif[1]
        else ()
    )
    shift = rng.choice(_SEQUENCES)
    sequence = tuple(tuple(replace(tone, degree=tone.degree + shift) for tone in bar) for bar in motif)
    rest = Tone(0.0, 3.0, rng.choice((0, 0, 2, 4)), 0.9)
    bars = (*motif, motif[0], turned, *sequence, motif[0], (rest,))
    return tuple(
        tuple(fit_tone(tone, chords[n % len(chords)], scale) for tone in bar) for n, bar in enumerate(bars)
    )


def vary(bar: Sequence[Tone], rng: Random) -> tuple[Tone, ...]:
    """Return a bar of a theme with passing tones in its longer ones; heads and rhythm stay recognisable."""
    varied: list[Tone] = []
    for n, tone in enumerate(bar):
        following = bar[n + 1].degree if n + 1 < len(bar) else tone.degree
        if tone.length >= 1.0 and rng.random() < 0.45:
            half = tone.length / 2
            passing = tone.degree + (1 if following > tone.degree else -1)
            varied += [replace(tone, length=half), Tone(tone.beat + half, half, passing, 0.6 * tone.strength)]
        else:
            varied.append(tone)
    return tuple(varied)


def answer(bar: Sequence[Tone], beats: int, rng: Random) -> tuple[Tone, ...]:
    """Return a reply to a bar of the lead: up to four tones where it leaves room at the end."""
    end = max((tone.beat + tone.length for tone in bar), default=0.0)
    begin = max(1.0, round(2 * end) / 2 + 0.5)
    count = min(4, int((beats - begin) * 2))
    if count < 2:
        return ()
    degree, way = rng.choice((2, 4, 5)), rng.choice((-1, 1))
    return tuple(Tone(begin + n / 2, 0.45, degree + way * n, 0.6 + 0.06 * n) for n in range(count))


def fit_tone(tone: Tone, chord: Chord, scale: str) -> Tone:
    """Return the tone, moved to the nearest tone of the chord where it is a weighty one and outside of it."""
    if not tone.weighty:
        return tone
    steps = scale_of(chord, scale)
    for move in (0, -1, 1, -2, 2, -3):
        if steps[(tone.degree + move) % len(steps)] % 12 in chord.classes:
            return replace(tone, degree=tone.degree + move)
    return tone


def pitch_of(degree: int, tonic: int, chord: Chord, scale: str) -> int:
    """Return the pitch of a degree above `tonic` in the scale as the chord colours it."""
    steps = scale_of(chord, scale)
    octave, step = divmod(degree, len(steps))
    return tonic + 12 * octave + steps[step]


def _read_rhythm(row: str) -> list[tuple[float, float, float]]:
    """Return (beat, length, strength) of each tone that begins in a row of sixteenths."""
    tones: list[tuple[float, float, float]] = []
    for at, sign in enumerate(row):
        if sign in "Xx":
            held = 1 + len(row[at + 1 :]) - len(row[at + 1 :].lstrip("-"))
            accent = 0.06 if at % (2 * BAR) == 0 else 0.0
            tones.append((at / BAR, held / BAR, (0.95 if sign == "X" else 0.8) + accent))
    return tones


def _draw_line(rhythm: Sequence[tuple[float, float, float]], start: int, rng: Random) -> tuple[Tone, ...]:
    """Put degrees to a rhythm: mostly steps, now and then a leap that is stepped back into."""
    degree = start + rng.choice((0, 0, 2, -2))
    way, leapt = rng.choice((-1, 1)), False
    line: list[Tone] = []
    for beat, length, strength in rhythm:
        line.append(Tone(beat, length, degree, strength))
        leap = not leapt and rng.random() < 0.22
        way = -way if leapt or rng.random() < 0.25 else way
        if not _LOWEST < degree < _HIGHEST:
            way = 1 if degree <= _LOWEST else -1
        degree += way * (rng.choice((2, 3, 4)) if leap else rng.choice((1, 1, 1, 2, 0)))
        leapt = leap
    return tuple(line)
