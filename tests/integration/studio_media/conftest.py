"""Media of every kind, made once with ffmpeg; renders of them, and an independent meter."""

import hashlib
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

PICTURE = "testsrc2=s={size}:r={fps}:d={d}"
TONE = "sine=f=330:r=44100:d={d}"
# A voice of sorts: a buzz at 140 Hz through two formants, in syllables of a quarter second.
VOICE = (
    "aevalsrc='(0.5+0.5*sin(2*PI*4*t))*(0.6*sin(2*PI*140*t)+0.5*sin(2*PI*280*t)+0.6*sin(2*PI*420*t)"
    "+0.5*sin(2*PI*700*t)+0.3*sin(2*PI*1260*t)+0.2*sin(2*PI*2380*t))*0.25:s=48000:d={d}'"
)


@dataclass(frozen=True)
class Loudness:
    lufs: float
    peak_dbtp: float


class Ffmpeg:
    def __init__(self) -> None:
        self.exe = imageio_ffmpeg.get_ffmpeg_exe()

    def run(self, *arguments: object) -> str:
        command = [self.exe, "-y", "-nostdin", "-hide_banner", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stderr

    def film(
        self, out: Path, *options: object, size: str = "320x180", fps: float = 25, d: float = 2.0
    ) -> Path:
        picture = PICTURE.format(size=size, fps=fps, d=d)
        return self._film(out, picture, TONE.format(d=d), *options)

    def spoken(self, out: Path, d: float = 12.0) -> Path:
        voice = VOICE.format(d=d) + ",volume='between(t,4,8)':eval=frame"
        return self._film(
            out, PICTURE.format(size="320x180", fps=25, d=d), voice, "-c:v", "libx264", "-c:a", "aac"
        )

    def _film(self, out: Path, picture: str, sound: str, *options: object) -> Path:
        inputs = ["-f", "lavfi", "-i", picture]
        if "-an" not in options:
            inputs += ["-f", "lavfi", "-i", sound]
        pixels = [] if "-pix_fmt" in options or out.suffix == ".gif" else ["-pix_fmt", "yuv420p"]
        self.run(*inputs, *pixels, *options, out)
        return out

    def loudness(self, path: Path) -> Loudness:
        log = self.run("-nostats", "-i", path, "-map", "0:a:0", "-af", "ebur128=peak=true", "-f", "null", "-")
        summary = log[log.rindex("Summary:") :]
        lufs = re.search(r"I:\s+(\S+) LUFS", summary)
        peak = re.search(r"Peak:\s+(\S+) dBFS", summary)
        assert lufs and peak
        return Loudness(float(lufs[1]), float(peak[1]))

    def sound(self, path: Path) -> np.ndarray:
        command = [self.exe, "-nostdin", "-loglevel", "error", "-i", str(path), "-ac", "2", "-ar", "48000"]
        done = subprocess.run([*command, "-f", "f32le", "-"], capture_output=True, check=True)
        return np.frombuffer(done.stdout, dtype=np.float32).reshape(-1, 2)

    def picture_packets(self, path: Path) -> str:
        """The hash of the coded picture, without the container's own framing."""
        command = [self.exe, "-nostdin", "-loglevel", "error", "-i", str(path), "-map", "0:V:0", "-c", "copy"]
        done = subprocess.run(
            [*command, "-bsf:v", "h264_mp4toannexb", "-f", "h264", "-"], capture_output=True, check=True
        )
        return hashlib.sha256(done.stdout).hexdigest()


@pytest.fixture(scope="session")
def ffmpeg() -> Ffmpeg:
    return Ffmpeg()


Maker = Callable[[Ffmpeg, Path], Path]


def _turned(ffmpeg: Ffmpeg, folder: Path) -> Path:
    flat = ffmpeg.film(folder / "flat.mp4", "-c:v", "libx264", "-c:a", "aac")
    out = folder / "turned.mp4"
    ffmpeg.run("-display_rotation", 90, "-i", flat, "-c", "copy", out)
    return out


def _song_with_cover(ffmpeg: Ffmpeg, folder: Path) -> Path:
    cover, out = folder / "cover.png", folder / "cover.mp3"
    ffmpeg.run("-f", "lavfi", "-i", "color=red:s=200x200:d=0.04", "-frames:v", 1, cover)
    ffmpeg.run(
        "-f", "lavfi", "-i", "sine=f=330:d=2", "-i", cover, "-map", 0, "-map", 1, "-c:v", "copy",
        "-disposition:v", "attached_pic", "-id3v2_version", 3, out,
    )  # fmt: skip
    return out


def _odd(ffmpeg: Ffmpeg, folder: Path) -> Path:
    even, out = (
        ffmpeg.film(folder / "even.avi", "-c:v", "ffv1", "-c:a", "pcm_s16le", d=1.0),
        folder / "odd.avi",
    )
    ffmpeg.run("-i", even, "-vf", "scale=321:181,format=yuv444p", "-c:v", "ffv1", "-c:a", "copy", out)
    return out


def _still(name: str, size: str = "300x201") -> Maker:
    def make(ffmpeg: Ffmpeg, folder: Path) -> Path:
        out = folder / name
        ffmpeg.run(
            "-f",
            "lavfi",
            "-i",
            f"testsrc2=s=320x240:d=0.04:r=25,scale={size.replace('x', ':')}",
            "-frames:v",
            1,
            out,
        )
        return out

    return make


def _film(name: str, *options: object, size: str = "320x180", fps: float = 25, d: float = 2.0) -> Maker:
    return lambda ffmpeg, folder: ffmpeg.film(folder / name, *options, size=size, fps=fps, d=d)


H264 = ("-c:v", "libx264", "-preset", "ultrafast")
KINDS: dict[str, Maker] = {
    "mp4": _film("a.mp4", "-c:v", "libx264", "-bf", 2, "-c:a", "aac"),
    "mov": _film("a.mov", *H264, "-c:a", "pcm_s16le"),
    "avi": _film("a.avi", "-c:v", "mpeg4", "-c:a", "libmp3lame"),
    "webm-vp8": _film("a8.webm", "-c:v", "libvpx", "-c:a", "libvorbis", "-deadline", "realtime"),
    "webm-vp9": _film("a9.webm", "-c:v", "libvpx-vp9", "-c:a", "libopus", "-deadline", "realtime"),
    "mkv-silent": _film("a.mkv", *H264, "-an"),
    "turned": _turned,
    "4k": _film("4k.mp4", *H264, "-c:a", "aac", size="3840x2160", d=0.6),
    "odd": _odd,
    "ten-bit": _film("ten.mkv", *H264, "-pix_fmt", "yuv420p10le", "-c:a", "flac"),
    "fast": _film("fast.mp4", *H264, "-c:a", "aac", fps=120, d=1.0),
    "half-second": _film("half.mp4", *H264, "-c:a", "aac", d=0.52),
    "one-frame": _film("one.mp4", *H264, "-an", d=0.04),
    "cover": _song_with_cover,
    "wav": lambda f, d: _sound(f, d / "a.wav"),
    "m4a": lambda f, d: _sound(f, d / "a.m4a"),
    "png": _still("a.png"),
    "jpg": _still("a.jpg"),
    "webp": _still("a.webp"),
    "tiny": _still("tiny.png", "16x9"),
    "gif": _film("a.gif", "-an", fps=10, d=1.0),
    "still-gif": _film("one.gif", "-an", fps=10, d=0.1),
}


def _sound(ffmpeg: Ffmpeg, out: Path) -> Path:
    ffmpeg.run("-f", "lavfi", "-i", TONE.format(d=2.0), out)
    return out


@pytest.fixture(scope="session")
def media(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that makes the named kind of media, once."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            made[kind] = KINDS[kind](ffmpeg, tmp_path_factory.mktemp(kind))
        return made[kind]

    return make
