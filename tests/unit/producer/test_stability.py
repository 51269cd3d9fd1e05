"""When a file is whole: nothing happens to it, nobody writes it, and its container ends where it ends."""

import io
import os
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.scan import look_at
from producer.stability import SECOND_LOOK_S, StabilityTracker, is_open_for_writing, missing_bytes
from storage import FileStat

SETTLE_S = 2.0
A, B = FileStat("a", 10, 1, changed_ns=1), FileStat("a", 20, 2, changed_ns=2)
EMPTY = FileStat("a", 0, 1)


def test_two_identical_readings_settle_a_file():
    tracker = StabilityTracker(SETTLE_S)
    assert not tracker.observe(A, 0.0)
    assert not tracker.observe(A, 1.9)
    assert tracker.observe(A, 2.0)
    assert len(tracker) == 0


def test_a_change_begins_anew():
    tracker = StabilityTracker(SETTLE_S)
    tracker.observe(A, 0.0)
    assert not tracker.observe(B, 2.0)
    assert not tracker.observe(B, 3.9)
    assert tracker.observe(B, 4.0)


def test_a_change_at_the_same_size_and_mtime_counts(tmp_path):
    tracker = StabilityTracker(SETTLE_S)
    tracker.observe(A, 0.0)
    assert not tracker.observe(replace(A, changed_ns=5), 2.0), "rsync sets the mtime back"
    assert not tracker.observe(replace(A, changed_ns=5, inode=7), 4.0), "another file of that name"
    assert tracker.observe(replace(A, changed_ns=5, inode=7), 6.0)


def test_an_empty_file_waits_twice_as_long():
    tracker = StabilityTracker(SETTLE_S)
    tracker.observe(EMPTY, 0.0)
    assert not tracker.observe(EMPTY, 3.9)
    assert tracker.observe(EMPTY, 4.0)


def test_a_file_that_is_postponed_is_looked_at_again_after_the_full_time():
    tracker = StabilityTracker(SETTLE_S)
    tracker.observe(A, 0.0)
    assert tracker.observe(A, 2.0)
    tracker.postpone(A, 2.0)
    assert not tracker.observe(A, 3.9)
    assert tracker.observe(A, 4.0)


def test_the_wait_for_a_sidecar_is_kept():
    tracker = StabilityTracker(SETTLE_S, sidecar_wait_s=5.0)
    tracker.observe(A, 0.0)
    assert not tracker.observe(A, 4.9)
    assert tracker.observe(A, 5.0)


def test_a_file_that_was_calm_before_the_first_look_gets_a_short_second_one():
    tracker = StabilityTracker(SETTLE_S)
    old, young = replace(A, path="old"), replace(A, path="young")
    assert not tracker.observe(old, 0.0, calm_s=3600.0)
    assert tracker.observe(old, SECOND_LOOK_S)
    assert not tracker.observe(young, 0.0, calm_s=1.5)
    assert not tracker.observe(young, 0.4)
    assert tracker.observe(young, 0.5)


def test_calm_is_no_credit_for_a_file_that_changes_is_empty_or_waits_for_a_sidecar():
    tracker = StabilityTracker(SETTLE_S)
    tracker.observe(A, 0.0, calm_s=60.0)
    assert not tracker.observe(B, SECOND_LOOK_S, calm_s=60.0)
    assert not tracker.observe(B, 1.9)
    assert tracker.observe(B, SECOND_LOOK_S + SETTLE_S)
    tracker.observe(EMPTY, 0.0, calm_s=60.0)
    assert not tracker.observe(EMPTY, 3.9)
    waiting = StabilityTracker(SETTLE_S, sidecar_wait_s=5.0)
    waiting.observe(A, 0.0, calm_s=60.0)
    assert not waiting.observe(A, 4.9)


def test_a_copy_that_keeps_its_old_mtime_is_not_calm(tmp_path):
    """`cp -p`, `tar` and `rsync` set the mtime back; the inode's own time of change is not theirs to set."""
    copied = tmp_path / "copied.mp4"
    copied.write_bytes(b"bytes")
    os.utime(copied, (0, 0))
    stat = look_at(str(copied))
    assert stat is not None
    assert stat.calm_s(time.time()) < 60
    assert stat.calm_s(time.time() + 3600) > 3500
    assert EMPTY.calm_s(time.time()) == 0.0, "nothing is known of its inode"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 3)), max_size=30))
def test_next_due_is_the_first_of_all_due_times(steps):
    tracker, now = StabilityTracker(SETTLE_S), 0.0
    for path, wait_s in steps:
        now += wait_s
        tracker.observe(replace(A, path=path), now)
        due = tracker.next_due()
        assert (due is None) == (len(tracker) == 0)
        assert due is None or (tracker.due(due) and not tracker.due(due - 0.001))


