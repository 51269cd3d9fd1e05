"""Nothing is delivered that is not a whole, playable video."""

import errno
import json
import os
import subprocess
from collections import namedtuple
from pathlib import Path

import fakeredis
import imageio_ffmpeg
import pytest

from config.settings import Settings
from jobs.ledger import Ledger
from jobs.model import Job, JobSpec
from storage import Denied, Unreachable, storage_for
from storage.mounts import MOUNTS_FILE, OWNER_FILE, find_mount
from worker.delivery import (
    SPARE_BYTES,
    deliver,
    ensure_room,
    has_room,
    is_delivered,
    map_os_error,
    measure_video,
    part_path,
)
from worker.errors import DiskFull, OutboxAway, OutboxBroken, OutputBroken

PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=4"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:duration=4"]


def make_video(path: Path, *lines: str) -> Path:
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
    return make_video(tmp_path_factory.mktemp("output") / "v.mp4", *PICTURE, *SOUND, "-pix_fmt", "yuv420p")


def test_a_whole_video_tells_its_duration(video: Path) -> None:
    assert measure_video(video, 4.0) == pytest.approx(4, abs=0.1)


def test_a_video_that_lost_its_end_is_refused_though_it_opens(video: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.mp4"
    short.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(OutputBroken, match="ends after"):
        measure_video(short, 4.0)


@pytest.mark.parametrize("lines", [PICTURE, SOUND], ids=["no sound", "no picture"])
def test_a_missing_stream_is_refused(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(OutputBroken, match=r"has no (audio|video) stream"):
        measure_video(make_video(tmp_path / "half.mp4", *lines), 4.0)


@pytest.mark.parametrize("content", [b"", b"<html>gone</html>", b"\0" * 4096])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.mp4"
    path.write_bytes(content)
    with pytest.raises(OutputBroken, match="not a playable video"):
        measure_video(path, None)


def test_a_duration_that_cannot_be_the_timelines_is_refused(video: Path) -> None:
    with pytest.raises(OutputBroken, match="the timeline 60"):
        measure_video(video, 60.0)


def test_an_output_never_replaces_another_file(video: Path, tmp_path: Path) -> None:
    part, target = tmp_path / ".v.part", tmp_path / "v.mp4"
    part.write_bytes(video.read_bytes())
    target.write_text("a person's own")
    with pytest.raises(OutboxBroken, match="not this job's"):
        deliver(part, str(target), storage_for("").digest(str(part)), lambda: None)
    assert target.read_text() == "a person's own"
    target.unlink()
    sha256 = storage_for("").digest(str(part))
    deliver(part, str(target), sha256, lambda: None)
    assert not part.exists()
    assert is_delivered(str(target), sha256, target.stat().st_size)
    assert not is_delivered(str(target), "other", target.stat().st_size)


# --- holes ----------------------------------------------------------------------------------------


def punch(video: Path, hole: Path, begin: float, end: float) -> Path:
    """Copy a video with zeros between two parts of its length."""
    content = bytearray(video.read_bytes())
    first, last = int(len(content) * begin), int(len(content) * end)
    content[first:last] = bytes(last - first)
    hole.write_bytes(content)
    return hole


@pytest.mark.parametrize("decode", [False, True], ids=["first download", "resumed"])
@pytest.mark.parametrize(("begin", "end"), [(0.3, 0.8), (0.5, 1.0)], ids=["in the middle", "at the end"])
def test_a_video_half_of_whose_bytes_are_zero_is_refused(
    video: Path, tmp_path: Path, begin: float, end: float, decode: bool
) -> None:
    with pytest.raises(OutputBroken):
        measure_video(punch(video, tmp_path / "hole.mp4", begin, end), 4.0, decode=decode)


def test_a_whole_video_stands_being_decoded(video: Path) -> None:
    assert measure_video(video, 4.0, decode=True) == pytest.approx(4, abs=0.1)


# --- room and places ------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path: Path) -> Job:
    ledger = Ledger(fakeredis.FakeRedis(decode_responses=True))
    spec = JobSpec(source="/in/a.mp4", size_bytes=10_000_000)
    ledger.submit("j1", spec, [str(tmp_path / "out" / "a.mp4")])
    return ledger.get("j1")


def test_room_is_needed_for_the_output_and_a_reserve(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(DROPSCORE_STATE_DIR=tmp_path / "state")
    needed = 10_000_000 + SPARE_BYTES
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("worker.delivery.shutil.disk_usage", lambda _: usage(needed, 0, needed))
    ensure_room(job, settings)
    monkeypatch.setattr("worker.delivery.shutil.disk_usage", lambda _: usage(needed, 1, needed - 1))
    with pytest.raises(DiskFull) as raised:
        ensure_room(job, settings)
    assert (raised.value.path, raised.value.needed_bytes) == (str(tmp_path / "out"), needed)
    assert has_room(raised.value.path, needed, settings.state_dir) is False


def test_a_disk_that_takes_no_writes_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert has_room(str(tmp_path), 0, tmp_path) is False
    assert has_room(str(tmp_path / "elsewhere"), 0, tmp_path) is None


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EROFS, DiskFull),
        (errno.EIO, DiskFull),
        (errno.ESTALE, DiskFull),
        (errno.EACCES, OutboxBroken),
        (errno.ENAMETOOLONG, OutboxBroken),
    ],
)
def test_what_a_disk_answers_is_waited_for_or_a_person_s_to_put_right(
    tmp_path: Path, number: int, kind: type[Exception]
) -> None:
    error = map_os_error(OSError(number, os.strerror(number)), str(tmp_path / "a.mp4"))
    assert type(error) is kind
    if isinstance(error, DiskFull):
        assert error.path == str(tmp_path)


