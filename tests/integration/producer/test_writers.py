"""How programs write into a folder, by their own system calls: each file once, whole, none too early."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.fingerprint import fingerprint

pytestmark = pytest.mark.integration
SETTLE_S = 0.4
STALL_S = 1.0  # longer than a file must lie still


def rsync(folder: Path, name: str, content: bytes) -> None:
    part = folder / f".{name}.Xa3kQ1"
    _write(part, content, pieces=4)
    os.utime(part, (1_700_000_000, 1_700_000_000))
    part.rename(folder / name)


def rsync_inplace(folder: Path, name: str, content: bytes) -> None:
    _write(folder / name, content, pieces=3, stall_s=STALL_S)
    os.utime(folder / name, (1_700_000_000, 1_700_000_000))


def syncthing(folder: Path, name: str, content: bytes) -> None:
    part = folder / f".syncthing.{name}.tmp"
    with part.open("wb") as file:
        file.truncate(len(content))
        half = len(content) // 2
        file.seek(half)
        file.write(content[half:])
        time.sleep(0.2)
        file.seek(0)
        file.write(content[:half])
    part.rename(folder / name)


def firefox(folder: Path, name: str, content: bytes) -> None:
    (folder / name).touch()
    _write(folder / f"{name}.part", content, pieces=4)
    (folder / f"{name}.part").rename(folder / name)


def chrome(folder: Path, name: str, content: bytes) -> None:
    _write(folder / "Unconfirmed 81234.crdownload", content, pieces=4)
    (folder / "Unconfirmed 81234.crdownload").rename(folder / name)


def yt_dlp(folder: Path, name: str, content: bytes) -> None:
    stem = name.removesuffix(".mp4")
    for fragment in (f"{stem}.f137.mp4", f"{stem}.f140.m4a"):
        _write(folder / f"{fragment}.part", content[:-16], pieces=2)
        (folder / f"{fragment}.part").rename(folder / fragment)
        (folder / f"{stem}.f140.m4a.part").touch()
        time.sleep(STALL_S)
    (folder / f"{stem}.f140.m4a.part").unlink()
    _write(folder / f"{stem}.temp.mp4", content, pieces=2)
    (folder / f"{stem}.temp.mp4").rename(folder / name)
    for fragment in (f"{stem}.f137.mp4", f"{stem}.f140.m4a"):
        (folder / fragment).unlink()


def phone(folder: Path, name: str, content: bytes) -> None:
    """Allocates all of it first, writes in pieces with pauses, sets the time in the end."""
    with (folder / name).open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, len(content))
        third = len(content) // 3
        for at in range(0, len(content), third + 1):
            file.write(content[at : at + third + 1])
            time.sleep(STALL_S)
    os.utime(folder / name, (1_600_000_000, 1_600_000_000))


def aria2(folder: Path, name: str, content: bytes) -> None:
    (folder / f"{name}.aria2").write_bytes(b"control")
    with (folder / name).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, len(content))
    time.sleep(STALL_S)
    (folder / name).write_bytes(content)
    time.sleep(STALL_S)
    (folder / f"{name}.aria2").unlink()


def stalling_copy(folder: Path, name: str, content: bytes) -> None:
    _write(folder / name, content, pieces=3, stall_s=STALL_S)


def broken_off_and_resumed(folder: Path, name: str, content: bytes) -> None:
    """The first copy dies at a half; a second appends the rest, each time it opens the file anew."""
    (folder / name).write_bytes(content[: len(content) // 2])
    time.sleep(2 * STALL_S)
    for at in range(len(content) // 2, len(content), len(content) // 5):
        with (folder / name).open("ab") as file:
            file.write(content[at : at + len(content) // 5])
        time.sleep(0.15)


def recorder(folder: Path, name: str, content: bytes) -> None:
    """Holds the file open and silent long after its container looks whole."""
    with (folder / name).open("wb", buffering=0) as file:
        file.write(content[:-16])
        time.sleep(2 * STALL_S)
        file.write(content[-16:])


def _write(path: Path, content: bytes, pieces: int, stall_s: float = 0.1) -> None:
    with path.open("wb", buffering=0) as file:
        step = len(content) // pieces + 1
        for at in range(0, len(content), step):
            file.write(content[at : at + step])
            time.sleep(stall_s)


WRITERS: tuple[Callable[[Path, str, bytes], None], ...] = (
    rsync,
    rsync_inplace,
    syncthing,
    firefox,
    chrome,
    yt_dlp,
    phone,
    aria2,
    stalling_copy,
    broken_off_and_resumed,
    recorder,
)


@pytest.mark.parametrize("mode", ["native", "poll"])
def test_every_manner_of_writing_is_taken_once_and_whole(bench, unlike, mode):
    bench.start(watch=mode, settle_s=SETTLE_S)
    time.sleep(0.5)
    wanted, threads = {}, []
    for number, writer in enumerate(WRITERS):
        folder = bench.inbox / writer.__name__
        folder.mkdir()
        content = wanted[f"{writer.__name__}/v.mp4"] = unlike(number, 400_000)
        threads.append(threading.Thread(target=writer, args=(folder, "v.mp4", content)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.wait(len(WRITERS), 30)
    time.sleep(4 * SETTLE_S)
    jobs = {Path(job.spec.source).relative_to(bench.inbox).as_posix(): job for job in bench.jobs()}
    assert sorted(jobs) == sorted(wanted)
    assert len(bench.jobs()) == len(wanted)
    assert bench.queued() == len(wanted), [job.problem for job in jobs.values() if job.problem]
    for name, content in wanted.items():
        assert jobs[name].spec.size_bytes == len(content), name
        with (bench.inbox / name).open("rb") as file:
            assert jobs[name].spec.fingerprint == fingerprint(file, len(content)), name
    assert bench.duplicates() == {}
