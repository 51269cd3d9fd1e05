"""Manifests and lists: good rows in, one line for each bad one."""

import pytest

from config.skills import PUBLISHED
from producer.errors import BrokenManifest
from producer.manifest import read_list, read_manifest


@pytest.fixture
def folder(tmp_path):
    for name in ("a.mp4", "b c.mov"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def manifest(folder, name, text):
    there = folder / name
    there.write_text(text, encoding="utf-8")
    return read_manifest(there, PUBLISHED)


def test_csv_with_every_column(folder):
    said = manifest(
        folder,
        "m.csv",
        "\ufeffpath,url,instructions,skill,output,language,priority,max_credits\n"
        'a.mp4,,"calm\nsoft",music-ab2n,x/y,ja,7,60\n'
        "\n"
        ",https://host/v.mp4,,,,,,\n",
    )
    first, second = said.whole()
    assert first.source == str(folder / "a.mp4")
    assert first.wish.instructions == ("calm", "soft")
    assert (first.wish.skill, first.wish.output, first.wish.priority) == ("music-ab2n", "x/y", 7)
    assert second.is_url
    assert second.wish.instructions is None


def test_jsonl(folder):
    said = manifest(
        folder, "m.jsonl", '{"path": "b c.mov", "instructions": ["x"]}\n\n{"url": "http://h/v"}\n'
    )
    assert [entry.source for entry in said.whole()] == [str(folder / "b c.mov"), "http://h/v"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("missing.mp4,,,", "missing.mp4 does not exist"),
        (",,calm,", "needs a 'path' or a 'url', and not both"),
        ("a.mp4,http://h/v,,", "needs a 'path' or a 'url', and not both"),
        ("a.mp4,,,soon", "priority: "),
        ("a.mp4,,x,1,too,many", "has 6 cells, but there are 4 columns"),
        (",ftp://h/v,,", "the url is not usable"),
        (",http://,,", "the url is not usable"),
        (",http://me:secret@h/v,,", "the url carries a user name or password"),
    ],
)
def test_a_bad_row_is_reported_with_its_number_and_the_good_ones_stay(folder, row, why):
    said = manifest(folder, "m.csv", f"path,url,instructions,priority\na.mp4,,,\n{row}\n")
    assert len(said.entries) == 1
    assert len(said.errors) == 1
    assert said.errors[0].startswith("m.csv, row 3: ")
    assert why in said.errors[0]
    assert "secret" not in said.errors[0]
    with pytest.raises(BrokenManifest, match="row 3"):
        said.whole()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not readable as JSON"),
        ("[1]", "should be an object"),
        ('"a.mp4"', "a.mp4"),
        ('{"path": "a.mp4", "volume": 3}', "'volume' is not known; there are: "),
        ('{"path": "a.mp4", "skill": "nope"}', "skill 'nope' is unknown"),
        ('{"path": 7}', "path: "),
        ("[" * 100_000, "not readable as JSON"),
    ],
)
def test_a_bad_line_of_jsonl(folder, line, why):
    said = manifest(folder, "m.jsonl", f'{{"path": "a.mp4"}}\n{line}\n')
    assert [error.startswith("m.jsonl, row 2: ") and why in error for error in said.errors] == [True]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [("m.csv", "file\na.mp4\n", "row 1: a column 'path' or 'url' is missing"), ("m.csv", "", "row 1")],
)
def test_an_unusable_manifest(folder, name, text, why):
    with pytest.raises(BrokenManifest, match=why):
        manifest(folder, name, text)


def test_a_manifest_that_cannot_be_read(folder):
    with pytest.raises(BrokenManifest, match="cannot be read"):
        read_manifest(folder / "none.csv", PUBLISHED)
    (folder / "l.csv").write_bytes(b"path\n\xff\n")
    with pytest.raises(BrokenManifest, match="UTF-8"):
        read_manifest(folder / "l.csv", PUBLISHED)


def test_a_list_with_comments(folder):
    said = read_list(["# mine\n", "\n", " a.mp4 \n", "http://h/v\n", "gone.mp4\n"], folder)
    assert [entry.source for entry in said.entries] == [str(folder / "a.mp4"), "http://h/v"]
    assert said.errors == ("line 5: gone.mp4 does not exist",)