def test_a_bucket_that_does_not_answer_is_away(tmp_path: Path) -> None:
    assert type(map_os_error(Unreachable("s3://b/a", "no answer"), "s3://b/a")) is OutboxAway
    assert type(map_os_error(Denied("s3://b/a", "refused"), "s3://b/a")) is OutboxBroken


def test_an_output_grows_beside_its_place_and_one_for_a_bucket_in_the_state_folder(
    job: Job, tmp_path: Path
) -> None:
    settings = Settings(DROPSCORE_STATE_DIR=tmp_path / "state")
    assert part_path(job, settings) == tmp_path / "out" / ".a.mp4.j1.part"
    far = job.evolve(spec=job.spec.evolve(output="s3://b/out/ä" + "x" * 300 + ".mp4"))
    part = part_path(far, settings)
    assert part.parent == tmp_path / "state" / "parts"
    assert len(part.name.encode()) < 255


def test_an_outbox_whose_disk_was_seen_mounted_is_not_made_on_another(job: Job, tmp_path: Path) -> None:
    """The folder was made anew where the mount was missing, and the wrong disk was filled."""
    settings = Settings(DROPSCORE_STATE_DIR=tmp_path / "state")
    outbox = tmp_path / "out"
    outbox.mkdir()
    (outbox / OWNER_FILE).touch()
    ensure_room(job, settings)
    noted = json.loads((tmp_path / "state" / MOUNTS_FILE).read_text())
    assert noted == {str(outbox): find_mount(str(outbox))}
    (tmp_path / "state" / MOUNTS_FILE).write_text(json.dumps({str(outbox): str(tmp_path / "disk")}))
    ensure_room(job, settings)  # it was moved to this disk with all that is in it
    (outbox / OWNER_FILE).unlink()
    outbox.rmdir()
    with pytest.raises(DiskFull, match=r"disk is not mounted") as raised:
        ensure_room(job, settings)
    assert raised.value.path == str(outbox)
    assert not outbox.exists()
    outbox.mkdir()  # the mount point itself, on the wrong disk
    assert has_room(str(outbox), 0, settings.state_dir) is None
