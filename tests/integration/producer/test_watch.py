"""Watching for real: real observers, real writers, roots that go away and come back."""

import os
import subprocess
import sys
import time
from pathlib import Path
from queue import SimpleQueue

import pytest

from config.settings import to_environment
from producer.watch import Hint, Watcher
from tests.integration.producer.conftest import can_make_namespaces
from tests.patience import allow

pytestmark = pytest.mark.integration
MODES = ("native", "poll")


def write_slowly(bench, name, content, seconds, pieces=12):
    with (bench.inbox / name).open("wb") as file:
        for piece in range(pieces):
            start, end = (len(content) * at // pieces for at in (piece, piece + 1))
            file.write(content[start:end])
            file.flush()
            time.sleep(seconds / pieces)


def wait_until(there, seconds=5.0):
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("mode", MODES)
def test_a_file_that_is_written_slowly_is_taken_once_and_whole(bench, unlike, mode):
    content = unlike(1, 3_000_000)
    bench.start(watch=mode)
    write_slowly(bench, "slow.mp4", content, seconds=1.2)
    bench.wait(1)
    time.sleep(0.8)
    (job,) = bench.jobs()
    assert job.spec.size_bytes == len(content)
    assert bench.queued() == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_file_being_written_when_the_first_scan_comes_is_taken_whole(bench, unlike, mode):
    content = unlike(1, 3_000_000)
    with (bench.inbox / "busy.mp4").open("wb") as file:
        file.write(content[:1000])
        file.flush()
        bench.start(watch=mode)
        for at in range(1000, len(content), 500_000):
            file.write(content[at : at + 500_000])
            file.flush()
            time.sleep(0.15)
    bench.wait(1)
    assert [job.spec.size_bytes for job in bench.jobs()] == [len(content)]


def test_a_file_that_is_closed_and_then_grows_is_not_taken_by_halves(bench, unlike):
    content = unlike(1, 2_000_000)
    bench.start(watch="native")
    time.sleep(0.3)
    there = bench.inbox / "pieces.mp4"
    for at in range(0, len(content), 250_000):
        with there.open("ab") as file:
            file.write(content[at : at + 250_000])
        time.sleep(0.03)
    bench.wait(1)
    assert [job.spec.size_bytes for job in bench.jobs()] == [len(content)]


@pytest.mark.parametrize("mode", MODES)
def test_renames_into_the_folder_count(bench, unlike, mode, tmp_path):
    bench.start(watch=mode)
    time.sleep(0.3)
    (bench.inbox / "new").mkdir()
    (bench.inbox / "new" / "x.mp4.part").write_bytes(unlike(1))
    (bench.inbox / "new" / "x.mp4.part").rename(bench.inbox / "new" / "x.mp4")
    (tmp_path / "y.mp4").write_bytes(unlike(2))
    (tmp_path / "y.mp4").rename(bench.inbox / "y.mp4")
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "z.mp4").write_bytes(unlike(3))
    (tmp_path / "album").rename(bench.inbox / "album")
    bench.wait(3)
    assert bench.sources() == ["album/z.mp4", "new/x.mp4", "y.mp4"]


def test_a_file_is_taken_as_soon_as_it_was_calm_for_the_settling_time(bench, unlike):
    bench.start(watch="native")
    time.sleep(0.5)
    closed = time.monotonic()
    bench.put("a.mp4", unlike(1))
    bench.wait(1)
    took_s = time.monotonic() - closed
    assert took_s >= bench.settings.settle_s
    assert took_s < bench.settings.settle_s + 2


def test_a_sidecar_that_comes_right_after_its_video_is_used(bench, unlike):
    bench.start(watch="native", sidecar_wait_s=0.5)
    time.sleep(0.3)
    bench.put("a.mp4", unlike(1))
    time.sleep(0.2)
    bench.put("a.txt", b"calm piano\n")
    (job,) = bench.wait(1)
    assert job.spec.instructions == ("calm piano",)
    time.sleep(0.6)
    assert len(bench.jobs()) == 1


