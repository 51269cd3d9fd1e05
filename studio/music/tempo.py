"""Beats on the picture's cuts: which tempo meets most of them, and when each beat is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

_BEND = 0.165  # a stretch between two cuts may run that much faster or slower than the tempo
_WINDOW = 8  # how many cuts back an anchor may lie
# Tempi to try, as shares of the style's own: with cuts close together a slow piece may go faster by half.
_TEMPI = (
    1.0, 0.84, 0.87, 0.9, 0.93, 0.95, 0.975, 1.025, 1.05, 1.08, 1.11, 1.15, 1.2, 1.25, 1.3, 1.36, 1.42, 1.5,
)  # fmt: skip
_TEMPO_COST = 16.0
_MEETS_S = 0.045
_BEND_COST = 10.0
_TOO_FAR = 3.0  # allowed, else cuts close together had no grid at all
_TRIES = 5
_MOST_CUTS = 240  # of a long piece, the first ones choose the tempo

# The best way to an anchor: its worth, the anchor before it, the beats between.
_Way = tuple[float, int, int]


def find_tempo(bpm: float, duration_s: float, cuts_s: Sequence[float] = ()) -> int:
    """Return the tempo near `bpm` at which most cuts fall on beats, as it is heard: a whole number."""
    near_s = sorted(cuts_s)[:_MOST_CUTS]
    anchors = _choose_anchors(duration_s, near_s, 30.0 / bpm)
    if len(anchors) <= 2:
        return round(bpm)
    worths = {
        share: _find_path(anchors, bpm * share)[0] - _TEMPO_COST * (share - 1.0) ** 2 for share in _TEMPI
    }
    tempo = round(bpm * max(_TEMPI, key=lambda share: worths[share]))
    told: dict[int, float] = {}
    while tempo not in told and len(told) < _TRIES:
        beats = beat_times(tempo, duration_s, near_s)[:-1]
        gaps_s = sorted(after - before for before, after in pairwise(beats))
        heard = 60.0 / gaps_s[len(gaps_s) // 2] if gaps_s else float(tempo)
        told[tempo] = abs(heard / tempo - 1.0)
        tempo = round(heard)  # a grid at the tempo that was heard bends less
    return min(told, key=lambda tempo: told[tempo])


def beat_times(bpm: float, duration_s: float, cuts_s: Sequence[float] = ()) -> list[float]:
    """Return the times of all beats, in s: the first at 0, the last exactly at `duration_s`.

    Between cuts that are met the tempo bends a little; after the last of them it is `bpm`, but for the last
    beat, which nobody strikes.
    """
    anchors = _choose_anchors(duration_s, cuts_s, 30.0 / bpm)
    times: list[float] = []
    start_s = 0.0
    for anchor, beats in _find_path(anchors, bpm)[1]:
        last = anchor == len(anchors) - 1
        beat_s = 60.0 / bpm if last and beats > 1 else (anchors[anchor] - start_s) / beats
        times += [start_s + n * beat_s for n in range(beats)]
        start_s = anchors[anchor]
    return [*times, duration_s]


def _choose_anchors(duration_s: float, cuts_s: Sequence[float], gap_s: float) -> list[float]:
    anchors = [0.0]
    for cut_s in sorted(cuts_s):
        if cut_s - anchors[-1] >= gap_s and duration_s - cut_s >= gap_s:
            anchors.append(float(cut_s))
    return [*anchors, duration_s]


def _find_path(anchors: Sequence[float], bpm: float) -> tuple[float, list[tuple[int, int]]]:
    """Choose which cuts get a beat; return the worth of it, and (anchor, beats up to it) in order."""
    ways: list[_Way] = [(0.0, 0, 0)]
    for j in range(1, len(anchors)):
        ways.append(max(_step(anchors, ways, i, j, bpm) for i in range(max(0, j - _WINDOW), j)))
    at, path = len(anchors) - 1, []
    while at > 0:
        path.append((at, ways[at][2]))
        at = ways[at][1]
    return ways[-1][0], path[::-1]


def _step(anchors: Sequence[float], ways: Sequence[_Way], i: int, j: int, bpm: float) -> _Way:
    start_s, length_s = anchors[i], anchors[j] - anchors[i]
    beats = max(1, round(length_s * bpm / 60.0))
    if j == len(anchors) - 1:
        beat_s, worth = 60.0 / bpm, ways[i][0]
    else:
        beat_s = length_s / beats
        bend = abs(math.log(beat_s * bpm / 60.0))
        worth = ways[i][0] + 1.0 - _BEND_COST * bend * bend - (_TOO_FAR + bend if bend > _BEND else 0.0)
    for k in range(i + 1, j):
        off = (anchors[k] - start_s) / beat_s
        worth += abs(off - round(off)) * beat_s <= _MEETS_S
    return worth, i, beats
