"""The one interface between the music and whoever lays it under a picture.

A piece is composed (`studio.music.compose`) or a song of the user's own (`studio.music.recording`). Another
engine takes their place by giving the same two answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from studio.music.grid import Seconds
from studio.music.voices import Stereo


class Piece(Protocol):
    """Music that can be played to any length; the same piece and length always sound the same."""

    def blocks(self, duration_s: float) -> Iterator[Stereo]:
        """Yield float32 blocks, (samples, 2), at 48 kHz: `duration_s` in all, ending softly."""
        ...

    def beats(self, duration_s: float) -> Seconds:
        """Return the times of its beats, in s from its start."""
        ...
