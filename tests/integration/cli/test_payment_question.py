"""Before more than 20 new files are paid for at the cloud a person is asked, and a program says ``--yes``."""

import json
import os
import pty
import subprocess
import time

import imageio_ffmpeg
import pytest

from tests.integration.cli.conftest import COMMAND

pytestmark = pytest.mark.integration

CLOUD = {"DROPSCORE_BACKEND": "cloud", "NEMO_API_URL": "http://127.0.0.1:9", "STANDIN_PACE": "0.01"}


@pytest.fixture
def clips(place):
    """21 clips of half a second, each with a content of its own."""
    first = place.folder / "first.mp4"
    lines = ["-f", "lavfi", "-i", "testsrc=size=32x32:rate=5:duration=0.5"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *lines, str(first)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    for number in range(21):
        free = (20).to_bytes(4, "big") + b"free" + f"{number:012}".encode()
        (place.inbox / f"{number:02}.mp4").write_bytes(first.read_bytes() + free)
    first.unlink()
    return place.inbox


def answer(place, line, *arguments):
    """Run at a terminal of its own, and answer the question; returns the exit code and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=place.folder,
        env=place.environment(**CLOUD),
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    gives_up = time.monotonic() + 40
    while b"[y/N]" not in shown and time.monotonic() < gives_up:
        shown += os.read(ours, 1000)
    if line is None:
        process.send_signal(2)
    else:
        os.write(ours, line)
    while True:
        try:
            shown += os.read(ours, 1000)
        except OSError:  # the other end is closed: it has ended
            break
    os.close(ours)
    return process.wait(60), shown.decode()


def states(place):
    return json.loads(place.run("status", "--json").stdout)["states"]


@pytest.mark.parametrize("command", [("run", "inbox", "--once"), ("submit", "inbox")])
def test_without_a_terminal_it_is_one_line_and_nothing_is_paid(place, clips, command):
    ended = place.run(*command, **CLOUD)
    assert ended.returncode == 2
    assert ended.stderr == (
        "dropscore: 21 new files at NemoVideo, about 1,050 credits: nothing was paid; "
        "add --yes if that is right\n"
    )
    assert sum(states(place).values()) == 0
    assert place.done() == 0


@pytest.mark.parametrize(
    ("command", "line"), [(("run", "inbox", "--once"), None), (("submit", "inbox"), b"\n")]
)
def test_no_and_ctrl_c_end_it_and_nothing_is_paid(place, clips, command, line):
    code, shown = answer(place, line, *command)
    assert "21 new files at NemoVideo, about 1,050 credits. Go on? [y/N]" in shown
    assert code == 130
    assert sum(states(place).values()) == 0


def test_yes_at_a_terminal_submits(place, clips):
    code, _shown = answer(place, b"y\n", "submit", "inbox")
    assert code == 0
    assert states(place)["queued"] == 21


def test_a_program_says_yes_and_what_is_known_is_no_reason_to_ask(place, clips):
    submitted = place.run("submit", "inbox", "--yes", **CLOUD)
    assert (submitted.returncode, submitted.stdout.split(":")[0]) == (0, "21 files submitted")
    again = place.run("submit", "inbox", **CLOUD)
    assert again.stdout.startswith("Nothing new to submit.")


def test_a_run_that_may_pay_starts_its_parts(place, clips):
    run = place.start("run", "inbox", "--yes", **CLOUD)
    place.pid_of("-m producer")
    run.terminate()
    run.communicate(timeout=60)


@pytest.mark.parametrize("environment", [{}, {"STANDIN_PACE": "0.01"}])
def test_few_files_and_the_local_studio_are_not_asked_about(place, clips, environment):
    if not environment:
        for path in sorted(clips.iterdir())[20:]:
            path.unlink()
        environment = CLOUD
    ended = place.run("submit", "inbox", **environment)
    assert ended.returncode == 0, ended.stderr


def test_a_list_with_null_characters_has_any_name(place, clips):
    odd = place.inbox / "#a\nb.mp4"
    (place.inbox / "00.mp4").rename(odd)
    listed = "\0".join([str(odd), "inbox/01.mp4", ""])
    (place.folder / "names").write_text(listed)
    planned = place.run("submit", "-n", "-0", "-a", "names", "--json")
    report = json.loads(planned.stdout)
    assert [row["source"] for row in report["rows"]] == [str(odd), str(place.inbox / "01.mp4")]
    piped = subprocess.run(
        [*COMMAND, "submit", "-n", "--null", "-a", "-", "--json"],
        cwd=place.folder,
        env=place.environment(),
        input=listed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(piped.stdout)["files"] == 2
