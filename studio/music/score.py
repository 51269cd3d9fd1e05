"""What a piece is written as: notes and strokes in seconds, and the scales they are taken from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.music.voices import Stereo


class Piece(Protocol):
    """Music that can be played to any length; the same piece and length always sound the same."""

    def blocks(self, duration_s: float) -> Iterator[Stereo]:
        """Yield float32 blocks, (samples, 2), at 48 kHz: `duration_s` in all, ending softly."""
        ...

    def beats(self, duration_s: float) -> Seconds:
        """Return the times of its beats, in s from its start."""
        ...


SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}


def frequency_hz(pitch: float) -> float:
    """Return the frequency of a MIDI note number."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


BAR = 4  # beats


@dataclass(frozen=True, slots=True)
class Note:
    """A tone: its start and length (s), pitch (MIDI), strength, voice, side (-1 … 1), and its part."""

    start_s: float
    hold_s: float
    pitch: int
    velocity: float
    voice: str
    pan: float = 0.0
    part: str = ""


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


Seconds = NDArray[np.float64]