def test_mending_a_broken_sidecar_takes_its_video(bench, unlike):
    bench.put("sub/_dropscore.toml", b"instructions = [\n")
    bench.put("sub/a.mp4", unlike(1))
    bench.start(watch="native")
    (failed,) = bench.wait(1)
    assert "line 2" in failed.problem.message
    bench.put("sub/_dropscore.toml", b'instructions = ["calm"]\n')
    bench.wait(2)
    assert {job.spec.instructions for job in bench.jobs()} == {(), ("calm",)}


@pytest.mark.parametrize("mode", MODES)
def test_a_root_that_goes_away_and_comes_back_is_watched_on(bench, unlike, mode):
    bench.put("a.mp4", unlike(1))
    running = bench.start(watch=mode)
    bench.wait(1)
    away = bench.inbox.with_name("away")
    bench.inbox.rename(away)
    time.sleep(0.5)
    assert running.thread.is_alive()
    away.rename(bench.inbox)
    bench.put("b.mp4", unlike(2))
    bench.wait(2)
    assert bench.queued() == 2, "what was known is not submitted again"


def test_many_roots_each_with_its_own_place(bench, unlike, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.mp4").write_bytes(unlike(2))
    bench.put("a.mp4", unlike(1))
    bench.start(bench.inbox, other)
    jobs = bench.wait(2)
    assert {job.spec.root for job in jobs} == {str(bench.inbox), str(other)}
    assert len({job.spec.output for job in jobs}) == 2


def test_a_dead_observer_is_started_again(tmp_path):
    events = SimpleQueue()
    watcher = Watcher(str(tmp_path), "native", events)
    assert watcher.check()
    assert not watcher.check()
    for emitter in list(watcher._observer.emitters):
        emitter.stop()
        emitter.join(30)
    assert watcher.check(), "it asks for a scan: events may be lost"
    (tmp_path / "a.mp4").write_bytes(b"x")
    hints = {events.get(timeout=5).hint for _ in range(2)}
    watcher.stop()
    assert hints == {Hint.FILE}


def test_an_emptied_root_is_empty_and_another_empty_folder_in_its_place_is_away(tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    watcher = Watcher(str(root), "poll", SimpleQueue())
    watcher.check()
    for files in (0, 3, 0):
        watcher.finish_scan(files)
        assert watcher.away == ""
    watcher.finish_scan(3)
    root.rename(tmp_path / "unmounted")
    assert not watcher.check()
    assert "not there" in watcher.away
    root.mkdir()  # the mount point without its mount
    assert watcher.check()
    watcher.finish_scan(0)
    assert "is it mounted?" in watcher.away
    root.rmdir()
    (tmp_path / "unmounted").rename(root)
    assert watcher.check()
    watcher.finish_scan(3)
    assert watcher.away == ""


def test_a_stop_ends_within_a_second(bench, unlike):
    for number in range(300):
        bench.put(f"{number}.mp4", unlike(number))
    running = bench.start()
    bench.wait(5)
    asked = time.monotonic()
    assert running.end() == 0
    assert time.monotonic() - asked < allow(1.0)
    wait_until(lambda: len(bench.jobs()) >= 5)


@pytest.mark.skipif(
    not can_make_namespaces(), reason="the limit is set in a user namespace of the test's own"
)
@pytest.mark.parametrize(
    ("limit", "why"), [("inotify_watches", "folders; see fs"), ("inotify_instances", "instance limit")]
)
def test_a_system_that_watches_no_more_folders_is_no_reason_to_miss_a_file(bench, unlike, limit, why):
    for number in range(8):
        (bench.inbox / str(number)).mkdir()
    least = 4 if limit == "inotify_watches" else 0
    script = f'echo {least} > /proc/sys/user/max_{limit} && exec "$@"'
    producer = [sys.executable, "-m", "producer", str(bench.inbox), "--outbox", str(bench.outbox)]
    environment = {**os.environ, **to_environment(bench.settings), "DROPSCORE_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen(
        ["unshare", "-U", "-r", "sh", "-c", script, "sh", *producer],
        env=environment,
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        line = next(line for line in process.stdout if "cannot watch natively" in line)
        assert why in line
        for number in range(8):
            bench.put(f"{number}/{number}.mp4", unlike(number))
        bench.wait(8)
    finally:
        process.kill()
        process.communicate()
