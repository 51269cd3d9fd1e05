"""The wheel and the sdist: what is in them, and whether they work where nothing else is installed."""

import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.commands import say

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[3]
MINORS = (11, 12, 13)
BUILD = "import hatchling.build as b, sys; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both, built from the checkout without asking anybody for anything."""
    folder = tmp_path_factory.mktemp("dist")
    names = {
        kind: say(sys.executable, "-c", BUILD, kind, str(folder), cwd=ROOT).split()[-1]
        for kind in ("wheel", "sdist")
    }
    return {kind: folder / name for kind, name in names.items()}


def find_python(minor: int) -> str | None:
    """Return a Python 3.``minor`` of this machine: this one, one on the path, or pyenv's."""
    if sys.version_info[1] == minor:
        return sys.executable
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = sorted(versions.glob(f"3.{minor}.*/bin/python"))
    return str(found[-1]) if found else None


def test_the_wheel_has_the_program_and_nothing_else(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = wheel.namelist()
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        text = wheel.read(metadata).decode()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {
        "cli", "config", "jobs", "nemovideo", "producer", "storage", "studio", "web", "worker",
    }  # fmt: skip
    for needed in ("cli/clips/talk.mp4", "jobs/lua/submit.lua", "studio/agent/lexicon.toml"):
        assert needed in names
    assert any(name.startswith("web/templates/") for name in names)
    assert "License-Expression: Apache-2.0" in text
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_has_what_builds_and_explains_it(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "docs/using.md"} <= names
    assert not any(name.startswith(("tests/", "bench/", ".github", ".venv")) for name in names)
    assert built["sdist"].stat().st_size < 4_000_000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("minor", MINORS)
def test_it_works_in_an_empty_environment(
    built: dict[str, Path], tmp_path: Path, kind: str, minor: int
) -> None:
    python = find_python(minor)
    if python is None:
        pytest.skip(f"no Python 3.{minor} here")
    say(python, "-m", "venv", "--clear", str(tmp_path / "empty"))
    pip = (
        str(tmp_path / "empty/bin/python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    )
    say(*pip, "--require-hashes", "-r", str(ROOT / "requirements/run.txt"), within_s=600)
    # The sdist is built in an environment of its own, as for a person who installs it.
    say(*pip, "--no-deps", str(built[kind]), within_s=300)
    program = tmp_path / "empty/bin/dropscore"
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"}

    def run(*arguments: str) -> str:
        return say(str(program), *arguments, within_s=200, cwd=tmp_path, env=home)

    assert run("--version").startswith("dropscore 1.")
    run("samples", "inbox")
    assert "3 done. Results are in outbox" in run("run", "inbox", "--once")
    shutil.rmtree(tmp_path / "empty")
