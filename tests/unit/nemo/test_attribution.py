"""Whose skill, which version, on which platform."""

from pathlib import Path

import pytest

from nemo import Attribution, detect_platform


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
