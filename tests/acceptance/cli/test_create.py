"""``create`` from the command line: every real part, alone and beside a run that goes on."""

import json
import signal
import subprocess
import time
from pathlib import Path

import av
import pytest

from tests.acceptance.cli.test_session import COMMAND, alive_in, dropscore, environment

pytestmark = pytest.mark.acceptance

LAKE = ("create", "3 seconds of a calm lake", "-o")


def test_words_become_a_video_once_and_can_be_tweaked(tmp_path: Path) -> None:
    ended = dropscore(tmp_path, *LAKE, "lake.mp4", "--json")
    assert ended.returncode == 0, ended.stderr
    made = json.loads(ended.stdout)
    assert (made["state"], made["source"]) == ("done", "text://3 seconds of a calm lake")
    assert "BGM" in made["timeline"]
    with av.open(str(tmp_path / "lake.mp4")) as film:
        assert (len(film.streams.video), len(film.streams.audio)) == (1, 1)
        assert film.duration / 1e6 == pytest.approx(3.0, abs=0.1)
    again = dropscore(tmp_path, *LAKE, "lake.mp4")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "lake.mp4")
    (tmp_path / "lake.mp4").unlink()
    restored = dropscore(tmp_path, *LAKE, "lake.mp4", "--json")
    assert restored.returncode == 0, restored.stderr
    assert (
        json.loads(restored.stdout)["ids"]["session"] == made["ids"]["session"]
    )  # not edited, nor paid, again
    assert (tmp_path / "lake.mp4").exists()
    tweaked = dropscore(tmp_path, "tweak", "lake.mp4", "make the music softer")
    assert (tweaked.returncode, tweaked.stdout) == (0, "lake.v2.mp4: queued\n")
    assert alive_in(tmp_path) == []


def test_a_run_that_goes_on_takes_it_up(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    run = subprocess.Popen(
        [*COMMAND, "run", "inbox"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        gives_up = time.monotonic() + 30
        while dropscore(tmp_path, "status", "--json").returncode and time.monotonic() < gives_up:
            time.sleep(0.2)
        ended = dropscore(tmp_path, *LAKE, "lake.mp4")
        assert ended.returncode == 0, (ended.stdout, ended.stderr)
        assert ended.stdout.splitlines()[-1] == "lake.mp4"
        assert (tmp_path / "lake.mp4").exists()
    finally:
        run.send_signal(signal.SIGTERM)
        assert run.communicate(timeout=60)
    assert alive_in(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("create", " ", "-o", "a.mp4"), "say what the video is to show"),
        (("create", "rain", "-o", "a.mov"), "a.mov: name a file that ends with .mp4"),
        (("create", "rain", "-o", "there.mp4"), "there.mp4: is there already; name another file with -o"),
        (("create", "rain", "-o", "file/a.mp4"), "file/a.mp4: nothing can be written there"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    (tmp_path / "there.mp4").write_text("another's")
    (tmp_path / "file").write_text("no folder")
    ended = dropscore(tmp_path, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert line in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert (tmp_path / "there.mp4").read_text() == "another's"
