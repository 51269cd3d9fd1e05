"""The socket of the page: whom it is open to; and what its commands do to outputs that are gone."""

import socket
from pathlib import Path

import pytest

from cli.errors import Unusable
from cli.page import LedgerCommands
from cli.paths import Folders
from cli.processes import open_page_socket, page_url
from config.settings import load
from jobs.ledger import Ledger
from jobs.model import State
from tests.unit.cli.test_deliveries import deliver


def test_a_page_for_others_needs_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPSCORE_WEB_HOST", "192.0.2.1")
    with pytest.raises(Unusable, match="set DROPSCORE_WEB_PASSWORD"):
        open_page_socket(load())


def test_it_listens_on_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPSCORE_WEB_PORT", "0")
    with open_page_socket(load()) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        assert page_url(listening).startswith("http://127.0.0.1:")


def test_a_port_that_was_asked_for_and_is_taken_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("DROPSCORE_WEB_PORT", str(port))
        with pytest.raises(Unusable, match=f"127.0.0.1:{port} .* DROPSCORE_WEB_PORT"):
            open_page_socket(load())


def test_what_is_gone_from_its_folders_is_made_again(fake_ledger: Ledger, tmp_path: Path) -> None:
    place = Folders(str(tmp_path / "in"), str(tmp_path / "out"), tmp_path / "state")
    for folder in (place.inbox, place.outbox):
        Path(folder).mkdir()
    job = deliver(fake_ledger, place, "a")
    Path(job.spec.output).unlink()
    settings = load({"state_dir": place.state})
    assert LedgerCommands(fake_ledger, settings, ("/elsewhere",)).restore().lines == ("no output is gone",)
    (line, *_) = LedgerCommands(fake_ledger, settings, (place.outbox,)).restore().lines
    assert "made again at no cost" in line
    assert fake_ledger.get("a").state is State.QUEUED
