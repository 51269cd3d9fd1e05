"""Manifests and lists: good rows in, one line for each bad one."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.skills import PUBLISHED
from producer.errors import UnusableManifest
from producer.manifest import read_list, read_manifest, read_null_list


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
    assert first.spec.instructions == ("calm", "soft")
    assert (first.spec.skill, first.spec.output, first.spec.priority) == ("music-ab2n", "x/y", 7)
    assert second.is_url
    assert second.spec.instructions is None


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
    with pytest.raises(UnusableManifest, match="row 3"):
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
    with pytest.raises(UnusableManifest, match=why):
        manifest(folder, name, text)


def test_a_manifest_that_cannot_be_read(folder):
    with pytest.raises(UnusableManifest, match="cannot be read"):
        read_manifest(folder / "none.csv", PUBLISHED)
    (folder / "l.csv").write_bytes(b"path\n\xff\n")
    with pytest.raises(UnusableManifest, match="UTF-8"):
        read_manifest(folder / "l.csv", PUBLISHED)


def test_a_list_with_comments(folder):
    said = read_list(["# mine\n", "\n", " a.mp4 \n", "http://h/v\n", "gone.mp4\n"], folder)
    assert [entry.source for entry in said.entries] == [str(folder / "a.mp4"), "http://h/v"]
    assert said.errors == ("line 5: gone.mp4 does not exist",)


@pytest.mark.parametrize(
    "text",
    [
        "path;instructions\na.mp4;calm, soft\n",
        "path\tinstructions\na.mp4\tcalm, soft\n",
        'Path,INSTRUCTIONS\na.mp4,"calm, soft"\n',
        "\ufeff path , Instructions\r\na.mp4,calm\\, soft\r\n".replace("calm\\, soft", '"calm, soft"'),
    ],
)
def test_columns_are_parted_as_the_first_row_is_and_named_in_any_case(folder, text):
    (entry,) = manifest(folder, "m.csv", text).whole()
    assert (entry.source, entry.spec.instructions) == (str(folder / "a.mp4"), ("calm, soft",))


@pytest.mark.parametrize("kind", [".json", ".JSON", ".yaml", ".toml", ".xlsx", ".ods"])
def test_another_kind_of_file_is_named_with_what_is_wanted(folder, kind):
    with pytest.raises(UnusableManifest) as refused:
        manifest(folder, f"m{kind}", '[{"path": "a.mp4"}]')
    (line,) = refused.value.errors
    assert line.endswith(f"a manifest is a .csv or a .jsonl file (an object a line), not {kind.lower()}")


def test_names_with_null_characters_between_them_are_taken_as_they_are(folder):
    (folder / "#a\n b.mp4").touch()
    listed = read_null_list("#a\n b.mp4\0http://h/v\0gone.mp4\0", folder)
    assert [entry.source for entry in listed.entries] == [str(folder / "#a\n b.mp4"), "http://h/v"]
    assert listed.errors == ("name 3: gone.mp4 does not exist",)


CELLS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["a.mp4", "path", "url", "skill", "add-music", "http://h/v", '"', "\x00", "-1", "9" * 400]
    ),
)
ROWS = st.lists(st.lists(CELLS, max_size=5), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CELLS, inner, max_size=3),
    max_leaves=8,
)


def read_or_refuse(path):
    """Read a manifest; whatever is in it, each error is one line and nothing else is raised."""
    try:
        found = read_manifest(path, PUBLISHED)
    except UnusableManifest as exc:
        lines = exc.errors
    else:
        lines = found.errors
        assert all(entry.source for entry in found.entries)
    assert all(line and "\n" not in line and "\0" not in line for line in lines)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS, parted=st.sampled_from(",;\t"), head=st.sampled_from(["path", "Path;url", "url,skill\t", ""])
)
def test_any_table_is_read_or_refused_in_a_line_for_each_row(folder, rows, parted, head):
    text = "\n".join([head, *(parted.join(cells) for cells in rows)])
    (folder / "m.csv").write_bytes(text.encode("utf-8", "replace"))
    read_or_refuse(folder / "m.csv")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, max_size=4), path=st.booleans())
def test_any_lines_of_json_are_read_or_refused_in_a_line_for_each_row(folder, values, path):
    rows = [{"path": "a.mp4", "instructions": value} if path else value for value in values]
    (folder / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    read_or_refuse(folder / "m.jsonl")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), tail=st.sampled_from([".csv", ".jsonl", ".txt", ""]))
def test_any_bytes_are_read_or_refused(folder, content, tail):
    (folder / f"m{tail}").write_bytes(content)
    read_or_refuse(folder / f"m{tail}")
