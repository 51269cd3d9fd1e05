"""How far speech is above the music: `python -m bench.studio.voice [SPOKEN-FILE]`.

In the finished sound the voice is known, so what is not the voice is the music. Each second in which somebody
speaks for at least half of it counts.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from bench.studio.clips import RATE, Sound, draft, sound, speech, table
from studio.music.moods import MOODS
from studio.render.mix import mix
from studio.render.plan import read_plan

_VOLUMES = (0.2, 0.35, 0.6, 1.0)
_SPOKEN_DB = 25.0  # within so much of the voice's loud parts somebody speaks


def above_db(voice: Sound, mixed: Sound) -> list[float]:
    """The level of the voice above the rest, for each second with speech."""
    own, whole = voice.mean(axis=1), mixed.mean(axis=1)
    step = RATE // 50
    levels = np.sqrt((own[: len(own) // step * step].reshape(-1, step) ** 2).mean(axis=1))
    spoken = levels > np.percentile(levels[levels > 0], 95) * 10 ** (-_SPOKEN_DB / 20)
    found = []
    for second in range(min(len(own), len(whole)) // RATE):
        if spoken[second * 50 : second * 50 + 50].mean() < 0.5:
            continue
        v, y = (x[second * RATE : (second + 1) * RATE].astype(np.float64) for x in (own, whole))
        heard = v * (v @ y) / (v @ v)
        found.append(10 * float(np.log10((heard**2).sum() / ((y - heard) ** 2).sum())))
    return found


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = Path(sys.argv[1]) if len(sys.argv) > 1 else speech(folder / "voice.wav")
        voice = sound(clip)
        for volume in _VOLUMES:
            found: list[float] = []
            for mood in sorted(MOODS):
                plan = read_plan(draft(len(voice) / RATE, {"mood": mood, "volume": volume}), {"clip": clip})
                made = mix(plan, folder, lambda _: None, lambda: False)
                found += above_db(voice, sound(made))
            enough = 100.0 * float(np.mean(np.array(found) >= 12.0))
            rows.append([f"{volume:.0%}", len(found), min(found), float(np.median(found)), enough])
    table(["music at", "seconds of speech", "least dB", "median dB", "% of them ≥ 12 dB"], rows)


if __name__ == "__main__":
    main()
