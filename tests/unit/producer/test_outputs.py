"""Names of outputs: always the same, never too long, never outside the outbox."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.ledger import result_path
from producer.outputs import (
    Naming,
    candidate_outputs,
    check_chosen_output,
    folder_inside,
    naming_for,
)
from producer.sidecars import FolderListing

ID = "0123456789abcdef"


def names(source, *beside, **more):
    listing = FolderListing.of("/in", [source, *beside])
    found = candidate_outputs("/out", "", source, ID, listing=listing, **more)
    return [path.removeprefix("/out/") for path in found]


def test_one_scheme_of_names_for_all_versions():
    assert names("a.mov")[:4] == ["a.mp4", "a.v2.mp4", "a.v3.mp4", "a.v4.mp4"]
    assert names("a.mov")[7:9] == ["a.v8.mp4", "a.v9.mp4"]
    assert names("a.mov")[-1] == f"a.{ID}.mp4"


def test_two_files_of_one_stem_get_the_same_names_whichever_comes_first():
    assert names("clip.mp4", "clip.mov")[:3] == ["clip.mp4", "clip.mp4.mp4", "clip.v2.mp4"]
    assert names("clip.mov", "clip.mp4")[:3] == ["clip.mov.mp4", "clip.mp4", "clip.mov.v2.mp4"]


def test_a_chosen_output_has_versions_too():
    assert names("a.mov", "a.mp4", chosen="sub/b.mp4")[:2] == ["sub/b.mp4", "sub/b.v2.mp4"]


@pytest.mark.parametrize(
    ("template", "inside", "expected"),
    [
        ("{folder}/{stem}.music.mp4", "x/y", "x/y/clip.music.mp4"),
        ("{folder}/{stem}.music.mp4", "", "clip.music.mp4"),
        ("{stem}/{skill}.mp4", "x", "clip/add-music.mp4"),
        ("{folder}/{name}.mp4", "x", "x/clip.mov.mp4"),
    ],
)
def test_a_template_names_outputs(template, inside, expected):
    naming = Naming(template)
    found = candidate_outputs("/out", inside, "clip.mov", ID, naming=naming, skill="add-music")
    assert found[0] == f"/out/{expected}"
    assert found[1] == f"/out/{expected}".removesuffix(".mp4") + ".v2.mp4"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a: b?.mov", "a_ b_.mp4"),
        ("con.mov", "_con.mp4"),
        ("dots....mov", "dots.mp4"),
        ("line\nbreak.mov", "line_break.mp4"),
        ('say "hi" | <x>*.mov', "say _hi_ _ _x__.mp4"),
    ],
)
def test_names_that_smb_and_exfat_refuse_are_made_portable_where_the_outbox_needs_it(source, expected):
    assert names(source, naming=Naming(portable=True))[0] == expected
    assert names(source)[0] != expected


def test_names_that_differ_only_by_case_or_form_do_not_meet_in_an_outbox_that_folds_them():
    files = ["Clip.mp4", "clip.mp4", "caf\u00e9.mov", "cafe\u0301.mov"]
    firsts = [names(one, *files, naming=Naming(folds=True))[0] for one in files]
    assert len({unicodedata.normalize("NFC", name).casefold() for name in firsts}) == 4
    assert firsts[:2] == ["Clip.mp4", "clip.v3.mp4"]


def test_the_file_system_of_an_outbox_is_tried_once_and_left_clean(tmp_path):
    assert naming_for(str(tmp_path)) == Naming()
    assert list(tmp_path.iterdir()) == []


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=255)


@given(NAMES.filter(lambda name: len(name.encode()) <= 255), st.sampled_from(["", ".mp4", ".mov", ".jpeg"]))
def test_every_name_made_of_a_candidate_fits(stem, tail):
    for path in candidate_outputs("/out", "", stem + tail, ID):
        result = result_path(path).rpartition("/")[2]
        assert path.startswith("/out/")
        assert path.count("/") == 2
        assert len(f".{result}.{ID}.part".encode()) <= 255
        assert path.endswith(".mp4")
        path.encode()


def test_a_long_name_is_cut_at_a_character():
    name = "é" * 125 + ".mp4"
    assert candidate_outputs("/o", "", name, ID)[0] == "/o/" + "é" * 110 + ".mp4"


@pytest.mark.parametrize(
    ("root", "source", "folder"),
    [
        ("/in", "/in/a.mp4", ""),
        ("/in", "/in/x/y/a.mp4", "x/y"),
        ("", "/in/x/a.mp4", ""),
    ],
)
def test_sub_folders_are_kept(root, source, folder):
    assert folder_inside(root, source) == folder


@pytest.mark.parametrize("bad", ["", " ", "/etc/x", "../x", "a/../../x", ".hidden", "a\0b"])
def test_an_output_outside_the_outbox_is_refused(bad):
    with pytest.raises(ValueError, match="output"):
        check_chosen_output(bad)
