"""``doctor`` and the addresses of DROPSCORE_NOTIFY."""

import json
from pathlib import Path

import pytest

from cli.doctor import Where, examine
from tests.integration.worker.receiver import Receiver

pytestmark = pytest.mark.integration

TOKEN = "s3cr3tpath"


def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, urls: str, *, send_test: bool = False):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPSCORE_NOTIFY", urls)
    examined = examine({}, Where((), str(tmp_path / "outbox")), send_test=send_test)
    assert TOKEN not in examined.model_dump_json()
    return {found.name: found for found in examined.checks}.get("notifications")


def test_addresses_are_checked_and_nothing_is_sent(monkeypatch, tmp_path) -> None:
    with Receiver() as receiver:
        found = check(monkeypatch, tmp_path, f"json://127.0.0.1:{receiver.port}/{TOKEN}, ntfys://{TOKEN}")
        assert receiver.got == []
    assert (found.state, found.message) == ("ok", "to 1 (json), 2 (ntfys); --notify sends a test message")


def test_a_test_message_is_sent_when_asked_for(monkeypatch, tmp_path) -> None:
    with Receiver() as receiver:
        found = check(monkeypatch, tmp_path, f"json://127.0.0.1:{receiver.port}/{TOKEN}", send_test=True)
        (body,) = receiver.bodies()
    assert found.state == "ok"
    assert json.loads(body)["title"] == "Dropscore: a test"


def test_an_address_that_takes_none_and_one_that_is_none_fail(monkeypatch, tmp_path) -> None:
    with Receiver(status=403) as receiver:
        url = f"json://127.0.0.1:{receiver.port}/{TOKEN}"
        found = check(monkeypatch, tmp_path, url, send_test=True)
        assert (found.state, found.message) == ("fail", "no test message accepted by 1 (json)")
        found = check(monkeypatch, tmp_path, f"{url} nosuch://{TOKEN}")
    assert (found.state, found.message) == ("fail", "no address that Apprise knows: 2 (nosuch)")


def test_without_addresses_only_a_wish_to_send_is_a_matter(monkeypatch, tmp_path) -> None:
    assert check(monkeypatch, tmp_path, "") is None
    assert check(monkeypatch, tmp_path, "", send_test=True).state == "warn"


def test_what_is_no_url_is_named_by_its_number_alone(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPSCORE_NOTIFY", f"json://x/a,b/{TOKEN}, {TOKEN}")
    examined = examine({}, Where((), str(tmp_path)))
    assert examined.well  # one address: a comma parts only where a scheme follows
    monkeypatch.setenv("DROPSCORE_NOTIFY", f"{TOKEN}, json://x/{TOKEN}")
    (settings,) = examine({}, Where((), str(tmp_path))).checks
    assert (
        settings.message
        == "DROPSCORE_NOTIFY: is not usable: address 1 should be an Apprise URL, such as json://host/path"
    )
