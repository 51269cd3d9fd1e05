"""The command line: every setting is a flag, and a wrong one is one clear line."""

from __future__ import annotations

import pytest

from studio import __main__ as command
from studio.settings import StudioSettings


@pytest.fixture
def served(monkeypatch):
    """What would have been served."""
    calls = []
    monkeypatch.setattr("studio.server.serve", lambda settings, *, fd: calls.append((settings, fd)))
    return calls


def test_flags_are_the_settings(served, tmp_path):
    flags = ["--root", str(tmp_path), "--port", "8765", "--credits", "7", "--dialect", "a", "--fd", "3"]
    assert command.main([*flags, "--allow-private-urls", "--think-s", "1.5"]) == 0
    settings, fd = served[0]
    expected = {"root": tmp_path, "port": 8765, "credits": 7, "dialect": "a", "think_s": 1.5}
    assert settings == StudioSettings(**expected, allow_private_urls=True)
    assert fd == 3


def test_without_flags_the_defaults_hold(served):
    assert command.main([]) == 0
    assert served == [(StudioSettings(), None)]


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--port", "70000"], "--port"),
        (["--credits", "many"], "--credits"),
        (["--silent-share", "2"], "--silent-share"),
        (["--max-file-bytes", "0"], "--max-file-bytes"),
    ],
)
def test_an_impossible_value_is_one_line(served, capsys, flags, named):
    assert command.main(flags) == 2
    complaint = capsys.readouterr().err
    assert named in complaint
    assert complaint.count("\n") == 1
    assert served == []


def test_a_missing_faults_file_is_one_line(capsys, tmp_path):
    assert command.main(["--root", str(tmp_path), "--faults", str(tmp_path / "gone.toml")]) == 2
    assert "gone.toml cannot be read" in capsys.readouterr().err