@given(st.lists(st.tuples(st.sampled_from(["write", "look"]), st.floats(0.01, 3)), max_size=60))
def test_what_is_taken_was_calm_for_the_settling_time(steps):
    tracker, now, version, since = StabilityTracker(SETTLE_S), 0.0, 1, 0.0
    for what, wait_s in steps:
        now += wait_s
        if what == "write":
            version, since = version + 1, now
        elif tracker.observe(FileStat("a", 10, 1, changed_ns=version), now):
            assert now - since >= SETTLE_S


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has leases")
def test_a_file_that_somebody_has_open_for_writing_is_noticed(tmp_path):
    there = tmp_path / "a.mp4"
    there.write_bytes(b"x" * 100)
    with there.open("rb") as file:
        assert not is_open_for_writing(file)
        with there.open("rb"):
            assert not is_open_for_writing(file), "readers do not count"
        with there.open("ab"):
            assert is_open_for_writing(file)
        assert not is_open_for_writing(file)
    with there.open("r+b") as writer:  # nothing is left behind that would hinder or kill a writer
        writer.write(b"y")


def mp4_box(kind, content, size=None):
    return (len(content) + 8 if size is None else size).to_bytes(4, "big") + kind + content


MP4 = mp4_box(b"ftyp", b"isomiso2") + mp4_box(b"moov", b"m" * 100) + mp4_box(b"mdat", b"d" * 9000)
EBML = (
    b"\x1a\x45\xdf\xa3\x84abcd" + b"\x18\x53\x80\x67" + (0x10000000 | 9000).to_bytes(4, "big") + b"c" * 9000
)
RIFF = b"RIFF" + (9004).to_bytes(4, "little") + b"AVI " + b"r" * 9000


@pytest.mark.parametrize("whole", [MP4, EBML, RIFF], ids=["mp4", "mkv", "avi"])
@pytest.mark.parametrize("percent", [10, 50, 99])
def test_a_container_that_ends_too_soon_says_by_how_much(whole, percent):
    cut = whole[: len(whole) * percent // 100]
    assert missing_bytes(io.BytesIO(whole), len(whole)) == 0
    assert missing_bytes(io.BytesIO(cut), len(cut)) == len(whole) - len(cut)


@pytest.mark.parametrize(
    ("content", "is_whole"),
    [
        (MP4 + mp4_box(b"free", bytes(200_000)), True),
        (MP4[:1000] + bytes(len(MP4) - 1000), False),
        (bytes(500_000), False),
        (MP4[:-9008] + mp4_box(b"mdat", b"d" * 100 + bytes(200_000)), False),
        (MP4[:-9008] + mp4_box(b"mdat", b"d" * 9000, size=0), True),
        (MP4 + b"not a box at all", True),
        (b"RIFF" + (200_004).to_bytes(4, "little") + b"WAVE" + bytes(200_000), True),
        (b"\x1a\x45\xdf\xa3\x84abcd" + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"live", True),
        (b"just some words that are no container", True),
        (b"", True),
        (b"short", True),
    ],
)
def test_what_was_allocated_in_advance_is_not_whole_and_padding_and_silence_are(content, is_whole):
    assert (missing_bytes(io.BytesIO(content), len(content)) == 0) is is_whole


@pytest.mark.parametrize(("hole_bytes", "is_whole"), [(4 * 2**20, False), (65_536, True)])
def test_what_was_never_written_in_the_middle_is_missing(tmp_path, hole_bytes, is_whole):
    there = tmp_path / "torrent.mp4"
    with there.open("wb") as file:
        file.write(MP4 + (hole_bytes + 8 + 2**16).to_bytes(4, "big") + b"mdat")
        file.seek(hole_bytes, os.SEEK_CUR)
        file.write(b"d" * 2**16)
    if there.stat().st_blocks * 512 > hole_bytes and not is_whole:
        pytest.skip("a file system without holes")
    size_bytes = there.stat().st_size
    with there.open("rb") as file:
        missing = missing_bytes(file, size_bytes)
        file.seek(0)
        assert file.read(16) == MP4[:16]
    assert (missing == 0) is is_whole
    assert missing <= hole_bytes


@given(st.binary(max_size=400))
@settings(max_examples=500)
def test_no_content_is_a_crash(content):
    for head in (b"", MP4[:40], EBML[:20], RIFF[:12]):
        assert missing_bytes(io.BytesIO(head + content), len(head + content)) >= 0
