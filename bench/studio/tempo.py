"""Is the tempo told the one that is heard? 80 pieces with cuts: `python -m bench.studio.tempo FOLDER`.

They are written as WAV, and the name of each says its tempo: `calm-03-87.wav`. Then, by a Python that has
librosa (no dependency of ours), `python bench/studio/tempo.py FOLDER heard` tracks their beats and counts
those within 4 % of what was told; half and double count as heard, and are told apart.
"""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np

_LENGTH_S, _EACH, _RATE = 40.0, 10, 48_000
_PACES = ((1.0, 3.0), (1.2, 6.0), (3.0, 12.0))
_NEAR = 0.04


def write_pieces(folder: Path) -> None:
    from studio.music.compose import MusicSpec, compose  # noqa: PLC0415 - the other half runs without the studio
    from studio.music.moods import MOODS  # noqa: PLC0415
    from studio.music.tempo import find_tempo  # noqa: PLC0415

    rng = np.random.default_rng(3)
    for name, mood in MOODS.items():
        for number in range(_EACH):
            cuts = np.cumsum(rng.uniform(*_PACES[number % len(_PACES)], 40))
            cuts_s = tuple(float(cut) for cut in cuts[cuts < _LENGTH_S - 1])
            bpm = find_tempo(mood.bpm, _LENGTH_S, cuts_s)
            piece = compose(MusicSpec(name, bpm, number, cuts_s), _LENGTH_S)
            with wave.open(str(folder / f"{name}-{number:02d}-{bpm}.wav"), "wb") as file:
                file.setnchannels(2)
                file.setsampwidth(2)
                file.setframerate(_RATE)
                file.writeframes((piece * 32767).astype("<i2").tobytes())


def hear_pieces(folder: Path) -> None:
    import librosa  # noqa: PLC0415 - a measuring tool, in an environment of its own

    exact = octave = total = 0
    for path in sorted(folder.glob("*.wav")):
        told = float(path.stem.rsplit("-", 1)[1])
        sound, rate = librosa.load(path, sr=22_050)
        _, frames = librosa.beat.beat_track(y=sound, sr=rate, trim=False)
        # Frames are 23 ms apart: a median would be rounded by up to 4 %.
        gaps_s = np.sort(np.diff(librosa.frames_to_time(frames, sr=rate)))
        heard = 60.0 / float(gaps_s[len(gaps_s) // 10 : -(len(gaps_s) // 10) or None].mean())
        ratios = [heard * factor / told for factor in (1.0, 0.5, 2.0)]
        exact += abs(ratios[0] - 1) <= _NEAR
        octave += min(abs(ratio - 1) for ratio in ratios) <= _NEAR
        total += 1
        if min(abs(ratio - 1) for ratio in ratios) > _NEAR:
            print(f"{path.stem}: heard {heard:.1f}")
    print(f"within 4 %: {octave} of {total}, {exact} of them at the level told")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(exist_ok=True)
    hear_pieces(place) if sys.argv[2:] == ["heard"] else write_pieces(place)
