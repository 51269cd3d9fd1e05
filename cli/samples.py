"""Three short clips to try the program with: a quiet picture, a cut, and one that seems to speak.

They are made, not carried: ffmpeg draws the pictures, numpy the sounds; the same clips on every machine.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from numpy.typing import NDArray

from cli.errors import ChildFailed, Unusable
from cli.folders import holds_files

RATE_HZ, SIZE, FPS = 48_000, "640x360", 25
Sound = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip to make: lavfi pictures one after the other, each ``part_s`` long, and a sound for it."""

    name: str
    pictures: tuple[str, ...]
    part_s: float
    sound: Callable[[float], Sound] | None = None

    @property
    def length_s(self) -> float:
        """How long the clip is."""
        return self.part_s * len(self.pictures)


def make(folder: Path) -> list[Path]:
    """Put the clips into a folder that holds no files yet; answers those made, none if it held files.

    Raises:
        Unusable: the folder cannot be written to.
        ChildFailed: ffmpeg failed; the message holds its last line.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [] if holds_files(str(folder)) else [_make(clip, folder) for clip in CLIPS]
    except OSError as broken:
        reason = (broken.strerror or "").lower()
        raise Unusable(f"{folder}: the samples cannot be written there ({reason})") from broken


def _make(clip: Clip, folder: Path) -> Path:
    part, whole = folder / f".{clip.name}.part", folder / clip.name
    sound = b"" if clip.sound is None else _pcm(clip.sound(clip.length_s))
    done = subprocess.run(_arguments(clip, part), input=sound, capture_output=True, check=False)
    if done.returncode != 0:
        part.unlink(missing_ok=True)
        words = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"]
        raise ChildFailed(f"ffmpeg could not make {whole}: {words[-1]}")
    return part.replace(whole)


def _arguments(clip: Clip, out: Path) -> list[str]:
    command = [get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y"]
    if clip.sound:
        command += ["-f", "s16le", "-ar", str(RATE_HZ), "-ac", "1", "-i", "pipe:0"]
    for picture in clip.pictures:
        command += ["-f", "lavfi", "-t", str(clip.part_s), "-i", picture]
    first = 1 if clip.sound else 0
    inputs = "".join(f"[{first + n}:v]" for n in range(len(clip.pictures)))
    command += ["-filter_complex", f"{inputs}concat=n={len(clip.pictures)},format=yuv420p[v]", "-map", "[v]"]
    if clip.sound:
        command += ["-map", "0:a", "-c:a", "aac", "-b:a", "96k"]
    exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-threads", "1"]
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-movflags", "+faststart"]
    return [*command, *codec, *exact, "-f", "mp4", str(out)]


def _pcm(sound: Sound) -> bytes:
    level = sound / max(1e-9, float(np.abs(sound).max())) * 0.4
    return (level * 32767).astype("<i2").tobytes()


def wind(length_s: float) -> Sound:
    """Soft noise that swells and fades, as outdoors."""
    count = int(length_s * RATE_HZ)
    noise = np.random.default_rng(7).standard_normal(count)
    spectrum = np.fft.rfft(noise)
    pitches = np.fft.rfftfreq(count, 1 / RATE_HZ)
    low: Sound = np.fft.irfft(spectrum / (1 + (pitches / 400) ** 2), count)
    return low * (0.6 + 0.4 * np.sin(2 * np.pi * np.arange(count) / RATE_HZ / 3.1))


def speech(length_s: float) -> Sound:
    """A voice that says nothing: four gliding vowels a second, and a breath between phrases."""
    rng = np.random.default_rng(11)
    syllables = [_syllable(rng, last=n % 7 == 6) for n in range(int(length_s * 5))]
    voice = np.concatenate(syllables)
    return voice[: int(length_s * RATE_HZ)]


# The first three formants of five vowels, in Hz.
_VOWELS = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))


def _syllable(rng: np.random.Generator, last: bool) -> Sound:
    voiced_s, gap_s = rng.uniform(0.13, 0.22), rng.uniform(0.03, 0.07) + (0.45 if last else 0.0)
    count = int(voiced_s * RATE_HZ)
    along = np.linspace(0.0, 1.0, count)
    pitch = rng.uniform(105, 140) * (1 - (0.22 if last else 0.06) * along)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    begin, end = (np.array(_VOWELS[index]) for index in rng.integers(len(_VOWELS), size=2))
    formants = [a + (b - a) * along for a, b in zip(begin, end, strict=True)]
    voice = np.zeros(count)
    for harmonic in range(1, 30):
        strength = sum(1 / (1 + ((harmonic * pitch - formant) / 90) ** 2) for formant in formants)
        voice += strength / np.sqrt(harmonic) * np.sin(harmonic * phase)
    return np.concatenate([voice * np.sin(np.pi * along) ** 0.6, np.zeros(int(gap_s * RATE_HZ))])


def _gradients(colours: str, seed: int) -> str:
    names = ":".join(f"c{n}={colour}" for n, colour in enumerate(colours.split()))
    return f"gradients=s={SIZE}:r={FPS}:n={len(colours.split())}:{names}:seed={seed}:speed=0.02"


CLIPS = (
    Clip("quiet-sky.mp4", (_gradients("0x1b3a6b 0x5fa8d3 0xf6c28b", 3),), 6.0),
    Clip("talk.mp4", (_gradients("0x3d2c2e 0xc06c50 0xf2e3bc", 5),), 7.0, speech),
    Clip(
        "two-scenes.mp4",
        (_gradients("0x0b3d2e 0x4f9d69 0xd9e76c", 9), f"mandelbrot=s={SIZE}:r={FPS}:maxiter=300"),
        4.0,
        wind,
    ),
)
"""6 s without sound, 7 s with a voice, 8 s with a cut in the middle."""
