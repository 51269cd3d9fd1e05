"""An outbox with real media, and a real browser."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest

HOSTILE = "<img src=x onerror=document.title='owned'> & \"odd\" #1?.mp4"
MUSIC = "Timeline (2 tracks): 1. Video: a (0-2s) 2. BGM: Lo-fi (0-2s, 35%)"


def ffmpeg(*arguments: str) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short clips: ``silent``, ``loud``, ``flat``, ``turned`` (upright by its matrix), and a ``song``."""
    folder = tmp_path_factory.mktemp("media")
    picture = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=2"]
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"]
    encode = ["-pix_fmt", "yuv420p", "-preset", "ultrafast"]
    ffmpeg(*picture, *encode, str(folder / "silent.mp4"))
    ffmpeg(*picture, *tone, *encode, str(folder / "loud.mp4"))
    half = ["-f", "lavfi", "-i", "color=red:size=160x90:rate=10:duration=1,drawbox=w=80:c=blue:t=fill"]
    ffmpeg(*half, *encode, str(folder / "flat.mp4"))
    turn = ["-display_rotation", "90", "-i", str(folder / "flat.mp4"), "-c", "copy"]
    ffmpeg(*turn, str(folder / "turned.mp4"))
    ffmpeg(*tone, str(folder / "song.mp3"))
    return folder


@pytest.fixture
def outbox(tmp_path: Path, media: Path) -> Path:
    """One file done, one hostile by name and failed, one whose output is gone."""
    inbox, folder = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    folder.mkdir()
    shutil.copy(media / "silent.mp4", inbox / "a.mp4")
    shutil.copy(media / "loud.mp4", folder / "a.mp4")
    (inbox / HOSTILE).write_bytes(b"no video")
    put(folder / "a", inbox / "a.mp4", output=str(folder / "a.mp4"), timeline=MUSIC, texts=["Added Lo-fi."])
    error = {
        "code": None,
        "class": "Unsupported",
        "message": f"{HOSTILE}: no",
        "advice": "Export <b>again</b>",
    }
    put(folder / "b", inbox / HOSTILE, state="failed", error=error)
    put(folder / "c", inbox / "gone.mp4", output=str(folder / "gone.mp4"), texts=["long " * 300])
    return folder


def put(stem: Path, source: Path, **changes: object) -> None:
    """Write a result with two steps."""
    at = ["2026-11-20T10:00:00Z", "2026-11-20T10:00:02Z", "2026-11-20T10:00:07Z"]
    steps = [
        {"step": step, "started": began, "ended": ended, "attempts": 1}
        for step, began, ended in (("upload", at[0], at[1]), ("edit", at[1], at[2]))
    ]
    said = {
        "job": stem.name,
        "source": str(source),
        "output": None,
        "state": "done",
        "step": "download",
        "skill": "add-music",
        "instructions": ["add calm music"],
        "timeline": "",
        "texts": [],
        "changes": [],
        "steps": steps,
        "credits": {"before": 100, "after": 50, "spent": 50},
        "error": None,
        "ids": {},
        "sha256": {},
        "bytes": 1000,
        "duration_s": 2.0,
        "created": at[0],
        "ended": at[2],
    }
    stem.with_name(f"{stem.name}.result.json").write_text(json.dumps({**said, **changes}))


Browser = Callable[[str], tuple[str, str]]


@pytest.fixture
def chromium() -> Iterator[list[str]]:
    """How a browser without a window is started, with a profile of its own."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine: the report is not opened in a browser")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        yield [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]


@pytest.fixture
def browser(chromium: list[str]) -> Browser:
    """Open a page; answers the document as it stands then, and what the console said."""
    flags = ["--enable-logging=stderr", "--virtual-time-budget=4000", "--dump-dom"]

    def look(address: str) -> tuple[str, str]:
        done = subprocess.run([*chromium, *flags, address], capture_output=True, timeout=60, check=True)
        lines = done.stderr.decode(errors="replace").splitlines()
        return done.stdout.decode(), "\n".join(line for line in lines if "CONSOLE" in line)

    return look
