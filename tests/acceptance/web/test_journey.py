"""What a person does: drop three clips, see them move, hear before and after, say a sentence, choose."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.web.conftest import break_axe_rules

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(300)]

SAMPLES = Path(__file__).parents[3] / "samples"
SOON_MS = 120_000


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder in which ``dropscore run inbox --web`` goes on, and the address of its page."""
    (tmp_path / "inbox").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    environment = os.environ | {
        "DROPSCORE_WEB_PORT": port,
        "DROPSCORE_SETTLE": "0.2",
        "XDG_STATE_HOME": str(tmp_path / "known"),
    }
    command = [sys.executable, "-P", "-c", "from cli.main import main; main()", "run", "inbox", "--web"]
    run = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert run.stdout is not None
    for line in run.stdout:
        if "The page is at" in line:
            break
    yield tmp_path, f"http://127.0.0.1:{port}/"
    for _ in range(2):
        run.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(15)
            break
    run.stdout.close()


@pytest.fixture
def page(browser: Browser, place: tuple[Path, str]) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    said: list[str] = []
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(place[1])
    yield opened
    opened.close()
    assert said == []


def test_three_clips_are_dropped_heard_changed_cancelled_and_tried_again(
    page: Page, place: tuple[Path, str]
) -> None:
    folder, _ = place
    names = ["quiet-sky.mp4", "talk.mp4", "two-scenes.mp4"]
    broken = folder / "broken.mp4"
    broken.write_text("no video")

    # Dropped, and seen to move. The third waits behind a pause, to be cancelled.
    page.set_input_files("#pick-files", [str(SAMPLES / name) for name in names[:2]])
    for name in names[:2]:
        expect(page.locator(".card.done", has_text=name)).to_be_visible(timeout=SOON_MS)
    assert (folder / "outbox" / "talk.mp4").is_file()

    # Before and after, at the same second.
    page.locator(".card", has_text="talk.mp4").locator("button").click()
    video = page.locator("#sheet video:not([hidden])")
    expect(page.get_by_role("button", name="After")).to_have_attribute("aria-pressed", "true")
    video.evaluate("(it) => { it.currentTime = 1.5; }")
    video.evaluate("(it) => it.readyState > 1 || new Promise((done) => it.addEventListener('seeked', done))")
    page.get_by_role("button", name="Before").click()
    before = page.locator("#sheet video:not([hidden])")
    expect(before).to_have_attribute("src", re.compile("/before"))
    before.evaluate(
        "(it) => it.currentTime === 1.5 || new Promise((done) => it.addEventListener('seeked', done))"
    )
    assert before.evaluate("(it) => it.currentTime") == 1.5
    assert before.evaluate("async (it) => { await it.play(); return it.videoWidth; }") > 0
    expect(page.locator(".sound svg path.wave.after")).to_have_count(1)
    assert break_axe_rules(page) == []

    # One more sentence makes the next version beside the last; it is heard at once, and may stay.
    page.get_by_role("button", name="Softer").click()
    page.get_by_role("button", name="Make it").click()
    expect(page.locator(".versions li.done")).to_have_count(2, timeout=SOON_MS)
    expect(page.get_by_role("button", name="Version 2", exact=True)).to_have_attribute("aria-pressed", "true")
    assert (folder / "outbox" / "talk.v2.mp4").is_file()
    page.get_by_role("button", name="Keep this one").last.click()
    expect(page.locator(".versions li.stays")).to_have_count(1)
    assert (folder / "outbox" / "other versions" / "talk.mp4").is_file()
    assert (folder / "outbox" / "other versions" / "talk.result.json").is_file()
    assert not (folder / "outbox" / "talk.mp4").exists()
    page.keyboard.press("Escape")

    # Paused, cancelled, gone on, and tried again.
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".pill")).to_have_text("Paused")
    page.set_input_files("#pick-files", str(SAMPLES / names[2]))
    waiting = page.locator(".card.waiting", has_text=names[2])
    expect(waiting).to_be_visible(timeout=SOON_MS)
    waiting.locator("button").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#sheet .state-line")).to_contain_text("cancelled")
    page.get_by_role("button", name="Retry").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Resume").first.click()
    expect(page.locator(".card.done", has_text=names[2])).to_be_visible(timeout=SOON_MS)

    # What needs a person stands on top, with its file.
    page.set_input_files("#pick-files", str(broken))
    expect(page.locator(".need.failed")).to_contain_text("broken.mp4", timeout=SOON_MS)
    assert break_axe_rules(page) == []


def test_music_is_chosen_by_ear_and_applied(page: Page, place: tuple[Path, str]) -> None:
    folder, _ = place
    page.set_input_files("#pick-files", str(SAMPLES / "talk.mp4"))
    expect(page.locator(".card.done", has_text="talk.mp4")).to_be_visible(timeout=SOON_MS)
    page.locator(".card", has_text="talk.mp4").locator("button").click()
    page.get_by_label("Choose by ear").first.locator("visible=true")
    page.locator("#moods").fill("calm, epic")
    page.get_by_role("button", name="Let me hear").click()
    expect(page.locator(".heard li")).to_have_count(2, timeout=SOON_MS)
    heard = page.locator(".heard video").last
    assert heard.evaluate("async (it) => { await it.play(); return it.duration; }") > 2
    assert break_axe_rules(page) == []
    page.get_by_role("button", name="Use for this file").last.click()
    expect(page.locator(".versions li.done")).to_have_count(2, timeout=SOON_MS)
    assert (folder / "outbox" / "talk.v2.mp4").is_file()
    page.get_by_role("button", name="For the folder").first.click()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".versions li")).to_have_count(3, timeout=SOON_MS)
    assert "add calm background music" in (folder / "inbox" / "_dropscore.toml").read_text(encoding="utf-8")


def test_a_twin_of_a_name_replaces_nothing(page: Page, place: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = place
    shutil.copy(SAMPLES / "talk.mp4", tmp_path / "one.mp4")
    for source in ("talk.mp4", "quiet-sky.mp4"):
        shutil.copy(SAMPLES / source, tmp_path / "one.mp4")
        page.set_input_files("#pick-files", str(tmp_path / "one.mp4"))
        expect(page.locator(".uploads .word", has_text="in the inbox").first).to_be_visible(timeout=SOON_MS)
    inbox = folder / "inbox"
    expect(page.locator(".card", has_text="one (2).mp4")).to_be_visible(timeout=SOON_MS)
    assert (inbox / "one.mp4").read_bytes() == (SAMPLES / "talk.mp4").read_bytes()
    assert [path.name for path in inbox.iterdir() if path.name.startswith(".")] == []
