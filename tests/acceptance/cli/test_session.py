"""The whole main job, end to end: the samples, the command, every real part."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

from cli.samples import copy_samples

pytestmark = pytest.mark.acceptance

COMMAND = (sys.executable, "-P", "-c", "from cli.main import main; main()")


def environment(**extra):
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "XDG_STATE_HOME") if name in os.environ
    }
    return {**kept, "PYTHONUTF8": "1", **extra}


def dropscore(folder, *arguments, **extra):
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def alive_in(folder):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink().is_relative_to(folder):
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def seconds_of(path):
    with av.open(str(path)) as container:
        assert container.streams.video, path
        assert container.streams.audio, path
        return container.duration / 1e6


@pytest.fixture
def place(tmp_path):
    folder = tmp_path.resolve() / "My Videos (2024) ü"  # what people call their folders
    folder.mkdir()
    return folder


def test_three_samples_become_three_videos_with_music(place):
    assert dropscore(place, "samples", "inbox").stdout == "3 sample clips in inbox\n"
    ended = dropscore(place, "run", "inbox", "--once")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert "3 done. Results are in outbox" in ended.stdout
    for name, length_s in (("quiet-sky", 6.0), ("talk", 7.0), ("two-scenes", 8.0)):
        assert seconds_of(place / "outbox" / f"{name}.mp4") == pytest.approx(length_s, abs=0.1)
        result = json.loads((place / "outbox" / f"{name}.result.json").read_text())
        assert (result["state"], result["error"]) == ("done", None)
        assert "BGM" in result["timeline"]
    began = time.monotonic()
    again = dropscore(place, "run", "inbox", "--once")
    assert again.returncode == 0
    assert "Nothing new to do." in again.stdout
    assert time.monotonic() - began < 30  # 3 s on an idle machine
    shutil.rmtree(place / "outbox")
    restored = dropscore(place, "run", "inbox", "--once")
    assert "3 outputs gone from outbox: made again at no cost" in restored.stdout
    assert "3 done. Results are in outbox" in restored.stdout
    assert seconds_of(place / "outbox" / "talk.mp4") == pytest.approx(7.0, abs=0.1)
    assert alive_in(place) == []


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return copy_samples(tmp_path_factory.mktemp("clips"))


def drop(clips, place, *names):
    (place / "inbox").mkdir()
    for clip in clips:
        if clip.stem in names:
            shutil.copy(clip, place / "inbox")


def test_a_killed_run_goes_on_where_it_stood_and_a_bad_file_stops_no_other(place, clips):
    drop(clips, place, "quiet-sky")
    (place / "inbox" / "text.mp4").write_text("only words")
    (place / "inbox" / "README.md").write_text("left alone")
    flags = ("run", "inbox", "-i", "add calm piano music", "--skill", "music-ab2n", "--settle", "0.5")
    process = subprocess.Popen(
        [*COMMAND, *flags],
        cwd=place,
        env=environment(DROPSCORE_LEASE="2"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert any(": edit" in line for line in process.stdout)
    process.kill()
    process.communicate()
    gives_up = time.monotonic() + 6
    while alive_in(place) and time.monotonic() < gives_up:
        time.sleep(0.1)
    assert alive_in(place) == []
    ended = dropscore(place, *flags, "--once", DROPSCORE_LEASE="2", DROPSCORE_DISCONNECT_WAITS="0.5,1,1")
    assert ended.stderr == "", ended.stdout
    assert "text.mp4" in ended.stdout  # whichever of the two runs found that it is none
    results = {path.name: json.loads(path.read_text()) for path in (place / "outbox").glob("*.json")}
    assert set(results) == {"quiet-sky.result.json", "text.result.json"}
    done = results["quiet-sky.result.json"]
    assert done["state"] in {
        "done",
        "unconfirmed",
    }  # an instruction on its way at the kill is never sent again
    assert (done["skill"], done["instructions"]) == ("music-ab2n", ["add calm piano music"])
    assert results["text.result.json"]["error"]["advice"]
    failed = json.loads(dropscore(place, "results", "--state", "failed", "--json").stdout)
    assert [Path(row["source"]).name for row in failed] == ["text.mp4"]
