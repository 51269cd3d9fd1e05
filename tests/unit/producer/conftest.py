"""Media of our own, made once."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

TONE = ["-f", "lavfi", "-i", "sine=frequency=330:duration=1"]
PICTURE = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=1"]


def ffmpeg(*arguments: str) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip of one second in every accepted form, and some in others."""
    folder = tmp_path_factory.mktemp("media")
    for name in ("clip.mp4", "clip.mov", "clip.mkv", "clip.avi", "clip.flv", "clip.ts"):
        ffmpeg(*PICTURE, *TONE, "-shortest", str(folder / name))
    ffmpeg(*PICTURE, "-c:v", "libvpx", str(folder / "clip.webm"))
    for name in ("tone.mp3", "tone.wav", "tone.m4a", "tone.aac"):
        ffmpeg(*TONE, str(folder / name))
    for name in ("still.jpg", "still.png", "still.gif", "still.webp"):
        ffmpeg(*PICTURE, "-frames:v", "1", str(folder / name))
    return folder
