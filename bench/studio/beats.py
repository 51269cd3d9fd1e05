"""How many cuts, more than a second apart, lie within 50 ms of a beat: `python -m bench.studio.beats`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from bench.studio.clips import draft, scenes, table
from studio.music.moods import MOODS
from studio.music.score import Seconds
from studio.music.tempo import beat_times, find_tempo
from studio.render.plan import read_plan

_NEAR_S = 0.05
_PACES = ((1.0, 1.6), (1.0, 3.0), (1.2, 6.0), (3.0, 12.0))
_CLIPS = 12


def met(beats: Seconds, cuts: Seconds) -> int:
    return sum(bool(np.abs(beats - cut).min() <= _NEAR_S) for cut in cuts)


def written(mood: str, shortest_s: float, longest_s: float) -> float:
    rng = np.random.default_rng(5)
    hits = total = 0
    for _ in range(_CLIPS):
        cuts = np.cumsum(rng.uniform(shortest_s, longest_s, 60))
        cuts = cuts[cuts < 59.0]
        bpm = find_tempo(MOODS[mood].bpm, 60.0, tuple(cuts))
        hits += met(np.array(beat_times(bpm, 60.0, tuple(cuts))), cuts)
        total += len(cuts)
    return 100.0 * hits / total


def filmed(folder: Path) -> list[list[object]]:
    """The same through the whole way: clips with known cuts, looked at and planned."""
    rng = np.random.default_rng(7)
    rows: list[list[object]] = []
    for number, mood in enumerate(sorted(MOODS)):
        lengths = np.round(rng.uniform(1.04, 5.0, 8) * 25) / 25  # whole frames
        clip = scenes(folder / f"{number}.mp4", list(lengths))
        plan = read_plan(draft(float(lengths.sum()), {"mood": mood}, video=True), {"clip": clip})
        cuts = np.cumsum(lengths)[:-1]
        found = plan.pictures[0].source.findings.cuts_s
        beats = plan.beds[0].piece.beats(plan.beds[0].length_s)
        rows.append([mood, len(cuts), len(found), met(beats, cuts)])
    return rows


def main() -> None:
    rows = [[mood, *(written(mood, *pace) for pace in _PACES)] for mood in sorted(MOODS)]
    table(["mood (% of cuts on a beat)", *(f"{low:g}–{high:g} s apart" for low, high in _PACES)], rows)
    print()
    with tempfile.TemporaryDirectory() as name:
        rows = filmed(Path(name))
    table(["filmed, 1–5 s apart", "cuts", "found", "within 50 ms of a beat"], rows)
    print(f"\nall: {100 * sum(int(str(r[3])) for r in rows) / sum(int(str(r[1])) for r in rows):.0f} %")


if __name__ == "__main__":
    main()
