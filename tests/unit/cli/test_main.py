import sys

import pytest

from cli import main as command_line


def call(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["dropscore", *arguments])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("NEMO_TOKEN", "DROPSCORE_REDIS_URL", "DROPSCORE_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "nowhere"], "nowhere: does not exist"),
        (["run"], "Missing argument 'INBOX'"),
        (["run", ".", "--bakend", "x"], "No such option: --bakend"),
        (["nonsense"], "No such command 'nonsense'"),
        (["run", ".", "--backend", "moon"], "DROPSCORE_BACKEND"),
        (["run", ".", "--skill", "moon"], "skill 'moon' is unknown"),
        (["run", ".", "--settle", "-1"], "DROPSCORE_SETTLE"),
        (["run", ".", "--outbox", "."], "the outbox is the inbox"),
        (["status"], "nothing was run here yet"),
        (["worker"], "no Redis server runs here"),
        (["results", "--state", "gone"], "gone"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(monkeypatch, capsys, arguments, line):
    code, out, err = call(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("dropscore: ")
    assert line in err
    assert err.count("\n") == 1


def test_an_empty_inbox_says_so_and_is_no_error(monkeypatch, capsys, tmp_path):
    (tmp_path / "inbox").mkdir()
    code, out, err = call(monkeypatch, capsys, "run", "inbox", "--once")
    assert (code, out, err) == (0, "inbox is empty: put videos into it\n", "")


def test_an_unknown_setting_is_one_line(monkeypatch, capsys):
    monkeypatch.setenv("DROPSCORE_LEESE", "3")
    code, _, err = call(monkeypatch, capsys, "skills")
    assert code == 2
    assert err == ("dropscore: DROPSCORE_LEESE is no setting of Dropscore; docs/settings.md lists them all\n")


def test_a_token_in_a_message_is_masked(monkeypatch, capsys):
    _, _, err = call(monkeypatch, capsys, "run", "nmv_secret123")
    assert "secret123" not in err


def test_no_command_shows_the_help(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys)
    assert code == 0
    assert "dropscore run inbox --once" in out


def test_skills_lists_the_five_and_marks_the_chosen(monkeypatch, capsys):
    monkeypatch.setenv("DROPSCORE_SKILL", "music-ab2n")
    _, out, _ = call(monkeypatch, capsys, "skills")
    assert (
        sum(
            name in out
            for name in ("add-music", "ai-add-music-to", "video-music-generator", "best-music-cog")
        )
        == 4
    )
    assert "›  music-ab2n" in out


def test_windows_is_told_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(command_line.sys, "platform", "win32")
    code, _, err = call(monkeypatch, capsys, "run", ".")
    assert (code, err.count("\n")) == (2, 1)
    assert "WSL" in err
