"""The outbox: writable, on the disk it was on, and one ledger's."""

import json

import pytest

from config.errors import ConfigError
from producer.outbox import check_mounted, ensure_writable, hold_outbox
from storage.mounts import MOUNTS_FILE, OWNER_FILE, find_mount, remember_mount


def hold(outbox, ledger_id, state_dir="/state"):
    return hold_outbox(str(outbox), ledger_id, state_dir)


def test_an_outbox_belongs_to_one_ledger(tmp_path):
    outbox = tmp_path / "out"
    with hold(outbox, "ledger-1", "/state/1"), hold(outbox, "ledger-1", "/other"):
        # two producers of one ledger may share it
        with pytest.raises(ConfigError, match="another ledger") as refused, hold(outbox, "ledger-2"):
            pass
        assert "/state/1" in str(refused.value)
        assert "\n" not in str(refused.value)
    with pytest.raises(ConfigError), hold(outbox, "ledger-2"):
        pass
    (outbox / OWNER_FILE).unlink()  # as it is advised
    with hold(outbox, "ledger-2"):
        pass


@pytest.mark.parametrize("content", ["{", "[]", '{"ledger": 3}', "\ud800", "[" * 5000])
def test_an_owner_file_that_cannot_be_read_is_one_line(tmp_path, content):
    (tmp_path / OWNER_FILE).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError, match="another ledger"), hold(tmp_path, "ledger-1"):
        pass


def test_an_outbox_that_cannot_be_written_is_one_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(ConfigError, match=r"^outbox .*; choose another with --outbox$"):
        ensure_writable(str(blocked / "out"), tmp_path / "state")


def test_a_writable_outbox_is_made_and_left_clean(tmp_path):
    ensure_writable(str(tmp_path / "a" / "b"), tmp_path / "state")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_an_outbox_whose_disk_was_mounted_before_is_not_made_anew(tmp_path):
    outbox, state = tmp_path / "disk" / "out", tmp_path / "state"
    assert remember_mount(str(outbox), state) == find_mount(str(tmp_path))
    check_mounted(str(outbox), state)
    (state / MOUNTS_FILE).write_text(json.dumps({str(outbox): str(tmp_path / "disk")}))
    with pytest.raises(ConfigError, match=r"disk is not mounted; mount it"):
        ensure_writable(str(outbox), state)
    assert not outbox.parent.exists()
    outbox.mkdir(parents=True)
    (outbox / OWNER_FILE).touch()  # it was moved here with all that is in it
    check_mounted(str(outbox), state)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"/out": 1}', "[" * 100_000])
def test_a_list_of_mounts_of_any_content_is_no_crash(tmp_path, content):
    (tmp_path / MOUNTS_FILE).write_text(content)
    check_mounted("/out/of/another", tmp_path)
