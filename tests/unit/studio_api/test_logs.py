"""Log lines as JSON, and the bound on renders that are kept."""

import json
import logging
import os
import sys

from studio.logs import JsonFormatter
from studio.rendering import remove_oldest, remove_sources


def test_a_line_is_one_object_with_the_exception_in_it():
    try:
        raise ValueError("no")
    except ValueError:
        record = logging.LogRecord("studio.x", logging.ERROR, "", 1, "broke %s", ("here",), sys.exc_info())
    line = json.loads(JsonFormatter().format(record))
    assert (line["event"], line["level"], line["logger"]) == ("broke here", "error", "studio.x")
    assert "ValueError: no" in line["exception"]


def test_the_oldest_renders_go_first_and_none_of_the_last_hour(tmp_path):
    for number, age_s in enumerate((10, 5000, 6000, 7000)):
        path = tmp_path / f"r{number}.mp4"
        path.write_bytes(bytes(100))
        os.utime(path, (1e6 - age_s, 1e6 - age_s))
    remove_oldest(tmp_path, 200, now_s=1e6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r0.mp4", "r1.mp4"]
    remove_oldest(tmp_path, 1, now_s=1e6)
    assert [path.name for path in tmp_path.iterdir()] == ["r0.mp4"]


def test_sources_that_nobody_else_has_are_bounded_and_those_that_are_needed_stay(tmp_path):
    for number in range(5):
        (tmp_path / f"s{number}.mp4").write_bytes(bytes(100))
    (tmp_path / "owned").hardlink_to(tmp_path / "s0.mp4")  # their owner has it too: it takes no room
    (tmp_path / "owned").rename(tmp_path.parent / f"{tmp_path.name}-owned")
    settled = [tmp_path / f"s{number}.mp4" for number in (0, 1, 2, 9)]
    assert remove_sources(tmp_path, settled, 300) == [tmp_path / "s1.mp4"]
    assert remove_sources(tmp_path, settled, 0) == [tmp_path / "s2.mp4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s0.mp4", "s3.mp4", "s4.mp4"]
