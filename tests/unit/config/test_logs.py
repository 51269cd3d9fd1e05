"""No secret reaches a log, in either form, from our code or from a library's."""

import json
import logging

import pytest
import structlog

from config.logs import configure, masked

TOKEN = "nmv_usr_abcdef0123456789"


@pytest.mark.parametrize("as_json", [True, False])
def test_tokens_are_masked_wherever_they_stand(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    configure("DEBUG", as_json)
    structlog.get_logger().info("said", token=TOKEN, header=f"Bearer {TOKEN}")
    logging.getLogger("library").warning("redis://:%s@host failed with %s", "pa55word", TOKEN)
    try:
        raise ValueError(f"bad {TOKEN}")
    except ValueError:
        structlog.get_logger().exception("broke")
    printed = capsys.readouterr().err
    assert "abcdef" not in printed
    assert "pa55word" not in printed
    assert printed.count("nmv_***") >= 3


def test_json_logs_are_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", as_json=True)
    structlog.get_logger().info("gate closed", gate="credits")
    row = json.loads(capsys.readouterr().err)
    assert (row["event"], row["gate"], row["level"]) == ("gate closed", "credits", "info")


def test_other_text_is_left_alone() -> None:
    assert masked("https://example.com/a?b=c and nmvx") == "https://example.com/a?b=c and nmvx"
