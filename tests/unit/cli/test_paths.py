import os
from pathlib import Path

import pytest

from cli.errors import AlreadyRunning, Unusable
from cli.paths import hold_state, holds_files, prepare_folders


def test_the_outbox_is_beside_the_inbox_unless_it_is_named(tmp_path):
    (tmp_path / "inbox").mkdir()
    folders = prepare_folders(str(tmp_path / "inbox"), None, tmp_path / "state")
    assert folders.outbox == str(tmp_path / "outbox")
    assert folders.state.stat().st_mode & 0o777 == 0o700
    assert [*Path(folders.outbox).iterdir()] == []


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_relative_inbox_has_its_outbox_in_the_same_folder(tmp_path, monkeypatch, slash):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    assert prepare_folders(f"in{slash}", None, tmp_path / "s").outbox == str(tmp_path / "outbox")


def test_an_inbox_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(Unusable, match="nowhere: does not exist; name the folder") as told:
        prepare_folders(str(tmp_path / "nowhere"), None, tmp_path / "state")
    assert told.value.exit_code == 2
    assert not (tmp_path / "outbox").exists()
    assert not (tmp_path / "state").exists()


def test_an_inbox_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(Unusable, match="is a file, not a folder"):
        prepare_folders(str(tmp_path / "a.mp4"), None, tmp_path / "state")


def test_an_outbox_that_is_the_inbox_is_refused_even_through_a_link(tmp_path):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "inbox")
    with pytest.raises(Unusable, match="the outbox is the inbox"):
        prepare_folders(str(tmp_path / "inbox"), str(tmp_path / "link"), tmp_path / "state")


def test_an_outbox_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(Unusable, match="the outbox cannot be written to"):
        prepare_folders(str(tmp_path / "inbox"), str(tmp_path / "file" / "out"), tmp_path / "state")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_outbox_that_is_read_only_is_one_line(tmp_path):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(Unusable, match="permission denied"):
        prepare_folders(str(tmp_path / "inbox"), str(tmp_path / "out"), tmp_path / "state")


def test_a_state_folder_is_held_by_one(tmp_path):
    refused = pytest.raises(AlreadyRunning, match=rf"process {os.getpid()}.*--state-dir")
    with hold_state(tmp_path), refused, hold_state(tmp_path):
        pass
    with hold_state(tmp_path):
        pass


def test_hidden_files_do_not_make_a_folder_hold_files(tmp_path):
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.mp4").touch()
    (tmp_path / ".DS_Store").touch()
    assert not holds_files(str(tmp_path))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.mp4").touch()
    assert holds_files(str(tmp_path))


def test_a_state_folder_is_closed_to_others_whatever_it_was_before(tmp_path):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "state").mkdir(mode=0o755)
    prepare_folders(str(tmp_path / "inbox"), None, tmp_path / "state")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
