"""The same results for programs."""

import csv
import io
import json

from web.report import COLUMNS, ReportOptions, csv_lines, write_report


def test_the_table_has_a_row_a_file_and_seconds_a_step(put, entries):
    put("a", took={"upload": 2, "edit": 3}, texts=["one", "two"], credits={"before": 90, "after": 40})
    read = list(csv.DictReader(io.StringIO("".join(csv_lines(entries())))))
    assert len(read) == 1
    row = read[0]
    assert list(row) == list(COLUMNS)
    assert (row["upload_s"], row["edit_s"], row["poll_s"], row["attempts"]) == ("2.0", "3.0", "0.0", "2")
    assert (row["texts"], row["credits_before"], row["error_code"]) == ("one\ntwo", "90", "")


def test_no_cell_is_a_formula(put, entries):
    put("a", source="=cmd|' /C calc'!A0", skill="@x", instructions=["-1+1"])
    (row,) = csv.DictReader(io.StringIO("".join(csv_lines(entries()))))
    assert row["source"].startswith("'=")
    assert row["skill"] == "'@x"
    assert row["instructions"] == "'-1+1"


def test_the_list_has_the_keys_of_the_result_file(put, outbox):
    path = put("a", texts=["héllo"])
    written = write_report(ReportOptions(str(outbox), outbox.parent / "report.html"))
    (line,) = written.jsonl.read_text().splitlines()
    assert json.loads(line) == json.loads(path.read_text())
