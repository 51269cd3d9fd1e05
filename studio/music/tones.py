"""What every instrument answers with: a tone that is begun once and played to any length."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from studio.music.modes import RATE, Sound


@dataclass(frozen=True, slots=True)
class Tone:
    """A sound, of one or two sides by samples, that dies away or is looped between two sample numbers.

    After the end of a note it fades within `release_s`.
    """

    sound: Sound
    release_s: float
    loop: tuple[int, int] | None = None

    def play(self, hold_s: float) -> Sound:
        """Return the tone held for `hold_s` and released, ending at zero; it may be the tone's own array."""
        hold = max(1, int(hold_s * RATE))
        release = max(48, int(self.release_s * RATE))
        sound = self._first(hold + release)
        if sound.shape[1] <= hold:
            return sound
        release = sound.shape[1] - hold
        played = sound.copy() if sound.base is self.sound or sound is self.sound else sound
        # Quick at first, as a damper works, and with no corner at the end.
        fall = np.linspace(0.0, math.pi, release, dtype=np.float32)
        played[:, hold:] *= (0.5 + 0.5 * np.cos(fall)) ** np.float32(1.5)
        return played

    def _first(self, samples: int) -> Sound:
        if self.loop is None or samples <= self.loop[1]:
            return self.sound[:, :samples]
        begin, end = self.loop
        turns = -(-(samples - end) // (end - begin))
        pieces = (self.sound[:, :end], *[self.sound[:, begin:end]] * turns)
        return np.concatenate(pieces, axis=1)[:, :samples]


def one_side(mono: Sound) -> Sound:
    """Return a sound that is the same on both sides."""
    return mono[None, :]
