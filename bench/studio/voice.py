"""How far speech is above the music: `python -m bench.studio.voice [SPOKEN-FILE]`.

The voice is known; what else is in the mix is the music (and what AAC adds: "alone" tells how much). The last
gain is left out: it moves both alike, and would be taken for music. Of each second in which somebody speaks
for at least half of it, the moments of speech count.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np

from bench.studio.clips import RATE, Sound, draft, sound, speech, table
from studio.analyse.samples import Levels
from studio.music.moods import MOODS
from studio.render.plan import read_plan
from studio.render.sound import Master, mix

_VOLUMES = (0.2, 0.35, 0.6, 1.0)
_SPOKEN_DB = 25.0  # within so much of the voice's loud parts somebody speaks


def above_db(voice: Sound, mixed: Sound) -> list[float]:
    """The level of the voice above the rest, for each second with speech."""
    own, whole = voice.mean(axis=1), mixed.mean(axis=1)
    step = RATE // 50
    levels = np.sqrt((own[: len(own) // step * step].reshape(-1, step) ** 2).mean(axis=1))
    spoken = levels > np.percentile(levels[levels > 0], 95) * 10 ** (-_SPOKEN_DB / 20)
    length = min(len(own), len(whole))
    gain = float(own[:length] @ whole[:length] / (own[:length] @ own[:length]))
    found = []
    for second in range(length // RATE):
        moments = spoken[second * 50 : second * 50 + 50]
        if moments.mean() < 0.5:
            continue
        said = np.repeat(moments, step)
        v, y = (x[second * RATE :][: len(said)][said].astype(np.float64) for x in (own, whole))
        heard = v * gain
        found.append(10 * float(np.log10((heard**2).sum() / ((y - heard) ** 2).sum())))
    return found


def unmastered(energies: Levels, peaks: Levels, *, hop: int, ceiling_db: float) -> Master:
    return Master(np.ones(len(energies)), hop)


def row(clip: Path, voice: Sound, volume: float | None, folder: Path) -> list[object]:
    found: list[float] = []
    for mood in sorted(MOODS) if volume is not None else ("calm",):
        music = None if volume is None else {"mood": mood, "volume": volume}
        plan = read_plan(draft(len(voice) / RATE, music), {"clip": clip})
        found += above_db(voice, sound(mix(plan, folder, lambda _: None, lambda: False)))
    enough = 100.0 * float(np.mean(np.array(found) >= 12.0))
    name = "alone" if volume is None else f"{volume:.0%}"
    return [name, len(found), min(found), float(np.median(found)), enough]


def main() -> None:
    with tempfile.TemporaryDirectory() as name, patch("studio.render.sound.master", unmastered):
        folder = Path(name)
        clip = Path(sys.argv[1]) if len(sys.argv) > 1 else speech(folder / "voice.wav")
        voice = sound(clip)
        rows = [row(clip, voice, volume, folder) for volume in (None, *_VOLUMES)]
    table(["music at", "seconds of speech", "least dB", "median dB", "% of them ≥ 12 dB"], rows)


if __name__ == "__main__":
    main()
