"""A room for the music to sound in: convolution with a soft, decaying, stereo noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from studio.music.voices import RATE, Stereo

_PREDELAY_S = 0.018
_RISE_S = 0.012
_GRAIN = 1 << 15  # a multiple of it is quick to transform, and wastes less than the next power of two


@lru_cache(maxsize=4)
def _impulse(length_s: float) -> Stereo:
    """Return the room's answer, (samples, 2), of unit energy, falling by 60 dB within `length_s`."""
    rng = np.random.default_rng(7)
    samples, lead = int(length_s * RATE), int(_PREDELAY_S * RATE)
    seconds = np.arange(samples) / RATE
    noise = rng.standard_normal((samples, 2)) * np.exp(-6.9 * seconds / length_s)[:, None]
    noise *= np.minimum(seconds / _RISE_S, 1.0)[:, None]
    hz = np.fft.rfftfreq(samples, 1.0 / RATE)
    tone = 1.0 / (1.0 + (220.0 / np.maximum(hz, 1.0)) ** 2) / (1.0 + (hz / 4500.0) ** 2)
    soft = np.fft.irfft(np.fft.rfft(noise, axis=0) * tone[:, None], samples, axis=0)
    soft /= np.sqrt((soft**2).sum(axis=0))
    return np.concatenate((np.zeros((lead, 2)), soft)).astype(np.float32)


class Room:
    """Adds the room's answer to blocks of one fixed size, carrying the tail from each to the next."""

    def __init__(self, length_s: float, block: int) -> None:
        """Take the time to fall by 60 dB (s) and the block size (samples)."""
        impulse = _impulse(length_s)
        self._block = block
        self._size = -(-(block + len(impulse)) // _GRAIN) * _GRAIN
        self._answer: NDArray[np.complex64] = np.fft.rfft(impulse, self._size, axis=0).astype(np.complex64)
        self._tail = np.zeros((self._size, 2), dtype=np.float32)

    def reflect(self, block: Stereo) -> Stereo:
        """Return the sound that comes back while `block` plays."""
        spectrum = np.fft.rfft(block, self._size, axis=0) * self._answer
        self._tail += np.fft.irfft(spectrum, self._size, axis=0).astype(np.float32)
        now = self._tail[: self._block].copy()
        self._tail[: -self._block] = self._tail[self._block :]
        self._tail[-self._block :] = 0.0
        return now
