"""Clips for the studio's measurements, made with ffmpeg, and an independent meter."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

RATE = 48_000
Sound = NDArray[np.float32]

# A voice of sorts: a buzz at 140 Hz through formants, in syllables of a quarter second.
_BUZZ = (
    "aevalsrc='(0.5+0.5*sin(2*PI*4*t))*(0.6*sin(2*PI*140*t)+0.5*sin(2*PI*280*t)+0.6*sin(2*PI*420*t)"
    "+0.5*sin(2*PI*700*t)+0.3*sin(2*PI*1260*t)+0.2*sin(2*PI*2380*t))*0.25:s=48000:d={d}'"
)
_WORDS = (
    "We walked along the harbour for an hour, and the wind was strong. Nobody was there but the gulls. "
    "Then the ferry came in, much too late, and everybody laughed."
)
_PICTURES = ("testsrc2", "smptehdbars", "testsrc", "rgbtestsrc", "yuvtestsrc", "pal75bars")


@dataclass(frozen=True)
class Loudness:
    lufs: float
    peak_dbtp: float


def ffmpeg(*arguments: object) -> str:
    """Run ffmpeg and return what it logged."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-nostdin", "-hide_banner", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def loudness(path: Path) -> Loudness:
    """Measure by ffmpeg's own EBU R 128 meter."""
    log = ffmpeg("-nostats", "-i", path, "-map", "0:a:0", "-af", "ebur128=peak=true", "-f", "null", "-")
    summary = log[log.rindex("Summary:") :]
    values = [re.search(what, summary) for what in (r"I:\s+(\S+) LUFS", r"Peak:\s+(\S+) dBFS")]
    lufs, peak = (float(value[1]) if value else float("nan") for value in values)
    return Loudness(lufs, peak)


def sound(path: Path) -> Sound:
    """Decode to (samples, 2) at 48 kHz."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-i", str(path)]
    done = subprocess.run(
        [*command, "-ac", "2", "-ar", "48000", "-f", "f32le", "-"], capture_output=True, check=True
    )
    return np.frombuffer(done.stdout, dtype=np.float32).reshape(-1, 2)


def scenes(out: Path, lengths_s: Sequence[float], size: str = "320x180", codec: str = "libx264") -> Path:
    """Make a clip of one scene after the other, with a tone."""
    inputs: list[object] = []
    for number, length_s in enumerate(lengths_s):
        picture = _PICTURES[number % len(_PICTURES)]
        inputs += ["-f", "lavfi", "-t", f"{length_s:.3f}", "-i", f"{picture}=s={size}:r=25,format=yuv420p"]
    names = "".join(f"[{number}:v]" for number in range(len(lengths_s)))
    inputs += ["-f", "lavfi", "-t", f"{sum(lengths_s):.3f}", "-i", "sine=f=220:r=48000"]
    speed = ["-deadline", "realtime", "-cpu-used", "8"] if codec == "libvpx-vp9" else ["-preset", "veryfast"]
    ffmpeg(
        *inputs, "-filter_complex", f"{names}concat=n={len(lengths_s)}:v=1[v]", "-map", "[v]", "-map",
        f"{len(lengths_s)}:a", "-c:v", codec, *speed, "-shortest", out,
    )  # fmt: skip
    return out


def tone(out: Path, length_s: float, level_db: float) -> Path:
    """Make a sound that is louder and softer by turns."""
    expression = (
        f"(0.4+0.3*sin(2*PI*0.2*t))*(sin(2*PI*196*t)+0.5*sin(2*PI*523*t))*{10 ** (level_db / 20):.5f}"
    )
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc='{expression}':s=48000:d={length_s}", out)
    return out


def speech(out: Path, length_s: float = 24.0) -> Path:
    """Make two stretches of speech with pauses; espeak-ng speaks where it is installed."""
    speaker, words = shutil.which("espeak-ng"), out.with_suffix(".words.wav")
    if speaker:
        subprocess.run([speaker, "-w", str(words), _WORDS], check=True)
        shape = f"volume='between(mod(t,{length_s / 2}),2,9)':eval=frame"
        ffmpeg("-stream_loop", -1, "-i", words, "-t", length_s, "-af", shape, "-ar", RATE, out)
    else:
        shape = f"volume='between(mod(t,{length_s / 2}),2,9)':eval=frame"
        ffmpeg("-f", "lavfi", "-i", _BUZZ.format(d=length_s) + f",{shape}", out)
    return out


def draft(
    length_s: float, music: dict[str, Any] | None, *, volume: float = 1.0, video: bool = False
) -> dict[str, Any]:
    """A draft of one clip, `clip`, with music as the agent writes it; no clip where the volume is 0."""
    length_ms = round(length_s * 1000)
    own = {"media": "clip", "start": 0, "in": 0, "volume": volume, "fit": "keep"}
    tracks = [{"tt": 0 if video else 1, "m": {"kind": "source"}, "sg": [{"d": length_ms, "m": own}]}]
    if music is not None:
        bed = {"start": 0, "volume": 0.35, "seed": 1, **music}
        tracks.append({"tt": 1, "m": {"kind": "bgm"}, "sg": [{"d": length_ms, "m": bed}]})
    return {"t": tracks, "d": length_ms, "m": {}}


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a head, in Markdown."""
    for row in (head, ["---"] * len(head), *rows):
        print(
            "| " + " | ".join(f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row) + " |"
        )
