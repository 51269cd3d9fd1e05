"""Files that the service would refuse are made into some that it takes; the originals stay as they are."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

from cli.states import choose_state
from config.skills import MAX_BYTES
from jobs.ledger import StepResult
from jobs.model import State, Step
from producer import transcode as recipes
from producer.backlog import Backlog
from producer.errors import Refused, TranscodingStopped
from producer.instructions import InstructionSpec
from producer.manifest import Entry
from producer.submit import SubmissionOutcome, Submitter
from producer.transcode import remove_leftovers, transcode

pytestmark = pytest.mark.integration

TONE = ("-f", "lavfi", "-i", "sine=frequency=330:duration=1")


def ffmpeg(*arguments):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def video(path, seconds=1, size="64x64"):
    ffmpeg("-f", "lavfi", "-i", f"testsrc=size={size}:rate=5:duration={seconds}", *TONE, path)
    return path


def kept(bench):
    return sorted((bench.settings.state_dir / "prepared").glob("*"))


def streams(path):
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams], container.format.name


@pytest.mark.parametrize(
    ("name", "tail", "kinds"),
    [
        ("a b.wmv", "mp4", ["video", "audio"]),
        ("-dash.flv", "mp4", ["video", "audio"]),
        ("odd.ts", "mp4", ["video", "audio"]),
        ("x%d.m4v", "mp4", ["video", "audio"]),
    ],
)
def test_with_convert_a_foreign_container_is_sent_as_mp4(bench, name, tail, kinds):
    source = video(bench.inbox / name, size="66x50")
    before = source.read_bytes()
    assert bench.once(convert=True) == 0
    (job,) = bench.jobs()
    (made,) = kept(bench)
    assert (job.state, job.spec.prepared) == (State.QUEUED, str(made))
    assert (made.name, job.spec.size_bytes) == (f"{job.id}.{tail}", len(before))
    assert job.spec.duration_s == pytest.approx(1.0, abs=0.3)
    assert streams(made)[0] == kinds
    assert source.read_bytes() == before
    assert bench.once(convert=True) == 0
    assert len(bench.jobs()) == 1


def test_sound_and_pictures_are_converted_to_their_like(bench):
    ffmpeg(*TONE, bench.inbox / "tone.flac")
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=32x32:duration=1", "-frames:v", "1", bench.inbox / "still.bmp")
    bench.once(convert=True)
    assert {Path(job.spec.prepared).suffix for job in bench.jobs()} == {".m4a", ".png"}
    assert all(job.state is State.QUEUED for job in bench.jobs())


def test_a_file_refused_before_is_taken_once_convert_is_said(bench):
    video(bench.inbox / "a.flv")
    bench.once()
    (refused,) = bench.jobs()
    assert refused.state is State.FAILED
    assert "--convert" in refused.problem.advice
    bench.once(convert=True)
    assert [job.state for job in bench.jobs() if job.id != refused.id] == [State.QUEUED]


def test_what_cannot_be_converted_is_a_clear_result(bench):
    bench.put("a.flv", b"FLV\x01 and nothing else")
    bench.once(convert=True)
    (job,) = bench.jobs()
    assert (job.state, job.problem.code) == (State.FAILED, "not_converted")
    assert Path(job.spec.result).exists()
    assert kept(bench) == []


def test_a_playlist_behind_a_foreign_name_opens_nothing(bench):
    secret = video(bench.inbox / "sub.ts")
    bench.put("list.wmv", f"#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n".encode())
    bench.once(convert=True)
    assert {Path(job.spec.source).name: job.state for job in bench.jobs()} == {
        "list.wmv": State.FAILED,
        "sub.ts": State.QUEUED,
    }


def test_with_shrink_a_file_that_is_too_large_is_made_to_fit(bench):
    source = video(bench.inbox / "big.mp4", seconds=2)
    with source.open("ab") as file:  # a free box, with a hole in it: large, and still a video
        file.write((MAX_BYTES + 8).to_bytes(4, "big") + b"free")
        file.truncate(file.tell() + MAX_BYTES)
    bench.once()
    (refused,) = bench.jobs()
    assert (refused.problem.service_code, "--shrink" in refused.problem.advice) == (4002, True)
    bench.once(shrink=True)
    (job,) = [job for job in bench.jobs() if job.id != refused.id]
    assert Path(job.spec.prepared).stat().st_size < MAX_BYTES
    assert job.spec.output == str(bench.outbox / "big.mp4")


def test_the_rate_is_capped_so_that_it_fits(tmp_path):
    noise = "nullsrc=size=640x360:rate=25:duration=8,geq=random(1)*255:128:128"
    ffmpeg("-f", "lavfi", "-i", noise, "-c:v", "mpeg4", "-b:v", "30M", tmp_path / "noise.avi")
    limit_bytes = 1_500_000
    assert (tmp_path / "noise.avi").stat().st_size > limit_bytes
    transcode(str(tmp_path / "noise.avi"), str(tmp_path / "fits.mp4"), threading.Event(), limit_bytes)
    assert limit_bytes / 4 < (tmp_path / "fits.mp4").stat().st_size <= limit_bytes


def test_what_would_become_too_poor_is_refused_and_nothing_is_left(tmp_path):
    video(tmp_path / "long.mp4", seconds=20)
    with pytest.raises(Refused) as refused:
        transcode(str(tmp_path / "long.mp4"), str(tmp_path / "p" / "x.mp4"), threading.Event(), 100_000)
    assert refused.value.problem.service_code == 4002
    assert list((tmp_path / "p").iterdir()) == []


def test_a_stop_ends_ffmpeg_and_leaves_nothing(tmp_path):
    video(tmp_path / "long.mp4", seconds=60, size="640x360")
    stop, asked = threading.Event(), []

    def stop_when_it_has_begun():
        while not list(tmp_path.glob("p/*.part")):
            time.sleep(0.02)
        asked.append(time.monotonic())
        stop.set()

    threading.Thread(target=stop_when_it_has_begun, daemon=True).start()
    with pytest.raises(TranscodingStopped):
        transcode(str(tmp_path / "long.mp4"), str(tmp_path / "p" / "x.mp4"), stop)
    assert time.monotonic() - asked[0] < 8
    assert list((tmp_path / "p").iterdir()) == []


def test_no_room_is_no_fault_of_the_file(bench, monkeypatch):
    video(bench.inbox / "a.flv")
    monkeypatch.setattr(recipes, "_SPARE_BYTES", 2**60)
    bench.once(convert=True)
    assert bench.jobs() == []
    monkeypatch.undo()
    bench.once(convert=True)
    assert [job.state for job in bench.jobs()] == [State.QUEUED]


def test_what_was_made_is_swept_when_its_job_is_done(bench):
    video(bench.inbox / "a.flv")
    bench.once(convert=True)
    folder, ledger, (job,) = bench.settings.state_dir / "prepared", bench.ledger, bench.jobs()
    (folder / "x.mp4.1.part").touch()
    os.utime(folder / "x.mp4.1.part", (1, 1))
    remove_leftovers(ledger, folder, time.time())
    assert [path.name for path in kept(bench)] == [f"{job.id}.mp4"]
    ledger, held = bench.claim(job)
    assert ledger.commit(held, StepResult(State.DONE, Step.DOWNLOAD), {}, ())
    remove_leftovers(ledger, folder, time.time())
    assert kept(bench) == []


def test_a_backlog_is_converted_too(bench):
    source = video(bench.inbox / "a.flv")
    backlog = Backlog(bench.ledger, bench.outbox, bench.settings.model_copy(update={"convert": True}))
    plan = backlog.plan([Entry(str(source), InstructionSpec.model_validate({}))], sleep=lambda seconds: None)
    assert kept(bench) == []  # a plan writes nothing
    (taken,) = backlog.submit(plan, Submitter(bench.ledger))
    (job,) = bench.jobs()
    assert (taken.fate, [str(path) for path in kept(bench)]) == (SubmissionOutcome.NEW, [job.spec.prepared])


def test_the_whole_way_of_a_file_that_was_refused_and_is_then_converted(tmp_path):
    def run(*flags):
        command = [sys.executable, "-P", "-c", "from cli.main import main; main()", "run", "in", "--once"]
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("DROPSCORE", "NEMO"))
        }
        return subprocess.run(
            [*command, "--settle", "0.2", *flags],
            cwd=tmp_path,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    (tmp_path / "in").mkdir()
    source = video(tmp_path / "in" / "old clip.wmv")
    before = source.read_bytes()
    refused = run()
    assert (refused.returncode, "--convert" in refused.stdout) == (1, True), refused.stdout + refused.stderr
    done = run("--convert")
    assert done.returncode == 0, done.stdout + done.stderr
    assert streams(tmp_path / "outbox" / "old clip.mp4")[0] == ["video", "audio"]
    assert list((choose_state(f"{tmp_path}/outbox") / "prepared").iterdir()) == []
    assert source.read_bytes() == before
