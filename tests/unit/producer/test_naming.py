"""Names of outputs: always the same, never too long, never outside the outbox."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from jobs.codec import result_path
from producer.naming import candidates, chosen_output, folder_of, has_elder, writable

ID = "0123456789abcdef"


def test_the_order_of_candidates():
    assert candidates("/out", "a.mov", ID) == [
        "/out/a.mp4",
        "/out/a.mov.mp4",
        "/out/a-012345.mp4",
        f"/out/a-{ID}.mp4",
    ]


def test_a_chosen_output_replaces_the_first_two():
    assert candidates("/out", "a.mov", ID, "sub/b.mp4")[:2] == ["/out/sub/b.mp4", "/out/sub/b-012345.mp4"]


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=255)


@given(NAMES.filter(lambda name: len(name.encode()) <= 255), st.sampled_from(["", ".mp4", ".mov", ".jpeg"]))
def test_every_name_made_of_a_candidate_fits(stem, tail):
    for path in candidates("/out", stem + tail, ID):
        result = result_path(path).rpartition("/")[2]
        assert path.startswith("/out/")
        assert path.count("/") == 2
        assert len(f".{result}.{ID}.part".encode()) <= 255
        assert path.endswith(".mp4")
        path.encode()


def test_a_long_name_is_cut_at_a_character():
    name = "é" * 125 + ".mp4"
    assert candidates("/o", name, ID)[0] == "/o/" + "é" * 110 + ".mp4"


@pytest.mark.parametrize(
    ("root", "source", "folder"),
    [
        ("/in", "/in/a.mp4", "/out"),
        ("/in", "/in/x/y/a.mp4", "/out/x/y"),
        ("", "/in/x/a.mp4", "/out"),
    ],
)
def test_sub_folders_are_kept(root, source, folder):
    assert folder_of("/out", root, source) == folder


@pytest.mark.parametrize("bad", ["", " ", "/etc/x", "../x", "a/../../x", ".hidden", "a\0b"])
def test_an_output_outside_the_outbox_is_refused(bad):
    with pytest.raises(ValueError, match="output"):
        chosen_output(bad)


def test_two_files_of_one_stem_get_the_same_names_whichever_comes_first(tmp_path):
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "clip.mov").touch()
    assert has_elder(str(tmp_path / "clip.mov"))
    assert not has_elder(str(tmp_path / "clip.mp4"))


def test_an_outbox_that_cannot_be_written_is_one_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(ConfigError, match=r"^outbox .*; choose another with --outbox$"):
        writable(str(blocked / "out"))


def test_a_writable_outbox_is_made_and_left_clean(tmp_path):
    writable(str(tmp_path / "a" / "b"))
    assert list((tmp_path / "a" / "b").iterdir()) == []
