"""Media for the tests that run the whole product."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of picture and sound."""
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    lines = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=1"]
    lines += ["-f", "lavfi", "-i", "sine=frequency=440:duration=1", "-pix_fmt", "yuv420p", "-shortest"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *lines, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path
