"""How exactly people play: from strokes in beats to notes in seconds, swung, laid back and a little loose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from studio.music.moods import Mood
from studio.music.score import Hit, Note, Seconds

_MET_S = 0.05
_SIDES = {
    "hat": 0.3, "open_hat": 0.3, "pedal_hat": 0.3, "shaker": -0.35, "tambourine": -0.3, "ride": -0.25,
    "rim": 0.15, "brush": -0.15, "tom_high": 0.3, "tom_mid": 0.0, "tom_low": -0.3, "conga_high": 0.35,
    "conga_low": 0.2,
}  # fmt: skip


class Stroke(NamedTuple):
    """What is played, in beats: `sound` is a pitch or a drum; `after_s` is added to its time in s."""

    beat: float
    length: float
    sound: Any
    velocity: float
    voice: str = ""
    pan: float = 0.0
    after_s: float = 0.0


def perform_notes(
    strokes: Iterable[Stroke],
    mood: Mood,
    part: str,
    grid: Seconds,
    rng: np.random.Generator,
    *,
    dies_s: float = 0.0,
) -> list[Note]:
    """Return what is played as notes in s: swung, behind or before the beat, as inexact as people are.

    All is let go `dies_s` before the end, or when half of the last tone is over.
    """
    played = list(strokes)
    if not played:
        return []
    starts_s, ends_s = _time(played, mood, part, grid, rng)
    let_go_s = float(grid[-1]) - min(dies_s, 0.5 * float(grid[-1] - starts_s.max()))
    ends_s = np.minimum(ends_s, np.maximum(let_go_s, starts_s + 0.05))
    holds_s = np.maximum(0.05, ends_s - starts_s)
    touch = 1.0 + 0.06 * rng.standard_normal(len(played))
    return [
        Note(start_s, hold_s, stroke.sound, max(0.0, stroke.velocity * force), stroke.voice, stroke.pan, part)
        for stroke, start_s, hold_s, force in zip(
            played, starts_s.tolist(), holds_s.tolist(), touch.tolist(), strict=True
        )
    ]


def perform_hits(strokes: Iterable[Stroke], mood: Mood, grid: Seconds, rng: np.random.Generator) -> list[Hit]:
    """Return the drums' strokes in seconds, as `perform_notes` does."""
    played = list(strokes)
    if not played:
        return []
    starts_s, _ = _time(played, mood, "drums", grid, rng)
    touch = 1.0 + 0.07 * rng.standard_normal(len(played))
    return [
        Hit(start_s, stroke.sound, max(0.0, stroke.velocity * force), _SIDES.get(stroke.sound, 0.0))
        for stroke, start_s, force in zip(played, starts_s.tolist(), touch.tolist(), strict=True)
    ]


def mark_cuts(grid: Seconds, cuts_s: Sequence[float]) -> list[Hit]:
    """Return a soft cymbal for each cut that a beat meets."""
    nearest_s = (float(grid[np.abs(grid - cut_s).argmin()]) for cut_s in cuts_s)
    return [
        Hit(beat_s, "crash", 0.07, 0.2)
        for beat_s, cut_s in zip(nearest_s, cuts_s, strict=True)
        if abs(beat_s - cut_s) < _MET_S
    ]


def _time(
    played: Sequence[Stroke], mood: Mood, part: str, grid: Seconds, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return starts and ends in s. What begins together stays together, but for a hair."""
    beats = np.array([stroke.beat for stroke in played])
    ends = beats + np.array([stroke.length for stroke in played])
    numbers = np.arange(len(grid), dtype=np.float64)
    together, which = np.unique(np.round(beats * 8).astype(np.int64), return_inverse=True)
    loose_s = mood.loose_ms / 1000.0 * (0.6 if part == "drums" else 1.0)
    off_s = np.clip(rng.standard_normal(len(together)), -2.0, 2.0)[which] * loose_s
    off_s += np.clip(rng.standard_normal(len(played)), -2.0, 2.0) * 0.25 * loose_s
    off_s += np.array([stroke.after_s for stroke in played]) + mood.late_s(part)
    starts_s = np.interp(_swing(beats, mood), numbers, grid) + off_s
    return np.maximum(0.0, starts_s), np.interp(_swing(ends, mood), numbers, grid)


def _swing(beats: NDArray[np.float64], mood: Mood) -> NDArray[np.float64]:
    pair = 2.0 * mood.unit
    place = beats % pair
    first = place * 2.0 * mood.swing
    second = pair * mood.swing + (place - mood.unit) * 2.0 * (1.0 - mood.swing)
    return beats - place + np.where(place < mood.unit, first, second)
