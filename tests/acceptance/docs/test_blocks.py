"""Every command block of README.md and docs/*.md is run as it stands: see `tests.pages` for the marks."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.docs.world import World
from tests.pages import PAGES, ROOT, blocks

pytestmark = pytest.mark.acceptance

WITH_BLOCKS = [page for page in PAGES if blocks(page)]
FOR_AN_ENGINE = [page for page in PAGES if any(block.has("docker") for block in blocks(page))]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
def test_a_page_holds_what_it_says(page: Path, tmp_path: Path, clip: Path) -> None:
    """A reader follows a page from its top, in one folder, and sees what it shows."""
    world = World(tmp_path.resolve(), clip, on_path=page.name != "README.md")
    for block in blocks(page):
        if not block.has("docker"):
            world.run(block)


@pytest.mark.parametrize("page", FOR_AN_ENGINE, ids=lambda page: page.name)
def test_what_needs_an_engine_is_known_to_compose(page: Path, tmp_path: Path) -> None:
    """Where no engine need be: set-up runs, the file is read, and every word after ``docker compose`` is one.

    An engine runs them in `tests/acceptance/compose/test_compose.py`.
    """
    commands = [command.text for block in blocks(page) if block.has("docker") for command in block.commands]
    services = set(
        re.findall(r"(?m)^  ([a-z]+):$", (ROOT / "docker-compose.yml").read_text().split("services:")[1])
    )
    for command in commands:
        words = command.partition("#")[0].split()
        if words[:2] != ["docker", "compose"]:
            assert (ROOT / words[0]).is_file(), command
            continue
        assert words[2] in ("up", "stop", "exec", "ps", "logs", "down", "build"), command
        named = [word.partition("=")[0] for word in words[3:] if not word.startswith("-")]
        assert not named or named[0] in services, command
    for name in ("docker", "docker-compose.yml", ".env.example"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, tmp_path / name)
    subprocess.run(["sh", "docker/setup.sh"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    if (compose := shutil.which("docker-compose")) is None:
        pytest.skip("no docker-compose here: the words were looked at, the file was not read by it")
    subprocess.run([compose, "config", "--quiet"], cwd=tmp_path, check=True)
