import os
from pathlib import Path

import pytest

from cli.errors import AlreadyRunning, Unusable
from cli.paths import find_state, hold_state, holds_files, prepare_folders, remember_state


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


def test_the_state_of_a_file_is_found_from_any_folder(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        remember_state(tmp_path / name, "/v/inbox", "/v/outbox")
    assert find_state("/v/inbox/deep/clip.mp4") == tmp_path / "new"  # the last that served it
    assert find_state("/v/outbox") == tmp_path / "new"
    assert find_state("/v/inbox-2/clip.mp4") is None
    (tmp_path / "new").rmdir()
    assert find_state("/v/inbox/clip.mp4") == tmp_path / "old"


@pytest.mark.parametrize("text", ["", "{}", '[{"state": 3}]', "\0", '[["x"]]'])
def test_a_damaged_list_of_states_is_no_reason_to_stop(tmp_path, text):
    known = Path(os.environ["XDG_STATE_HOME"]) / "dropscore" / "known"
    known.parent.mkdir(parents=True)
    known.write_text(text)
    assert find_state("/v/clip.mp4") is None
    remember_state(tmp_path, "/v")
    assert find_state("/v/clip.mp4") == tmp_path


def test_an_outbox_keeps_its_state_wherever_the_command_is_given(tmp_path):
    (tmp_path / "inbox").mkdir()
    former, here = tmp_path / "former", tmp_path / "here"
    former.mkdir()
    inbox, outbox = str(tmp_path / "inbox"), str(tmp_path / "outbox")
    remember_state(former, inbox, outbox)
    assert prepare_folders(inbox, None, here, is_chosen=False).state == former
    assert prepare_folders(inbox, None, here).state == here
    other = prepare_folders(inbox, str(tmp_path / "another"), here, is_chosen=False)
    assert other.state == here
