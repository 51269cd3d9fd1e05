"""Loudness and true peak by ITU-R BS.1770-4, measured block by block."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Levels = NDArray[np.float64]

SILENT_LUFS = -70.0
HOPS_PER_S = 500  # one level every 2 ms

_IMPULSE_S = 0.25  # the K filter's answer has faded by then
_OFFSET = -0.691
# BS.1770-4, tables 1 and 2, at 48 kHz: the head's shelf, then the high-pass.
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
_REFERENCE_HZ = 48_000
_GRAIN = 1 << 15  # a multiple of it is quick to transform, and wastes less than the next power of two
_PHASES = 4
_TAPS = 24
_NEAR = 0.5  # of the highest sample: what lies between smaller ones does not reach it


class Meter:
    """Takes stereo blocks in order; keeps the K-weighted energy and the true peak of every 2 ms."""

    def __init__(self, rate: int, *, with_peaks: bool = True) -> None:
        """Take the sample rate (Hz), a multiple of 500; peaks cost as much again and may be left out."""
        self._with_peaks = with_peaks
        self._rate, self._hop = rate, rate // HOPS_PER_S
        self._history = int(_IMPULSE_S * rate)
        self._past = np.zeros((self._history, 2), dtype=np.float32)
        self._rest = np.zeros((0, 2), dtype=np.float32)
        self._energies: list[Levels] = []
        self._peaks: list[Levels] = []

    def take(self, block: Samples) -> None:
        """Measure one more block, (samples, 2)."""
        block = np.concatenate((self._rest, block))
        whole = len(block) - len(block) % self._hop
        self._rest = block[whole:]
        if whole:
            self._measure(block[:whole])

    def levels(self) -> tuple[Levels, Levels]:
        """Return energy (sum of squares over both channels) and true peak of every hop so far."""
        if len(self._rest):
            padding = np.zeros((self._hop - len(self._rest), 2), dtype=np.float32)
            self._measure(np.concatenate((self._rest, padding)))
            self._rest = self._rest[:0]
        if not self._energies:
            return np.zeros(0), np.zeros(0)
        peaks = np.concatenate(self._peaks) if self._peaks else np.zeros(0)
        return np.concatenate(self._energies), peaks

    def lufs(self) -> float:
        """Return the integrated loudness so far, in LUFS; SILENT_LUFS at the least."""
        return integrated_lufs(self.levels()[0], self._hop)

    def _measure(self, block: Samples) -> None:
        joined = np.concatenate((self._past, block))
        size = -(-len(joined) // _GRAIN) * _GRAIN
        spectrum = np.fft.rfft(joined, size, axis=0) * _k_answer(self._rate, self._history, size)
        weighted = np.fft.irfft(spectrum, size, axis=0)[self._history : len(joined)]
        self._energies.append((weighted**2).reshape(-1, self._hop * 2).sum(axis=1, dtype=np.float64))
        if self._with_peaks:
            peaks = true_peaks(joined[self._history - _TAPS :])[: len(block)]
            self._peaks.append(peaks.reshape(-1, self._hop).max(axis=1).astype(np.float64))
        self._past = joined[-self._history :]


def integrated_lufs(energies: Levels, hop: int) -> float:
    """Return the gated loudness (LUFS) of hop energies; a clip under 0.4 s counts as one block."""
    per_step = HOPS_PER_S // 10
    steps = len(energies) // per_step
    if steps < 4:
        return _lufs(float(energies.mean()) / hop) if len(energies) else SILENT_LUFS
    tenths = energies[: steps * per_step].reshape(steps, per_step).sum(axis=1)
    sums = np.convolve(tenths, np.ones(4), mode="valid")
    powers = sums / (4 * per_step * hop)
    heard = powers[powers > _power(SILENT_LUFS)]
    if not len(heard):
        return SILENT_LUFS
    return _lufs(float(heard[heard > 0.1 * heard.mean()].mean()))


def _lufs(power: float) -> float:
    return max(SILENT_LUFS, _OFFSET + 10.0 * math.log10(power)) if power > 0 else SILENT_LUFS


def _power(lufs: float) -> float:
    return float(10.0 ** ((lufs - _OFFSET) / 10.0))


def _k_impulse(rate: int, samples: int) -> Samples:
    size = 1 << samples.bit_length()
    turn = np.exp(-2j * math.pi * np.fft.rfftfreq(size, 1.0 / rate) / _REFERENCE_HZ)
    answer = np.ones(len(turn), dtype=np.complex128)
    for upper, lower in (_SHELF, _HIGH_PASS):
        answer *= np.polyval(upper[::-1], turn) / np.polyval(lower[::-1], turn)
    return np.fft.irfft(answer, size)[:samples].astype(np.float32)


@lru_cache(maxsize=8)
def _k_answer(rate: int, samples: int, size: int) -> NDArray[np.complex64]:
    return np.fft.rfft(_k_impulse(rate, samples), size)[:, None].astype(np.complex64)


def _phase_filters() -> Samples:
    """Return one column of taps for each point between two samples, in the order of the samples."""
    at = np.arange(_TAPS) - _TAPS / 2
    window = np.hanning(_TAPS + 2)[1:-1]
    columns = [np.sinc(at + phase / _PHASES) * window for phase in range(1, _PHASES)]
    return np.stack([taps[::-1] / taps.sum() for taps in columns], axis=1).astype(np.float32)


_FILTERS = _phase_filters()


def true_peaks(samples: Samples) -> Samples:
    """Return the highest level of both channels from each sample to the next, at four times the rate.

    Only what is near the highest sample is looked at between the samples: the rest cannot be the peak.
    """
    peaks: Samples = np.maximum(np.abs(samples[:, 0]), np.abs(samples[:, 1]))
    near = np.flatnonzero(peaks >= _NEAR * peaks.max(initial=0.0))
    before = _TAPS // 2
    for channel in range(samples.shape[1] if peaks.any() else 0):
        padded = np.pad(samples[:, channel], (before, before))
        around = np.lib.stride_tricks.sliding_window_view(padded, _TAPS)[near]
        peaks[near] = np.maximum(peaks[near], np.abs(around @ _FILTERS).max(axis=1))
    return peaks
