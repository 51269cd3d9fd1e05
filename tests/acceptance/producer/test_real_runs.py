"""What goes wrong in people's folders, done to a whole `dropscore run` at its default settings.

Each scene has a folder of its own in one inbox; the run goes on through all of them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import pytest

from tests.integration.producer.conftest import can_make_namespaces

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

DROPSCORE = [sys.executable, "-P", "-c", "from cli.main import main; main()"]
PATIENCE_S = 120.0
FRAMES = 50


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Five seconds with sound, its index at the end; large enough that its samples leave gaps."""
    there = tmp_path_factory.mktemp("film") / "film.mp4"
    picture = f"testsrc2=size=640x360:rate=10:duration={FRAMES / 10}"
    made = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"sine=300:duration={FRAMES / 10}"]
    made += ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "1", "-g", "10", "-pix_fmt", "yuv420p"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *made, str(there)], check=True)
    content = there.read_bytes()
    assert len(content) > 1_200_000
    return content


def count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


class Run:
    """A folder with an inbox, and what `dropscore` does to it."""

    def __init__(self, folder: Path, film: bytes) -> None:
        self.folder, self.inbox, self.outbox = folder, folder / "in", folder / "out"
        self.inbox.mkdir(parents=True)
        self._film, self._number = film, 0
        self._process: subprocess.Popen[bytes] | None = None

    def film(self) -> bytes:
        """The film, each time with another content."""
        self._number += 1
        return self._film + (16).to_bytes(4, "big") + b"free" + self._number.to_bytes(8, "big")

    def put(self, name: str, content: bytes | None = None) -> Path:
        there = self.inbox / name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(self.film() if content is None else content)
        return there

    def environment(self, **more: str) -> dict[str, str]:
        ours = ("DROPSCORE", "NEMO")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**kept, "XDG_STATE_HOME": str(self.folder / "state"), **more}

    def start(self, *flags: str, before: tuple[str, ...] = (), **more: str) -> None:
        command = [*before, *DROPSCORE, "run", "in", "--outbox", "out", *flags]
        with (self.folder / "run.log").open("ab") as said:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment(**more), stdout=said, stderr=said
            )

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGINT)
                self._process.wait(60)
        self._process = None

    def do(self, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*DROPSCORE, *words],
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_S,
            check=False,
        )

    def once(self, *flags: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return self.do("run", "in", "--outbox", "out", "--once", *flags, **more)

    def status(self, *words: str) -> Any:
        return json.loads(self.do("status", *words, "--json").stdout)

    def logs(self) -> str:
        files = (self.folder / "state").rglob("logs/*")
        return "".join(file.read_text(errors="replace") for file in files)

    def results(self, folder: str = "") -> dict[str, dict[str, Any]]:
        """Every result below a folder of the outbox, by its name."""
        found = (self.outbox / folder).rglob("*.result.json")
        table = {}
        for path in sorted(found):
            try:
                table[path.name.removesuffix(".result.json")] = json.loads(path.read_text())
            except (OSError, ValueError):  # being replaced
                continue
        return table

    def wait(self, name: str) -> dict[str, Any]:
        """Wait for a result, given as its output without ``.mp4``."""
        path = self.outbox / f"{name}.result.json"
        until(path.exists, f"{name}: no result after {PATIENCE_S} s")
        result: dict[str, Any] = json.loads(path.read_text())
        return result


def until(there: Callable[[], object], why: str = "") -> None:
    end = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < end, why
        time.sleep(0.1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, film: bytes) -> Iterator[Run]:
    """One run that watches, at the default settings."""
    run = Run(tmp_path_factory.mktemp("live"), film)
    run.put("begin.mp4")
    run.start()
    try:
        run.wait("begin")
        yield run
    finally:
        run.stop()


# --- 1: whole --------------------------------------------------------------------------------------------


def write_silently_and_hold(path: Path, content: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        file.write(content[: len(content) // 2])
        time.sleep(6)
        file.write(content[len(content) // 2 :])


def close_and_append(path: Path, content: bytes) -> None:
    third = len(content) // 3
    for at in range(0, len(content), third):
        with path.open("ab") as file:
            file.write(content[at : at + third])
        time.sleep(3.5)


def allocate_and_fill(path: Path, content: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, len(content))
    time.sleep(4)
    with path.open("r+b") as file:
        file.write(content)


def copy_ten_percent_and_resume(path: Path, content: bytes) -> None:
    path.write_bytes(content[: len(content) // 10])
    time.sleep(5)
    path.write_bytes(content)


def write_out_of_order(path: Path, content: bytes) -> None:
    half = len(content) // 2
    with path.open("wb", buffering=0) as file:
        file.truncate(len(content))
        file.seek(half)
        file.write(content[half:])
    time.sleep(4)
    with path.open("r+b") as file:
        file.write(content[:half])


def keep_the_old_time(path: Path, content: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        for at in range(0, len(content), len(content) // 3 + 1):
            file.write(content[at : at + len(content) // 3 + 1])
            os.utime(path, (1_600_000_000, 1_600_000_000))
            time.sleep(2.5)
    os.utime(path, (1_600_000_000, 1_600_000_000))


WRITERS = (
    write_silently_and_hold,
    close_and_append,
    allocate_and_fill,
    copy_ten_percent_and_resume,
    write_out_of_order,
    keep_the_old_time,
)


def test_half_a_file_is_never_taken(run: Run) -> None:
    (run.inbox / "whole").mkdir()
    threads = [
        threading.Thread(target=writer, args=(run.inbox / "whole" / f"{writer.__name__}.mp4", run.film()))
        for writer in WRITERS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for writer in WRITERS:
        assert run.wait(f"whole/{writer.__name__}")["state"] == "done"
    time.sleep(3)
    assert set(run.results("whole")) == {writer.__name__ for writer in WRITERS}, "once each"
    assert {count_frames(path) for path in (run.outbox / "whole").glob("*.mp4")} == {FRAMES}


# --- 2: heard --------------------------------------------------------------------------------------------


def test_sidecars_that_are_late_or_half_written_cost_nothing(run: Run) -> None:
    run.put("heard/late.mp4")
    time.sleep(0.5)
    run.put("heard/late.txt", b"calm piano")
    run.put("heard/slow.mp4")
    with (run.inbox / "heard" / "slow.mp4.txt").open("w", buffering=1) as file:
        for word in ("calm ", "piano\n", "softer\n"):
            file.write(word)
            time.sleep(1.2)
    asked = {name: run.wait(f"heard/{name}")["instructions"] for name in ("late", "slow")}
    assert asked == {"late": ["calm piano"], "slow": ["calm piano", "softer"]}
    run.put("heard/late.mp4.txt", b"loud drums")  # after it was sent: mentioned, not paid
    until(lambda: "the result stays as it is" in run.logs())
    assert set(run.results("heard")) == {"late", "slow"}


def test_a_sparse_sidecar_takes_no_memory(run: Run) -> None:
    run.put("sparse/a.mp4")
    with (run.inbox / "sparse" / "a.txt").open("wb") as file:
        file.truncate(3 * 2**30)
    assert run.wait("sparse/a")["error"]["code"] == "unusable_sidecar"
    (run.inbox / "sparse" / "a.txt").unlink()
    until((run.outbox / "sparse" / "a.mp4").exists, "its video is taken without it")
    assert [result["state"] for result in run.results("sparse").values()] == ["done"]
    assert largest_peak_mb(run) < 600


def largest_peak_mb(run: Run) -> float:
    """The largest peak of a process of the run's producer."""
    peaks = [0.0]
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            command = (path.parent / "cmdline").read_bytes()
            if b"producer" in command and (path.parent / "cwd").readlink() == run.folder:
                line = next(line for line in path.read_text().splitlines() if line.startswith("VmHWM"))
                peaks.append(int(line.split()[1]) / 1024)
        except (OSError, StopIteration):
            continue
    assert len(peaks) > 1, "the producer was not found"
    return max(peaks)


# --- 5, 9: failed, moved, deleted ------------------------------------------------------------------------


def test_a_queued_file_that_is_thrown_away_is_not_paid_and_one_that_is_renamed_is(run: Run) -> None:
    assert run.do("pause").returncode == 0
    thrown, renamed = run.put("moved/thrown.mp4"), run.put("moved/before.mp4")
    until(lambda: run.status()["states"].get("queued", 0) + run.status()["states"].get("parked", 0) >= 2)
    (run.inbox / "#recycle").mkdir()
    thrown.rename(run.inbox / "#recycle" / "thrown.mp4")
    renamed.rename(renamed.with_name("after.mp4"))
    time.sleep(4)
    assert run.do("resume").returncode == 0
    assert run.wait("moved/before")["source"].endswith("after.mp4")
    assert run.wait("moved/thrown")["error"]["code"] == "source_gone"
    assert not (run.outbox / "moved" / "thrown.mp4").exists()
    (run.inbox / "#recycle" / "thrown.mp4").rename(thrown)  # "put the file back"
    until((run.outbox / "moved" / "thrown.mp4").exists, "its advice helps")


def test_what_was_refused_is_taken_when_it_is_mended_and_never_sent_by_a_retry(run: Run) -> None:
    run.put("mended/empty.mp4", b"")
    run.put("mended/text.mp4", b"only words")
    for name in ("empty", "text"):
        assert run.wait(f"mended/{name}")["state"] == "failed"
    run.do("retry", "--failed")
    time.sleep(3)
    assert {result["state"] for result in run.results("mended").values()} == {"failed"}
    run.put("mended/empty.mp4")
    run.put("mended/text.mp4")
    for name in ("empty", "text"):
        until((run.outbox / "mended" / f"{name}.mp4").exists, name)
    assert set(run.results("mended")) == {"empty", "text"}


# --- 11, 12: changed content, names of versions ----------------------------------------------------------


def test_content_that_changes_between_the_samples_is_noticed(run: Run) -> None:
    content = run.film()
    there = run.put("changed/a.mp4", content)
    run.wait("changed/a")
    inode = there.stat().st_ino
    again = bytearray(content)
    again[len(again) // 18 + 40_000] ^= 1
    with there.open("r+b") as file:
        file.write(again)
    assert there.stat().st_ino == inode
    until(lambda: "written again since it was sent" in run.logs())
    assert set(run.results("changed")) == {"a"}


def test_a_strangers_file_in_the_outbox_stays_and_versions_have_one_scheme(run: Run) -> None:
    (run.outbox / "names").mkdir(parents=True)
    (run.outbox / "names" / "a.mp4").write_bytes(b"a stranger's")
    run.put("names/a.mp4")
    assert run.wait("names/a.v2")["state"] == "done"
    run.put("names/a.mp4")  # another film under the same name
    assert run.wait("names/a.v3")["state"] == "done"
    assert (run.outbox / "names" / "a.mp4").read_bytes() == b"a stranger's"


# --- 13, 16: rules, an emptied inbox ---------------------------------------------------------------------


def test_a_new_folder_rule_is_mentioned_and_pays_nothing(run: Run) -> None:
    run.put("ruled/a.mp4")
    run.wait("ruled/a")
    run.put("ruled/_dropscore.toml", b'instructions = ["soft strings"]')
    source = str(run.inbox / "ruled" / "a.mp4")
    until(lambda: any("stays as it is" in line and source in line for line in run.logs().splitlines()))
    run.put("ruled/sub/b.mp4")
    assert run.wait("ruled/sub/b")["instructions"] == ["soft strings"]
    assert set(run.results("ruled")) == {"a", "b"}


def test_an_emptied_inbox_is_empty_and_what_comes_then_is_taken(run: Run) -> None:
    for there in run.inbox.iterdir():
        shutil.rmtree(there) if there.is_dir() else there.unlink()
    time.sleep(4)
    run.put("after.mp4")
    assert run.wait("after")["state"] == "done"
    assert "root is away" not in run.logs()
    assert "Traceback" not in run.logs()


# --- runs of their own -----------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path, film: bytes) -> Iterator[Run]:
    """A folder nothing runs in yet."""
    run = Run(tmp_path, film)
    yield run
    run.stop()


@pytest.mark.skipif(not can_make_namespaces(), reason="no mounts of one's own here")
def test_an_inbox_that_may_only_be_read(own: Run) -> None:
    own.put("a.mp4")
    own.put("sub/b.mp4")
    own.put("sub/b.txt", b"calm piano")
    mount = 'mount --bind in in && mount -o remount,bind,ro in && ! touch in/x 2>/dev/null && exec "$@"'
    command = ["unshare", "-r", "-m", "sh", "-c", mount, "sh", *DROPSCORE]
    ended = subprocess.run(
        [*command, "run", "in", "--outbox", "out", "--once"],
        cwd=own.folder,
        env=own.environment(),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert {name: result["state"] for name, result in own.results().items()} == {"a": "done", "b": "done"}


def test_two_runs_on_one_outbox_pay_once(own: Run) -> None:
    own.put("a.mp4")
    assert own.once().returncode == 0
    other = own.once("--state-dir", "another")
    assert other.returncode != 0
    assert "belongs to another ledger" in other.stdout + other.stderr
    assert set(own.results()) == {"a"}


def test_once_ends_though_a_file_grows_for_ever(own: Run) -> None:
    own.put("a.mp4")
    ended = threading.Event()

    def grow() -> None:
        with (own.inbox / "grows.mp4").open("wb", buffering=0) as file:
            while not ended.wait(0.2):
                file.write(b"x" * 10_000)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        began = time.monotonic()
        assert own.once("--settle", "0.5").returncode == 1
        assert time.monotonic() - began < PATIENCE_S
    finally:
        ended.set()
        thread.join()
    assert set(own.results()) == {"a"}


def test_outside_the_hours_of_work_it_says_so_and_ends_with_4(own: Run) -> None:
    own.put("a.mp4")
    at = datetime.now().astimezone() + timedelta(hours=2)
    ended = own.once(DROPSCORE_HOURS=f"{at:%H}:00-{at:%H}:30")
    assert ended.returncode == 4, ended.stdout
    assert own.results() == {}


def test_a_new_text_of_a_skill_is_heard_for_what_comes_and_pays_nothing_again(own: Run) -> None:
    own.put("a.mp4")
    assert own.once().returncode == 0
    own.put("b.mp4")
    assert own.once(DROPSCORE_INSTRUCTION="soft strings").returncode == 0
    assert set(own.results()) == {"a", "b"}
    assert own.results()["b"]["instructions"] == ["soft strings"]


def test_it_goes_on_where_it_was_killed_and_pays_once(own: Run) -> None:
    for number in range(6):
        own.put(f"{number}.mp4")
    own.start()
    until(own.results, "none was done")
    assert own._process is not None
    own._process.kill()
    own._process.wait()
    own._process = None
    time.sleep(3)  # its children notice that it is gone
    assert own.once().returncode == 0
    assert {name: result["state"] for name, result in own.results().items()} == {
        str(number): "done" for number in range(6)
    }
    assert own.status()["states"].get("done") == 6


def test_a_file_dropped_during_a_large_first_scan_is_done_first(own: Run) -> None:
    made = ["-f", "lavfi", "-i", "testsrc=size=32x32:rate=5:duration=1", str(own.folder / "small.mp4")]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *made], check=True)
    small = (own.folder / "small.mp4").read_bytes()
    for number in range(5000):
        own.put(f"there/{number}.mp4", small + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))
    own.start()
    until(lambda: b"there/" in (own.folder / "run.log").read_bytes() or own.results(), "it does not begin")
    dropped = time.monotonic()
    own.put("dropped.mp4")
    assert own.wait("dropped")["state"] == "done"
    took_s = time.monotonic() - dropped
    done = len(own.results("there"))
    assert done < 2500, f"{done} went before it, in {took_s:.0f} s"
