"""The last gain: bring a mix to -14 LUFS and hold its true peak under a ceiling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio.analyse.loudness import SILENT_LUFS, Levels, Samples, integrated_lufs

TARGET_LUFS = -14.0

_ROUNDS = 6
_MOST_DB = 45.0
_HALF = 6  # hops of 2 ms on either side that the smoothing takes in
_AHEAD, _HOLD = _HALF + 1, 30  # one more, as the gain is drawn between hops


@dataclass(frozen=True, slots=True)
class Master:
    """A gain for every hop of 2 ms."""

    gains: Levels
    hop: int

    def apply(self, block: Samples, at: int) -> Samples:
        """Return `block`, which begins at sample `at`, with the gain drawn smoothly between the hops."""
        centres = (np.arange(len(block)) + at) / self.hop - 0.5
        gain = np.interp(centres, np.arange(len(self.gains)), self.gains)
        return block * gain.astype(np.float32)[:, None]


def master(energies: Levels, peaks: Levels, *, hop: int, ceiling_db: float) -> Master:
    """Find the gain that brings the levels of a mix to the target, with no true peak above `ceiling_db`."""
    ceiling = 10.0 ** (ceiling_db / 20.0)
    gain_db, total = 0.0, np.ones(len(energies))
    if not len(energies) or integrated_lufs(energies, hop) <= SILENT_LUFS:
        return Master(np.ones(max(1, len(energies))), hop)
    for _ in range(_ROUNDS):
        gain = 10.0 ** (gain_db / 20.0)
        total = gain * _limited(peaks * gain, ceiling)
        missing_db = TARGET_LUFS - integrated_lufs(energies * total**2, hop)
        if abs(missing_db) < 0.05:
            break
        gain_db = min(_MOST_DB, gain_db + missing_db)
    return Master(total, hop)


def _limited(peaks: Levels, ceiling: float) -> Levels:
    """Return gains of at most 1 that keep `peaks` under the ceiling: quick down, slow up, no corners."""
    wanted = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    padded = np.pad(wanted, (_HOLD, _AHEAD), constant_values=1.0)
    lowest = np.lib.stride_tricks.sliding_window_view(padded, _HOLD + _AHEAD + 1).min(axis=1)
    window = np.hanning(2 * _HALF + 3)[1:-1]
    smooth: Levels = np.convolve(np.pad(lowest, _HALF, mode="edge"), window / window.sum(), mode="valid")
    return np.minimum(smooth, 1.0)
