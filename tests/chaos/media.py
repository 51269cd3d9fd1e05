"""The clips that whole-product tests and benches send around."""

import subprocess
import uuid
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


def large_clip(folder: Path, megabytes: int) -> Path:
    """A playable film of so many MB: the small one, and a box that players pass over."""
    film, wanted = folder / "whole.mp4", megabytes * 1_000_000
    small = small_clip(folder).read_bytes()
    room = wanted - len(small)
    piece = b"".join(uuid.uuid4().bytes for _ in range(65_536))
    with film.open("wb") as file:
        file.write(small + room.to_bytes(4, "big") + b"free")
        while file.tell() < wanted:
            file.write(piece[: wanted - file.tell()])
    return film
