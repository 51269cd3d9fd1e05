"""The skill for agents has the form such hosts read, and names only what the command line has."""

import json
import re
import shlex
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from cli.output import summary

PAGE = Path(__file__).parents[3] / "skills" / "dropscore" / "SKILL.md"
TEXT = PAGE.read_text(encoding="utf-8")
_, FRONT, BODY = TEXT.split("---\n", 2)
COMMANDS = re.findall(r"(?m)^\$ dropscore (.+)$", BODY)


def test_the_front_matter_names_describes_and_says_what_it_needs() -> None:
    front = yaml.safe_load(FRONT)
    assert set(front) == {"name", "description", "version", "metadata"}
    assert front["name"] == PAGE.parent.name == "dropscore"
    assert front["version"] == version("dropscore")
    assert 50 < len(front["description"]) <= 1024
    needs = front["metadata"]["openclaw"]
    assert needs["requires"]["bins"] == ["dropscore"]
    assert needs["primaryEnv"] == "NEMO_TOKEN"


def test_the_metadata_is_one_line_of_json_for_hosts_that_read_no_yaml() -> None:
    (line,) = re.findall(r"(?m)^metadata: (.*)$", FRONT)
    assert json.loads(line) == yaml.safe_load(FRONT)["metadata"]


def test_it_has_what_the_published_skills_have() -> None:
    headings = re.findall(r"(?m)^#+ (.+)$", BODY)
    assert headings[0].startswith("Dropscore — ")
    assert {"Try saying", "Exit codes", "Money and secrets"} <= set(headings)
    assert len(re.findall(r'(?m)^- "', BODY)) >= 3


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one_and_every_flag_is_in_its_help(command: str) -> None:
    words = shlex.split(command)
    answer = CliRunner().invoke(app, [words[0], "--help"])
    assert answer.exit_code == 0, command
    flags = [word for word in words[1:] if word.startswith("-")]
    assert "--json" in flags
    assert [flag for flag in flags if not re.search(rf"(?<![\w-]){flag}(?![\w-])", answer.output)] == []


def test_every_exit_code_of_a_run_is_explained() -> None:
    table = set(map(int, re.findall(r"(?m)^\| (\d+) \|", BODY)))
    codes = {
        summary.OK,
        summary.SOME_FAILED,
        summary.GATE_CLOSED,
        summary.REFUSED,
        summary.BUDGET_REACHED,
        summary.INTERRUPTED,
    }
    assert table == codes | {2}


def test_no_token_stands_in_it_and_agents_are_not_to_print_one() -> None:
    assert not re.search(r"nmv_|clm_|Bearer", TEXT)
    assert "Never print it" in BODY
    assert not [command for command in COMMANDS if "NEMO_TOKEN" in command]
