import json
import os
from pathlib import Path

import pytest

from cli.ledger import find_state_folder, with_state_for
from cli.paths import hold_state, prepare_folders
from cli.states import choose_state, find_state, name_state, remember_state
from config.settings import load


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


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "inbox").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path.resolve()


def test_each_outbox_has_a_state_folder_of_its_own_named_after_it(here):
    one, other = prepare_folders("inbox", None, None), prepare_folders("inbox", "a b/ö", None)
    home = Path(os.environ["XDG_STATE_HOME"], "dropscore")
    assert one.state.parent == other.state.parent == home
    assert one.state.name.startswith("outbox-")
    assert one.state.stat().st_mode & 0o777 == 0o700
    assert prepare_folders("inbox", None, None).state == one.state != other.state
    assert not (here / ".dropscore").exists()


@pytest.mark.parametrize("outbox", ["/", "/v/..", "/v/" + "x" * 300, "s3://bucket/out", "/v/\udcff"])
def test_any_outbox_gives_a_name_that_a_folder_can_have(outbox):
    name = name_state(outbox)
    assert 0 < len(name) < 60
    assert name.isprintable()
    assert "/" not in name


def test_an_outbox_keeps_its_state_wherever_the_command_is_given(here):
    former = here / "former"
    former.mkdir()
    inbox, outbox = str(here / "inbox"), str(here / "outbox")
    remember_state(former, inbox, outbox)
    assert prepare_folders(inbox, None, None).state == former
    assert prepare_folders(inbox, None, here / "chosen").state == here / "chosen"
    assert prepare_folders(inbox, str(here / "another"), None).state != former


def test_an_outbox_that_was_moved_leads_back_to_its_state(here):
    state = prepare_folders("inbox", None, None).state
    with hold_state(state):
        pass
    (here / "outbox" / ".dropscore-outbox").write_text(json.dumps({"ledger": "x", "state_dir": str(state)}))
    (here / "outbox").rename(here / "moved")
    assert choose_state(str(here / "moved")) == state


def test_the_state_of_an_earlier_edition_in_this_folder_goes_on_being_used(here, monkeypatch):
    (here / ".dropscore").mkdir()
    assert choose_state(str(here / "outbox")).name != ".dropscore"  # a folder, and no state
    with hold_state(here / ".dropscore"):
        pass
    assert choose_state(str(here / "outbox")) == here / ".dropscore"
    assert find_state_folder(load()) == here / ".dropscore"
    monkeypatch.chdir("/")
    assert choose_state(str(here / "outbox")).name != ".dropscore"


def test_a_command_finds_the_state_of_what_lies_below_the_current_folder_or_the_only_one(here, monkeypatch):
    one, other = prepare_folders("inbox", None, None), prepare_folders("inbox", "deep/out", None)
    remember_state(one.state, one.inbox, one.outbox)
    monkeypatch.chdir("/usr")
    assert find_state_folder(load()) == one.state
    assert with_state_for("/v/hills.mp4", load()).state_dir == one.state
    remember_state(other.state, other.inbox, other.outbox)
    assert find_state_folder(load()).name == "shared"  # which of both nobody can say
    assert with_state_for("/v/hills.mp4", load()).state_dir.name.startswith("v-")
    assert find_state_folder(load(), f"{one.outbox}/clip.mp4") == one.state
    monkeypatch.chdir(here)
    assert find_state_folder(load()) == other.state  # the last
    assert find_state_folder(load({"state_dir": Path("mine")})) == here / "mine"
