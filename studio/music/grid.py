"""Where the beats fall: an even tempo, bent a little so that beats meet the cuts and the last frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]

_BEND = 0.18  # a stretch between two cuts may run that much faster or slower than the tempo
_WINDOW = 10  # how many cuts back an anchor may lie
# Tempi to try, as shares of the one asked for: with cuts close together a slow piece may go faster by half.
_TEMPI = (
    1.0, 0.84, 0.87, 0.9, 0.93, 0.95, 0.975, 1.025, 1.05, 1.08, 1.11, 1.15, 1.2, 1.25, 1.3, 1.36, 1.42, 1.5,
)  # fmt: skip
_TEMPO_COST = 16.0
_MEETS_S = 0.045
_BEND_COST = 9.0


@dataclass(frozen=True, slots=True)
class _Way:
    """The best way to reach one anchor: its worth, the anchor before it, and the beats in between."""

    worth: float
    previous: int
    beats: int


def beat_grid(
    bpm: float, duration_s: float, cuts_s: Sequence[float] = (), *, steady: bool = False
) -> Seconds:
    """Return the times of all beats, in s: the first at 0, the last exactly at `duration_s`.

    `steady` keeps to `bpm`, within the bend that cuts and the last frame need; else a tempo near it is taken
    when more cuts are met at it.
    """
    anchors = _anchors(duration_s, cuts_s, 30.0 / bpm)
    tempi = (1.0,) if steady else _TEMPI
    best = max((_path(anchors, bpm * factor, abs(factor - 1.0)) for factor in tempi), key=lambda way: way[0])
    return _beats(anchors, best[1])


def _anchors(duration_s: float, cuts_s: Sequence[float], gap_s: float) -> list[float]:
    anchors = [0.0]
    for cut_s in sorted(cuts_s):
        if cut_s - anchors[-1] >= gap_s and duration_s - cut_s >= gap_s:
            anchors.append(float(cut_s))
    return [*anchors, duration_s]


def _path(anchors: list[float], bpm: float, off_tempo: float) -> tuple[float, list[tuple[int, int]]]:
    """Choose which cuts get a beat; return the worth and, backwards in time, (anchor, beats up to it)."""
    ways = [_Way(-_TEMPO_COST * off_tempo**2, 0, 0)]
    for j in range(1, len(anchors)):
        ways.append(max((_step(anchors, ways, i, j, bpm) for i in _sources(j)), key=lambda w: w.worth))
    at, path = len(anchors) - 1, []
    while at > 0:
        path.append((at, ways[at].beats))
        at = ways[at].previous
    return ways[-1].worth, path[::-1]


def _sources(j: int) -> list[int]:
    return list(range(max(0, j - _WINDOW), j)) or [0]


def _step(anchors: list[float], ways: list[_Way], i: int, j: int, bpm: float) -> _Way:
    length_s = anchors[j] - anchors[i]
    beats = max(1, round(length_s * bpm / 60.0))
    bend = abs(math.log(beats * 60.0 / (length_s * bpm))) if length_s > 0 else 0.0
    passed = [anchors[k] - anchors[i] for k in range(i + 1, j)]
    met = 1 + sum(_meets(at_s, length_s / beats) for at_s in passed)
    too_far = 3.0 + bend if bend > _BEND else 0.0  # allowed, else an odd length had no grid at all
    return _Way(ways[i].worth + met - _BEND_COST * bend * bend - too_far, i, beats)


def _meets(at_s: float, beat_s: float) -> bool:
    return abs(at_s - round(at_s / beat_s) * beat_s) <= _MEETS_S


def _beats(anchors: list[float], path: list[tuple[int, int]]) -> Seconds:
    pieces: list[Seconds] = []
    start_s = anchors[0]
    for anchor, beats in path:
        pieces.append(np.linspace(start_s, anchors[anchor], beats, endpoint=False))
        start_s = anchors[anchor]
    return np.append(np.concatenate(pieces), anchors[-1])
