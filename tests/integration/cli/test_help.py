"""What a person meets first: help that answers at once, teaches by example and fits; completion."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.main import app
from studio.__main__ import main as studio
from tests.patience import allow

pytestmark = pytest.mark.integration

NAMES = [str(one.name or one.callback.__name__) for one in app.registered_commands if one.callback]
PROGRAM = Path(sys.executable).with_name("dropscore")


def test_help_loads_none_of_the_heavy_parts():
    heavy = ("redis", "celery", "rich.live", "structlog", "numpy", "pydantic_settings", "httpx", "av")
    code = "import sys; sys.argv = ['dropscore', '--help']\nfrom cli.main import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += f"print(sorted(set({heavy}) & set(sys.modules)), file=sys.stderr)"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert time.monotonic() - began < allow(5)  # 0.2 s on an idle machine


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_fits_a_terminal_and_shows_an_example(monkeypatch, capsys, name):
    monkeypatch.setenv("COLUMNS", "80")
    if name == "studio":
        with pytest.raises(SystemExit):
            studio(["--help"])
    else:
        app([name, "--help"] if name else ["--help"], standalone_mode=False, prog_name="dropscore")
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if len(line) > 80] == []
    assert f"dropscore {name}".strip() in said.partition("\n\n")[2]
    assert "$ dropscore" in said or not name or "DROPSCORE_REDIS_URL" in said
    assert "..." not in "".join(line for line in said.splitlines() if line.startswith("  ")), "cut short"


def test_every_word_of_the_expected_command_line_is_there():
    wanted = "run watch submit worker studio status results retry resume pause drain cancel tweak credits"
    wanted += " report skills open doctor samples forget clean create redo web preview"
    assert set(wanted.split()) == set(NAMES)


def test_bash_completes_commands_and_options(tmp_path):
    """As a shell does it: the installed script is sourced, and its function asked."""
    if not shutil.which("bash"):
        pytest.skip("no bash here")
    home = {"HOME": str(tmp_path), "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    line = "dropscore --show-completion; exit $?"  # the shell is found by its process
    script = subprocess.run(["bash", "-c", line], env=home, capture_output=True, text=True, check=True).stdout
    ask = 'COMP_WORDS=(dropscore "$1" "$2"); COMP_CWORD=$3; _dropscore_completion dropscore\n'
    ask += 'echo "${COMPREPLY[@]}"'
    (tmp_path / "completion.bash").write_text(script + ask)

    def offered(first, second, at):
        argv = ["bash", tmp_path / "completion.bash", first, second, str(at)]
        return subprocess.run(argv, env=home, capture_output=True, text=True, check=True).stdout.split()

    assert offered("re", "", 1) == ["results", "report", "retry", "redo", "resume"]
    assert "--resend" in offered("retry", "--re", 2)


def test_completion_installs_itself_at_home(tmp_path):
    if not shutil.which("bash"):
        pytest.skip("no bash here")
    home = {"HOME": str(tmp_path), "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    line = "dropscore --install-completion; exit $?"  # the shell is found by its process
    done = subprocess.run(["bash", "-c", line], env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "_dropscore_completion" in (tmp_path / ".bash_completions" / "dropscore.sh").read_text()
    assert "dropscore.sh" in (tmp_path / ".bashrc").read_text()
