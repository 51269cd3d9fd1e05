"""The cheap fingerprint, and the careful opening of a source."""

import os

import pytest

from producer.errors import SourceChanged, SourceGone
from producer.fingerprint import SAMPLE_BYTES, WHOLE_BYTES, fingerprint, full_hash, open_source
from storage import FileStat

BIG = 8 * 1024 * 1024


def of(path):
    with open_source(str(path)) as file:
        return fingerprint(file, path.stat().st_size)


@pytest.fixture
def big(tmp_path):
    there = tmp_path / "big.mp4"
    there.write_bytes(bytes(BIG))
    return there


def changed(path, at):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"!")
    return of(path)


@pytest.mark.parametrize("at", [0, SAMPLE_BYTES - 1, BIG - 1, BIG - SAMPLE_BYTES])
def test_head_and_tail_count(big, at):
    assert of(big) != changed(big, at)


def test_samples_are_spread_over_the_middle(big):
    seen = {of(big)}
    for at in range(0, BIG, SAMPLE_BYTES // 2):
        seen.add(changed(big, at))
    assert len(seen) > 10


def test_small_files_are_read_whole(tmp_path):
    there = tmp_path / "small.mp4"
    there.write_bytes(bytes(WHOLE_BYTES))
    assert len({of(there), *(changed(there, at) for at in range(1, WHOLE_BYTES, 99_991))}) == 12


def test_the_size_is_part_of_it(tmp_path):
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(bytes(10))
    two.write_bytes(bytes(11))
    assert of(one) != of(two)
    assert full_hash(str(one)) != full_hash(str(two))


def test_a_file_that_is_not_the_settled_one_is_noticed_before_and_after(tmp_path):
    there = tmp_path / "a.mp4"
    there.write_bytes(b"one")
    at = there.stat()
    with pytest.raises(SourceChanged), open_source(str(there), FileStat(str(there), 99, at.st_mtime_ns)):
        pytest.fail("opened what had changed")
    with (
        pytest.raises(SourceChanged),
        open_source(str(there), FileStat(str(there), at.st_size, at.st_mtime_ns)),
    ):
        there.write_bytes(b"longer")


def test_links_fifos_and_nothing_are_gone(tmp_path):
    real = tmp_path / "real.mp4"
    real.write_bytes(b"x")
    (tmp_path / "link.mp4").symlink_to(real)
    for name in ("link.mp4", "missing.mp4"):
        with pytest.raises(SourceGone), open_source(str(tmp_path / name)):
            pass
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(SourceGone), open_source(str(tmp_path / "pipe.mp4")):
        pass
