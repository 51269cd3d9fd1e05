"""Roots: a person's words first, then the tables of the settings; each with its own outbox and watch."""

import pytest

from config.errors import ConfigError
from config.settings import load, to_environment
from producer.roots import Roots, WatchedRoot, check_roots


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two", "one/deep"):
        (tmp_path / name).mkdir()
    return tmp_path


def settings_of(place, text, **environ):
    (place / "dropscore.toml").write_text(text)
    return load(environ=environ)


TABLES = """
watch = "poll"
[[roots]]
path = "one"
[[roots]]
path = "two"
outbox = "two-out"
watch = "native"
session = "folder"
"""


def test_tables_name_roots_and_leave_the_rest_to_the_settings(place):
    one, two = check_roots(settings_of(place, TABLES), [], None)
    assert one == WatchedRoot(f"{place}/one", f"{place}/outbox", "poll", "file")
    assert two == WatchedRoot(f"{place}/two", f"{place}/two-out", "native", "folder")
    assert (place / "two-out").is_dir()


def test_folders_that_are_named_take_the_place_of_the_tables(place):
    (only,) = check_roots(settings_of(place, TABLES), [place / "two"], place / "there")
    assert only == WatchedRoot(f"{place}/two", f"{place}/there", "poll", "file")


def test_an_outbox_that_is_named_goes_before_those_of_the_tables(place):
    roots = check_roots(settings_of(place, TABLES), [], place / "there")
    assert {root.outbox for root in roots} == {f"{place}/there"}


def test_a_child_process_sees_the_same_roots(place, monkeypatch):
    settings = settings_of(place, TABLES)
    told = to_environment(settings)
    (place / "dropscore.toml").unlink()
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert load().roots == settings.roots


def test_paths_with_commas_between_them_are_roots_too(place, monkeypatch):
    monkeypatch.setenv("DROPSCORE_ROOTS", "one, two")
    assert [root.path for root in check_roots(load(), [], None)] == [f"{place}/one", f"{place}/two"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no folder to watch"),
        ('[[roots]]\npath = "gone"', "gone does not exist"),
        ('[[roots]]\npath = "dropscore.toml"', "is not a folder"),
        ('[[roots]]\npath = "one"\noutbox = "two"\n[[roots]]\npath = "two"', "is an inbox itself"),
        ('[[roots]]\npath = "one"\nwach = "poll"', "dropscore.toml: 'roots'[0][wach]"),
        ('[[roots]]\npath = "one"\nwatch = "maybe"', "dropscore.toml: 'roots'[0][watch]: 'maybe'"),
    ],
)
def test_what_is_wrong_is_one_line(place, text, words):
    with pytest.raises(ConfigError) as wrong:
        check_roots(settings_of(place, text), [], None)
    assert words in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_file_belongs_to_the_innermost_root():
    homes = Roots([WatchedRoot("/in", "/out"), WatchedRoot("/in/deep", "/out2", session="folder")])
    assert homes.of("/in/a.mp4").outbox == "/out"
    assert homes.of("/in/deep/a.mp4") == WatchedRoot("/in/deep", "/out2", session="folder")
    assert homes.of("/inner/a.mp4") == WatchedRoot("", "/out")
