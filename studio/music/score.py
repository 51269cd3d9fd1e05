"""The written music: notes and strokes in seconds, and the form they follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio.music.grid import Seconds
from studio.music.moods import Mood
from studio.music.theory import chord, lead_voices

BAR = 4  # beats


@dataclass(frozen=True, slots=True)
class Note:
    """A tone of a voice: its start and length (s), pitch (MIDI), strength, and side (-1 … 1)."""

    start_s: float
    hold_s: float
    pitch: int
    velocity: float
    voice: str
    pan: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A stroke on a drum."""

    start_s: float
    drum: str
    velocity: float
    pan: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """All notes and strokes of a piece, each in order of time."""

    notes: tuple[Note, ...]
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its first beat, its length in beats, its chord, and how much is going on (0 … 1)."""

    beat: int
    beats: int
    root: int
    pitches: tuple[int, ...]
    intensity: float
    final: bool


def plan_form(mood: Mood, tonic: int, grid: Seconds, rng: np.random.Generator) -> tuple[Bar, ...]:
    """Lay bars over the beats: an intro, a build to a height at two thirds, and a last bar on the tonic."""
    beats = len(grid) - 1
    count = max(1, beats // BAR)
    verse, chorus = rng.permutation(len(mood.progressions))[:2]
    bars: list[Bar] = []
    voicing: tuple[int, ...] = ()
    for number in range(count):
        final = number == count - 1
        chords = mood.progressions[verse if number // 8 % 2 == 0 else chorus]
        degree = 0 if final else chords[number % len(chords)]
        pitches = chord(tonic, mood.scale, degree, seventh=mood.sevenths)
        voicing = lead_voices(voicing or pitches, pitches, tonic + 14)
        length = beats - BAR * number if final else BAR
        root = pitches[0] if pitches[0] < tonic + 7 else pitches[0] - 12
        bars.append(Bar(BAR * number, length, root, voicing, _intensity(number, count), final and count > 1))
    return tuple(bars)


def _intensity(number: int, count: int) -> float:
    if count <= 2:
        return 0.8
    place = number / (count - 1)
    shape = float(
        np.interp(place, (0.0, 0.12, 0.35, 0.5, 0.66, 0.85, 1.0), (0.35, 0.6, 0.75, 0.7, 1.0, 0.95, 0.6))
    )
    return shape if count > 8 else max(shape, 0.6 if number else 0.5)
