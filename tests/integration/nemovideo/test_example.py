"""The ten lines of `docs/nemovideo.md` and of the package's docstring: the same, and they work."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

import nemovideo

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]


def example() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "nemovideo.md").read_text("utf-8"), re.S)
    return str(found)


@pytest.fixture
def studio_url(tmp_path: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "studio", "--root", str(tmp_path / "studio"), "--port", "0"]
    flags = ["--think-s", "0.05", "--silent-share", "0"]
    process = subprocess.Popen(
        [*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.terminate()
    process.wait(30)
    process.stdout.close()


def test_the_page_and_the_docstring_show_the_same() -> None:
    assert nemovideo.__doc__ is not None
    shown = nemovideo.__doc__.split("\n\n", 1)[1].rsplit("\n\nAn edit costs", 1)[0]
    assert textwrap.dedent(shown).strip() == example().strip()


def test_the_example_makes_a_video_with_music(
    studio_url: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NEMO_TOKEN", raising=False)
    monkeypatch.setenv("NEMO_API_URL", studio_url)
    monkeypatch.setenv("NEMO_STATE_DIR", str(tmp_path / "state"))
    # The studio is done sooner than the service: no need to wait half a minute.
    monkeypatch.setattr("nemovideo.client.POLL_S", 0.2)
    exec(compile(example(), "docs/nemovideo.md", "exec"), {})  # noqa: S102  # our own page
    with av.open(str(tmp_path / "clip.music.mp4")) as video:
        assert video.streams.video and video.streams.audio
    assert list((tmp_path / "state").glob("account-*.json"))


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(nemovideo.__file__).with_name("py.typed").is_file()
