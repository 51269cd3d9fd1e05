"""A full look at a root."""

import os
import shutil
import socket

import pytest

from producer.scan import Rules, look_at, walk


def names(root, rules=None, below=None):
    return [found.path[len(str(root)) + 1 :] for found in walk(str(root), rules or Rules(), below)]


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "in"
    for name in ("b.mp4", "a/x.mov", "a/deep/y.MP3", "-dash.mkv", "line\nbreak.mp4", "ü ö.webm"):
        there = root / name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(b"x")
    return root


def test_media_is_found_in_order_and_everything_else_left(root):
    for name in (
        "notes.txt",
        "README.md",
        ".hidden.mp4",
        "~$x.mp4",
        "c.mp4.part",
        "d.mp4.crdownload",
        "e.tmp",
        "clip.sync-conflict-20260102-120000-ABCDEFG.mp4",
        "clip (Ann's conflicted copy 2026-01-02).mp4",
        "clip.temp.mp4",
    ):
        (root / name).write_bytes(b"x")
    for folder in ("@eaDir", "__MACOSX", ".stversions", "#recycle", "@Recycle", "$RECYCLE.BIN"):
        (root / folder).mkdir()
        (root / folder / "z.mp4").write_bytes(b"x")
    assert names(root) == ["-dash.mkv", "b.mp4", "line\nbreak.mp4", "ü ö.webm", "a/x.mov", "a/deep/y.MP3"]


def test_excluded_folders_are_left_out_however_they_are_reached(root):
    (root / "alias").symlink_to(root / "a")
    rules = Rules(excluded=(str(root / "alias"),))
    assert "a/x.mov" not in names(root, rules)
    assert not rules.takes_path(str(root), str(root / "a" / "x.mov"))
    assert rules.takes_path(str(root), str(root / "b.mp4"))


def test_an_excluded_folder_that_is_made_again_stays_out(root):
    rules = Rules(excluded=(str(root / "out"),))
    assert names(root, rules)
    (root / "out").mkdir()
    (root / "out" / "b.mp4").write_bytes(b"x")
    assert "out/b.mp4" not in names(root, rules)


def test_globs(root):
    assert "b.mp4" not in names(root, Rules(ignore=("b.*",)))
    assert "a/x.mov" not in names(root, Rules(ignore=("a/*.mov",)))
    assert not Rules(ignore=("a/*.mov",)).takes_path(str(root), str(root / "a/x.mov"))


def test_links_that_leave_the_root_are_followed_only_where_allowed(root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "far.mp4").write_bytes(b"x")
    (root / "link.mp4").symlink_to(outside / "far.mp4")
    (root / "inner.mp4").symlink_to(root / "b.mp4")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "dead.mp4").symlink_to(root / "nothing")
    plain = names(root)
    assert not {"link.mp4", "inner.mp4", "folder/far.mp4", "dead.mp4"} & set(plain)
    allowed = names(root, Rules(follow=True))
    assert len(allowed) == len(plain) + 2
    assert "folder/far.mp4" in allowed
    assert str(outside / "far.mp4") in [found.path for found in walk(str(root), Rules(follow=True))]


def test_fifos_and_sockets_are_passed_over(root, monkeypatch):
    os.mkfifo(root / "pipe.mp4")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.mp4")
        assert not {"pipe.mp4", "socket.mp4"} & set(names(root))
    assert look_at(str(root / "pipe.mp4")) is None


def test_a_root_that_is_gone_raises_and_a_folder_that_cannot_be_read_is_told(root):
    with pytest.raises(OSError, match="No such file"):
        names(root / "gone")
    told = []
    looking = walk(str(root), Rules(report=lambda folder, _why: told.append(folder)))
    next(looking)
    shutil.rmtree(root / "a")
    assert str(root / "b.mp4") in [found.path for found in looking]
    assert told == [str(root / "a")]


def test_a_folder_of_the_root_can_be_looked_at_alone(root):
    assert names(root, below=str(root / "a")) == ["a/x.mov", "a/deep/y.MP3"]


def test_paths_outside_the_root_are_not_taken(root):
    for path in ("/else/b.mp4", "", ".", f"{root}put/b.mp4"):
        assert not Rules().takes_path(str(root), path)
    assert not Rules().takes_path(str(root), str(root))
    assert not Rules().takes_path(str(root), str(root / ".git" / "a.mp4"))


def test_only_some_kinds(root):
    assert names(root, Rules(only=("audio",))) == ["a/deep/y.MP3"]
    assert "a/deep/y.MP3" not in names(root, Rules(only=("video", "image")))


def test_an_ignore_file_has_the_syntax_of_git(root):
    (root / ".dropscoreignore").write_text("# drafts\n*.mov\n/b.mp4\ndeep/\n!keep.mov\n")
    (root / "keep.mov").write_bytes(b"x")
    assert names(root) == ["-dash.mkv", "keep.mov", "line\nbreak.mp4", "ü ö.webm"]
    assert not Rules().takes_path(str(root), str(root / "b.mp4"))
    (root / ".dropscoreignore").write_text("")
    assert "b.mp4" in names(root), "it is read again when it changes"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"!\n[\n**\n", b"\\\n", b"\0", b"a" * 300_000])
def test_a_broken_ignore_file_stops_nothing(root, content):
    (root / ".dropscoreignore").write_bytes(content)
    names(root)


def test_what_is_left_out_though_it_may_be_meant_is_named(root, tmp_path):
    (tmp_path / "far.mp4").write_bytes(b"x")
    (root / "link.mp4").symlink_to(tmp_path / "far.mp4")
    (root / b"bad\xff.mp4".decode("utf-8", "surrogateescape")).write_bytes(b"x")
    named = {}
    names(root, Rules(report=named.__setitem__))
    assert sorted(path[len(str(root)) + 1 :] for path in named) == ["bad\udcff.mp4", "link.mp4"]
    assert "UTF-8" in named[str(root / "bad\udcff.mp4")]
