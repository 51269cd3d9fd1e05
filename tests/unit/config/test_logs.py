"""No secret reaches a log, in either form, from our code or from a library's."""

import json
import logging

import pytest
import structlog

from config.logs import REPEATED_EACH_S, RepeatFilter, configure, masked

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


def test_a_line_that_repeats_is_written_once_in_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", as_json=True)
    for number in range(5):
        structlog.get_logger().warning("ledger away", number=number, at_most_each_s=60)
        structlog.get_logger().warning("another", number=number)
    rows = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [row["number"] for row in rows if row["event"] == "ledger away"] == [0]
    assert len([row for row in rows if row["event"] == "another"]) == 5
    assert not any("at_most_each_s" in row for row in rows)


def test_after_its_time_it_is_written_again() -> None:
    at = [0.0]
    repeats = RepeatFilter(lambda: at[0])
    assert repeats.is_due("away", 60)
    at[0] = 59.0
    assert not repeats.is_due("away", 60)
    assert repeats.is_due("back", 60), "each line has its own time"
    at[0] = 61.0
    assert repeats.is_due("away", 60)


@pytest.mark.parametrize(
    ("name", "level", "times"),
    [("celery.worker.consumer", logging.ERROR, 1), ("kombu.connection", logging.WARNING, 1),
     ("celery.worker", logging.INFO, 3), ("uvicorn", logging.ERROR, 3)],
)  # fmt: skip
def test_what_celery_says_of_a_broker_that_is_away_is_said_once_a_minute(
    name: str, level: int, times: int
) -> None:
    at = [0.0]
    repeats = RepeatFilter(lambda: at[0])
    record = logging.LogRecord(name, level, __file__, 1, "Cannot connect to %s", ("redis",), None)
    assert sum(repeats.filter(record) for _ in range(3)) == times
    at[0] = REPEATED_EACH_S
    assert repeats.filter(record)


def test_a_warning_that_a_library_gives_at_each_lost_connection_is_said_once_a_minute() -> None:
    at = [0.0]
    repeats = RepeatFilter(lambda: at[0])

    def is_written(text: str) -> bool:
        return repeats.filter(logging.LogRecord("py.warnings", logging.WARNING, "", 0, "%s", (text,), None))

    assert is_written("consumer.py:427: CPendingDeprecationWarning: in the next version")
    assert not is_written("consumer.py:427: CPendingDeprecationWarning: in the next version")
    assert is_written("other.py:1: UserWarning: something else")
    at[0] += REPEATED_EACH_S
    assert is_written("consumer.py:427: CPendingDeprecationWarning: in the next version")
