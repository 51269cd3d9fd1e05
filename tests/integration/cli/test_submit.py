"""A backlog submitted by the real command: planned, refused, submitted, and finished by the next run."""

import json
import subprocess

import imageio_ffmpeg
import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def clips(place):
    """Two clips of half a second."""
    for number, name in enumerate(("a.mp4", "b.mp4")):
        lines = ["-f", "lavfi", "-i", f"testsrc=size=32x32:rate={5 + number}:duration=1"]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *lines, str(place.inbox / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return place.inbox


def test_a_plan_writes_nothing(place, clips):
    said = place.run("submit", "-n", "inbox", "--json")
    assert (said.returncode, said.stderr) == (0, "")
    report = json.loads(said.stdout)
    assert (report["files"], report["credits"], report["dry_run"]) == (2, 100, True)
    assert [row["action"] for row in report["rows"]] == ["submit", "submit"]
    assert {path.name for path in place.folder.iterdir()} == {"inbox"}


def test_a_bad_row_stops_all_unless_it_is_skipped(place, clips):
    (place.folder / "list.csv").write_text("path\ninbox/a.mp4\ninbox/gone.mp4\ninbox/b.mp4\n")
    refused = place.run("submit", "--manifest", "list.csv")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "dropscore: list.csv, row 3: inbox/gone.mp4 does not exist\n"
        "dropscore: nothing was submitted; correct these rows, or leave them out with --skip-bad\n"
    )
    assert not place.state.exists()
    said = place.run("submit", "--manifest", "list.csv", "--skip-bad")
    assert (said.returncode, said.stdout.splitlines()[0].split(":")[0]) == (0, "2 files submitted")
    assert "1 bad row left out" in said.stdout


def test_what_was_submitted_is_finished_by_the_next_run(place, clips):
    (place.inbox / "words.mp4").write_text("only words")
    said = place.run("submit", "inbox", "-i", "calm piano", "--priority", "7")
    assert said.returncode == 1  # one file was refused
    assert "content is text" in said.stdout
    assert "They begin with the next: dropscore run INBOX" in said.stdout
    counts = json.loads(place.run("status", "--json").stdout)["states"]
    assert (counts["queued"], counts["failed"]) == (2, 1)
    one = json.loads(place.run("status", "inbox/a.mp4", "--json").stdout)
    assert (one["state"], one["instructions"]) == ("queued", ["calm piano"])
    (place.folder / "other").mkdir()
    ended = place.run("run", "other", "--once", STANDIN_PACE="0.01")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert place.done() == 2


def test_submitted_beside_a_run_it_begins_at_once_and_twice_is_once(place, clips):
    (place.folder / "other").mkdir()
    run = place.start("run", "other", STANDIN_PACE="0.01")
    place.pid_of("-m worker")
    said = place.run("submit", "inbox/a.mp4")
    assert (said.returncode, "They begin" in said.stdout) == (0, False), said.stderr
    again = place.run("submit", "inbox/a.mp4")
    assert again.stdout.startswith("Nothing new to submit.")
    anew = place.run("submit", "inbox/a.mp4", "--again", "monday")
    assert anew.stdout.startswith("1 file submitted")
    run.terminate()
    run.communicate(timeout=60)


def test_status_watch_needs_a_run_and_follows_it(place, clips):
    refused = place.run("status", "--watch")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    (place.folder / "other").mkdir()
    run = place.start("run", "other", STANDIN_PACE="0.01")
    place.pid_of("-m worker")
    watching = place.start("status", "--watch")
    assert watching.stdout.readline() == "No files yet.\n"
    place.run("submit", "inbox/a.mp4")
    assert any("1 done" in line for line in watching.stdout)
    watching.send_signal(2)
    watching.communicate(timeout=60)
    assert watching.returncode == 0
    run.terminate()
    run.communicate(timeout=60)


def test_watch_without_an_inbox_takes_the_roots_of_the_settings(place):
    none = place.run("watch")
    assert (none.returncode, none.stderr.count("\n")) == (2, 1)
    assert "[[roots]]" in none.stderr
