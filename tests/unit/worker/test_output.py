"""Nothing is delivered that is not a whole, playable video."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from stores import store_of
from worker.errors import OutboxBroken, OutputBroken
from worker.outbox import deliver, delivered
from worker.output import playable

PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=4"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:duration=4"]


def made(path: Path, *lines: str) -> Path:
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-y",
        *lines,
        "-movflags",
        "+faststart",
        str(path),
    ]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("output") / "v.mp4", *PICTURE, *SOUND, "-pix_fmt", "yuv420p")


def test_a_whole_video_tells_its_duration(video: Path) -> None:
    assert playable(video, 4.0) == pytest.approx(4, abs=0.1)


def test_a_video_that_lost_its_end_is_refused_though_it_opens(video: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.mp4"
    short.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(OutputBroken, match="ends after"):
        playable(short, 4.0)


@pytest.mark.parametrize("lines", [PICTURE, SOUND], ids=["no sound", "no picture"])
def test_a_missing_stream_is_refused(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(OutputBroken, match=r"has no (audio|video) stream"):
        playable(made(tmp_path / "half.mp4", *lines), 4.0)


@pytest.mark.parametrize("content", [b"", b"<html>gone</html>", b"\0" * 4096])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.mp4"
    path.write_bytes(content)
    with pytest.raises(OutputBroken, match="not a playable video"):
        playable(path, None)


def test_a_duration_that_cannot_be_the_timelines_is_refused(video: Path) -> None:
    with pytest.raises(OutputBroken, match="the timeline 60"):
        playable(video, 60.0)


def test_an_output_never_replaces_another_file(video: Path, tmp_path: Path) -> None:
    part, target = tmp_path / ".v.part", tmp_path / "v.mp4"
    part.write_bytes(video.read_bytes())
    target.write_text("a person's own")
    with pytest.raises(OutboxBroken, match="not this job's"):
        deliver(part, str(target), store_of("").digest(str(part)), lambda: None)
    assert target.read_text() == "a person's own"
    target.unlink()
    sha256 = store_of("").digest(str(part))
    deliver(part, str(target), sha256, lambda: None)
    assert not part.exists()
    assert delivered(str(target), sha256, target.stat().st_size)
    assert not delivered(str(target), "other", target.stat().st_size)
