"""What is in a part file is the beginning of the video, whatever happened."""

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nemo.part_file import FIRST_BYTES, STORE_BYTES, Arriving, PartFile

VIDEO = os.urandom(2 * STORE_BYTES + FIRST_BYTES + 1000)


class FullOnce(io.BytesIO):
    """A disk that is full for one write, and then has room again."""

    full = True

    def write(self, data: "memoryview | bytes") -> int:  # type: ignore[override]  # what Arriving writes
        if self.full and self.tell():
            self.full = False
            raise OSError(28, "No space left on device")
        return super().write(data)


def put(arriving: Arriving, video: bytes, step_bytes: int = 65_536) -> None:
    rest = memoryview(video)
    while rest:
        room = arriving.room()
        size_bytes = min(len(room), len(rest), step_bytes)
        room[:size_bytes], rest = rest[:size_bytes], rest[size_bytes:]
        arriving.came(size_bytes)


@pytest.mark.parametrize("size_bytes", [0, 1, FIRST_BYTES, FIRST_BYTES + STORE_BYTES, len(VIDEO)])
@pytest.mark.parametrize("step_bytes", [1000, 65_536, STORE_BYTES])
def test_all_that_came_is_in_the_file_and_hashed(tmp_path: Path, size_bytes: int, step_bytes: int) -> None:
    video, part = VIDEO[:size_bytes], PartFile(tmp_path / "v.part")
    with part.arriving(0, lambda: None) as arriving:
        put(arriving, video, step_bytes)
        assert arriving.finish() == hashlib.sha256(video).hexdigest()
    assert part.path.read_bytes() == video


def test_a_second_try_goes_on_behind_the_first(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "v.part")
    with part.arriving(0, lambda: None) as arriving:
        put(arriving, VIDEO[:100_000])
    assert part.path.read_bytes() == VIDEO[:100_000]
    with part.arriving(100_000, lambda: None) as arriving:
        put(arriving, VIDEO[100_000:])
        assert arriving.finish() == hashlib.sha256(VIDEO).hexdigest()
    assert part.path.read_bytes() == VIDEO


def test_nothing_is_written_behind_what_could_not_be_written() -> None:
    disk = FullOnce()
    with ThreadPoolExecutor(1) as thread:
        arriving = Arriving(disk, hashlib.sha256(), thread)
        with pytest.raises(OSError, match="No space"):
            put(arriving, VIDEO)
        arriving.settle()
    assert VIDEO.startswith(disk.getvalue())
