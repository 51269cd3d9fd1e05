"""The small clip that whole-product tests and benches send around."""

import subprocess
from pathlib import Path

import imageio_ffmpeg


def small_clip(folder: Path) -> Path:
    """One second of picture and sound."""
    path = folder / "clip.mp4"
    lines = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=1"]
    lines += ["-f", "lavfi", "-i", "sine=frequency=440:duration=1", "-pix_fmt", "yuv420p", "-shortest"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *lines, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path
