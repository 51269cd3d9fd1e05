"""What a person is told before anything is paid, and where a part cannot start."""

import json

import pytest

from config.skills import PUBLISHED
from tests.documented import documented, keys

pytestmark = pytest.mark.integration

ADVICE = PUBLISHED["add-music"].explain_vague("make it better")


def test_a_run_explains_a_vague_instruction_once_before_any_step(place):
    place.drop("a.mp4", "b.mp4")
    ended = place.run("run", "inbox", "--once", "-i", "make it better", "-i", "softer")
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0
    assert lines.count(ADVICE) == 1
    assert lines.index(ADVICE) < min(at for at, line in enumerate(lines) if ".mp4: " in line)


def test_a_run_that_says_what_it_wants_is_left_alone(place):
    place.drop("a.mp4")
    assert "Instead of" not in place.run("run", "inbox", "--once", "-i", "calm piano").stdout


def test_a_backlog_with_vague_rows_is_explained_on_standard_error(place):
    place.drop("a.mp4")
    (place.folder / "rows.csv").write_text("path,instructions\ninbox/a.mp4,make it better\n")
    planned = place.run("submit", "-n", "--json", "--manifest", "rows.csv")
    assert planned.stderr == f"dropscore: {ADVICE}\n"
    json.loads(planned.stdout)


def test_a_vague_change_of_what_is_done_is_explained_too(place):
    place.drop("a.mp4", "b.mp4", "c.mp4")
    place.run("run", "inbox", "--once")
    tweaked = place.run("tweak", "inbox/a.mp4", "make it better")
    assert (tweaked.returncode, tweaked.stderr) == (0, f"dropscore: {ADVICE}\n")
    assert place.run("tweak", "inbox/b.mp4", "softer").stderr == ""
    again = place.run("redo", "inbox/c.mp4", "-i", "surprise me")
    assert again.stderr.startswith('dropscore: Instead of "surprise me", try ')


def test_a_skill_shows_its_title_its_tip_and_what_to_try(place):
    skill = PUBLISHED["best-music-cog"]
    lines = place.run("skills", "best-music-cog").stdout.splitlines()
    assert lines[0] == skill.title
    assert f"Tip: {skill.tip}" in lines
    assert lines[-4:] == ["Try saying:", *(f'- "{text}"' for text in skill.try_saying)]
    assert "Try saying" not in place.run("skills", "ai-add-music-to").stdout
    one = json.loads(place.run("skills", "best-music-cog", "--json").stdout)
    assert (one["tip"], one["try_saying"]) == (skill.tip, list(skill.try_saying))
    assert keys(one) <= documented("skills")
    unknown = place.run("skills", "moon")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("flags", [[], ["--log-json"]])
def test_a_studio_whose_libraries_are_missing_ends_the_run_with_one_line(place, flags):
    """As after `pip install dropscore` without the extra: the real studio, and no uvicorn to import."""
    place.drop("a.mp4")
    missing = place.folder / "missing"
    missing.mkdir()
    (missing / "uvicorn.py").write_text("raise ModuleNotFoundError('no uvicorn', name='uvicorn')\n")
    ended = place.run("run", "inbox", "--once", *flags, PYTHONPATH=str(missing))
    assert ended.returncode == 2
    lines = [line for line in ended.stderr.splitlines() if "uvicorn" in line]
    assert len(lines) == 1
    assert "pip install 'dropscore[studio]'" in lines[0]
    if not flags:
        assert ended.stderr == f"{lines[0]}\n"
        assert lines[0].startswith("dropscore: the local studio needs uvicorn: ")
    assert place.alive() == {}
