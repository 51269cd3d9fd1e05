"""How 60 s of each style sound, beside measured real music: `python -m bench.studio.balance [STYLE …]`.

Without a name all moods and genres are measured, before the master. The level at the end is the piece's own,
without any fade: 34 dB below its loudest four seconds and more, nothing is faded. With `DROPSCORE_SOUNDFONT`
a soundfont plays.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import wave

import imageio_ffmpeg
import numpy as np

from bench.studio.clips import RATE, Sound, table
from studio.music.compose import MusicSpec, compose, write
from studio.music.mixer import BLOCK, perform
from studio.music.moods import GENRES, MOODS

_LENGTH_S, _TAIL_S = 60.0, 4.0
_CUTS_S = (9.7, 21.3, 38.2, 47.0)


def spec_of(style: str) -> MusicSpec:
    """Return a piece of a mood, or of a genre as the happy mood plays it."""
    mood, genre = (style, "") if style in MOODS else ("happy", style)
    return MusicSpec(mood, seed=3, cuts_s=_CUTS_S, genre=genre)


def share_db(piece: Sound, low_hz: float, high_hz: float = 1e6) -> float:
    """Return how much of all power lies between two frequencies, in dB."""
    power = np.abs(np.fft.rfft(piece.mean(axis=1))) ** 2
    hz = np.fft.rfftfreq(len(piece), 1 / RATE)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum() / power.sum()))


def loudness_range(piece: Sound) -> float:
    """Return what ffmpeg's EBU R 128 meter says of it, in LU."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        with wave.open(file.name, "wb") as sound:
            sound.setnchannels(2)
            sound.setsampwidth(2)
            sound.setframerate(RATE)
            sound.writeframes((np.clip(piece, -1, 1) * 32_767).astype("<i2").tobytes())
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", file.name, "-af", "ebur128", "-f", "null", "-"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return float(re.findall(r"LRA:\s+([\d.]+) LU", said)[-1])


def end_db(spec: MusicSpec) -> float:
    """Return how loud the last fifth of a second is, beside the loudest four, when nothing is faded."""
    longer = np.concatenate([*perform(write(spec, _LENGTH_S), _LENGTH_S + _TAIL_S, spec.desk)])
    at = round(_LENGTH_S * RATE)
    loudest = max(float(np.mean(longer[n : n + BLOCK] ** 2)) for n in range(0, at, BLOCK))
    return float(10 * np.log10(np.mean(longer[at - RATE // 5 : at] ** 2) / loudest + 1e-12))


def measure(style: str) -> list[float]:
    """Return the figures of a row."""
    spec = spec_of(style)
    began_s = time.process_time()
    piece = compose(spec, _LENGTH_S)
    cold_s, began_s = time.process_time() - began_s, time.process_time()
    compose(spec, _LENGTH_S)
    warm_s = time.process_time() - began_s
    bands = share_db(piece, 1000), share_db(piece, 1000, 2000), share_db(piece, 0, 60)
    return [*bands, loudness_range(piece), end_db(spec), cold_s, warm_s]


def main() -> None:
    styles = sys.argv[1:] or [*MOODS, *GENRES]
    rows = [measure(style) for style in styles]
    shown: list[list[object]] = [
        [style, *(f"{value:.1f}" for value in row)] for style, row in zip(styles, rows, strict=True)
    ]
    shown.append(["median", *(f"{value:.1f}" for value in np.median(rows, axis=0))])
    head = ["style", "above 1 kHz, dB", "1–2 kHz, dB", "below 60 Hz, dB", "range, LU", "end, dB"]
    table([*head, "CPU s, cold", "CPU s, warm"], shown)


if __name__ == "__main__":
    main()
