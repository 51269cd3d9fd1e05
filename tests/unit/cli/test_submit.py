"""What a person names is read in full before anything is started."""

import pytest

from cli.errors import Unusable
from cli.submit import NamedSources, read_sources
from config.skills import PUBLISHED


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("#1.mp4", " b.mp4", "c.mp4"):
        (tmp_path / name).touch()
    return tmp_path


def sources_of(here, said):
    return [entry.source.replace(f"{here}/", "") for entry in said.entries]


def test_paths_are_taken_as_they_are_and_lists_have_comments(here, monkeypatch):
    (here / "list.txt").write_text("# mine\n\nc.mp4\nhttps://films.example/a.mp4\n")
    said = read_sources(NamedSources(("#1.mp4", " b.mp4"), "list.txt", None), PUBLISHED)
    assert sources_of(here, said) == ["#1.mp4", " b.mp4", "c.mp4", "https://films.example/a.mp4"]
    assert said.errors == ()


def test_a_list_is_read_from_standard_input(here, monkeypatch):
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("c.mp4\ngone.mp4\n"))
    said = read_sources(NamedSources((), "-", None), PUBLISHED)
    assert sources_of(here, said) == ["c.mp4"]
    assert said.errors == ("line 2: gone.mp4 does not exist",)


def test_bad_rows_of_all_kinds_are_named_by_number(here):
    (here / "m.csv").write_text("path,skill\nc.mp4,add-music\nc.mp4,moon\ngone.mp4,\n")
    said = read_sources(NamedSources(("none.mp4",), None, here / "m.csv"), PUBLISHED)
    assert len(said.entries) == 1
    assert said.errors[0] == "none.mp4 does not exist"
    assert said.errors[1].startswith("m.csv, row 3: skill 'moon' is unknown")
    assert said.errors[2] == "m.csv, row 4: gone.mp4 does not exist"


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (NamedSources((), None, None), "dropscore submit clips"),
        (NamedSources((), "gone.txt", None), "gone.txt: cannot be read"),
    ],
)
def test_nothing_to_read_is_one_line(sources, words):
    with pytest.raises(Unusable, match=words):
        read_sources(sources, PUBLISHED)
