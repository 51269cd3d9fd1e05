"""Loudness and true peak of 50 cases: `python -m bench.studio.loudness [short | long]`.

Eight moods of 2 to 30 s and longer ones of up to 10 minutes, with and without an original sound at different
levels; measured by ffmpeg's meter in the file that goes into the film.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.studio.clips import Loudness, draft, loudness, table, tone
from studio.music.moods import MOODS
from studio.render.plan import read_plan
from studio.render.sound import mix

_SHORT_S, _LONG_S = (
    (2.0, 5.0, 10.0, 20.0, 30.0),
    (60.0, 60.0, 60.0, 60.0, 120.0, 120.0, 180.0, 300.0, 600.0, 600.0),
)


@dataclass(frozen=True)
class Case:
    mood: str
    length_s: float
    own_db: float | None  # level of the original sound; None: muted


def cases() -> list[Case]:
    moods = sorted(MOODS)
    short = [
        Case(mood, length_s, None if (m + n) % 2 else -6.0 * ((m + 2 * n) % 6))
        for m, mood in enumerate(moods)
        for n, length_s in enumerate(_SHORT_S)
    ]
    long = [
        Case(moods[n % 8], length_s, None if n % 2 else -6.0 * (n % 5)) for n, length_s in enumerate(_LONG_S)
    ]
    chosen = sys.argv[1] if len(sys.argv) > 1 else "all"
    return {"short": short, "long": long, "all": short + long}[chosen]


def made(case: Case, folder: Path) -> Loudness:
    clip = tone(folder / "clip.wav", case.length_s, case.own_db or 0.0)
    volume = 0.0 if case.own_db is None else 1.0
    music = {"mood": case.mood, "fade_out_ms": 1000, "seed": round(case.length_s)}
    plan = read_plan(draft(case.length_s, music, volume=volume), {"clip": clip})
    return loudness(mix(plan, folder, lambda _: None, lambda: False))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        found = [(case, made(case, Path(name))) for case in cases()]
    rows: list[list[object]] = []
    for length_s in sorted({case.length_s for case, _ in found}):
        of_it = [heard for case, heard in found if case.length_s == length_s]
        lufs, peaks = [h.lufs for h in of_it], [h.peak_dbtp for h in of_it]
        rows.append([f"{length_s:g} s", len(of_it), min(lufs), max(lufs), max(peaks)])
    table(["length", "cases", "least LUFS", "most LUFS", "highest dBTP"], rows)
    fine = [abs(h.lufs + 14.0) <= 1.0 and h.peak_dbtp <= -1.0 for _, h in found]
    print(f"\nin range: {sum(fine)} of {len(fine)}")
    for (case, heard), good in zip(found, fine, strict=True):
        if not good:
            print("outside:", case, heard)


if __name__ == "__main__":
    main()
