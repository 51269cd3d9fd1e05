"""Whose skill, which version, on which platform."""

from pathlib import Path

import pytest

from nemovideo import Attribution, detect_platform


@pytest.mark.parametrize(
    ("env", "path", "platform"),
    [
        ({}, "/home/me/.clawhub/skills/x", "clawhub"),
        ({}, "/home/me/.cursor/skills/x", "cursor"),
        ({}, "/home/me/.cursor/extensions/x", "unknown"),
        ({}, "/opt/dropscore", "unknown"),
        ({}, "/home/other/.clawhub/x", "unknown"),
        ({}, "/home/me/.clawhubby/x", "unknown"),
        ({"SKILL_SOURCE": "mine"}, "/home/me/.clawhub/x", "mine"),
        ({"SKILL_SOURCE": " "}, "/home/me/.clawhub/x", "clawhub"),
    ],
)
def test_the_platform(env: dict[str, str], path: str, platform: str) -> None:
    assert detect_platform({"HOME": "/home/me", **env}, Path(path)) == platform


def test_the_home_folder_need_not_be_in_the_environment() -> None:
    assert detect_platform({}, Path.home() / ".clawhub" / "x") == "clawhub"


def test_the_three_headers() -> None:
    assert Attribution("add-music", "1.0", "unknown").headers() == {
        "X-Skill-Source": "add-music",
        "X-Skill-Version": "1.0",
        "X-Skill-Platform": "unknown",
    }


@pytest.mark.parametrize("resolve", [False, True])
def test_a_home_folder_that_is_a_link(tmp_path: Path, resolve: bool) -> None:
    skill = tmp_path / "disk" / "me" / ".clawhub" / "skills" / "x"
    skill.mkdir(parents=True)
    (tmp_path / "home").symlink_to(tmp_path / "disk" / "me")
    seen = skill if resolve else tmp_path / "home" / ".clawhub" / "skills" / "x"
    for home in (tmp_path / "home", tmp_path / "disk" / "me"):
        assert detect_platform({"HOME": str(home)}, seen) == "clawhub"


def test_a_skills_folder_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "x").mkdir(parents=True)
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".cursor" / "skills").symlink_to(tmp_path / "elsewhere")
    for seen in (tmp_path / "elsewhere" / "x", tmp_path / ".cursor" / "skills" / "x"):
        assert detect_platform({"HOME": str(tmp_path)}, seen) == "cursor"
