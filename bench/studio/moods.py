"""Do the moods differ? Ten pieces of each, by plain features: `python -m bench.studio.moods`.

Each piece has a tempo of its own (± 8 %) and cuts of its own. A piece is given to the mood whose other pieces
are nearest on average (leave one out, nearest centroid, features in standard deviations).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.studio.clips import RATE, Sound, table
from studio.music.compose import MusicSpec, compose
from studio.music.moods import MOODS

_PIECES, _LENGTH_S = 10, 20.0
_FRAME = 2048
Features = NDArray[np.float64]


def features(piece: Sound) -> Features:
    """Spectral centre, spread, roll-off, flatness and bass share, onsets, dynamics, stereo width, pulse."""
    mono = piece.mean(axis=1)
    frames = mono[: len(mono) // _FRAME * _FRAME].reshape(-1, _FRAME)
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME), axis=1)) ** 2 + 1e-12
    hz = np.fft.rfftfreq(_FRAME, 1 / RATE)
    share = power / power.sum(axis=1, keepdims=True)
    centre = share @ hz
    spread = np.sqrt(share @ hz**2 - centre**2)
    roll_off = hz[(share.cumsum(axis=1) < 0.85).sum(axis=1).clip(max=len(hz) - 1)]
    flat = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    bass = share[:, hz < 150].sum(axis=1)
    rise = np.maximum(np.diff(np.log(power[:, ::8]), axis=0), 0).mean(axis=1)
    level = 10 * np.log10((frames**2).mean(axis=1) + 1e-9)
    even = np.correlate(rise - rise.mean(), rise - rise.mean(), "full")[len(rise) :]
    lags = slice(int(0.3 * RATE / _FRAME), int(1.1 * RATE / _FRAME))
    width = np.std(piece[:, 0] - piece[:, 1]) / (np.std(mono) + 1e-9)
    log = np.log(np.maximum(np.stack([centre, spread, roll_off, flat]), 1e-9))
    return np.array([
        *log.mean(axis=1), *log.std(axis=1), bass.mean(), bass.std(), rise.mean(), rise.std(), level.std(),
        float(np.percentile(level, 95) - np.percentile(level, 20)), width, float(np.argmax(even[lags])),
        float(even[lags].max() / (rise.var() * len(rise))),
    ])  # fmt: skip


def pieces() -> tuple[Features, NDArray[np.int64]]:
    rng = np.random.default_rng(11)
    rows, labels = [], []
    for label, mood in enumerate(MOODS.values()):
        for _ in range(_PIECES):
            cuts = np.cumsum(rng.uniform(1.5, 6.0, 12))
            bpm = mood.bpm * rng.uniform(0.92, 1.08)
            spec = MusicSpec(mood.name, bpm, int(rng.integers(2**31)), tuple(cuts[cuts < _LENGTH_S - 1]))
            rows.append(features(compose(spec, _LENGTH_S)))
            labels.append(label)
    return np.array(rows), np.array(labels)


def guesses(rows: Features, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    even = (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-9)
    found = []
    for number, row in enumerate(even):
        others = np.arange(len(even)) != number
        centres = [even[others & (labels == label)].mean(axis=0) for label in range(len(MOODS))]
        found.append(int(np.argmin([np.linalg.norm(row - centre) for centre in centres])))
    return np.array(found)


def main() -> None:
    rows, labels = pieces()
    found = guesses(rows, labels)
    names = list(MOODS)
    told = [[name, *np.bincount(found[labels == n], minlength=8).tolist()] for n, name in enumerate(names)]
    table(["mood \\ taken for", *names], told)
    print(f"\ntold apart: {100 * (found == labels).mean():.0f} % of {len(labels)} pieces")


if __name__ == "__main__":
    main()
