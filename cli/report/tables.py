"""The same results for programs: ``results.csv`` for spreadsheets, ``results.jsonl`` with every key."""

import csv
import io
from collections.abc import Iterable, Iterator

from cli.report.markup import visible
from cli.report.model import Entry
from cli.report.totals import said
from jobs.model import Step

COLUMNS = (
    "job",
    "source",
    "output",
    "state",
    "skill",
    "instructions",
    "timeline",
    "texts",
    "bytes",
    "duration_s",
    "credits_before",
    "credits_after",
    "created",
    "ended",
    "took_s",
    *(f"{step}_s" for step in Step),
    "attempts",
    "error_class",
    "error_message",
    "advice",
)


def jsonl(entries: Iterable[Entry]) -> Iterator[str]:
    """One result a line, with the keys of its file."""
    for entry in entries:
        yield f"{entry.result.model_dump_json()}\n"


def rows(entries: Iterable[Entry]) -> Iterator[str]:
    """The table, its header first, as CSV lines; times are seconds."""
    yield _line(COLUMNS)
    for entry in entries:
        yield _line(_cells(entry))


def _line(cells: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_harmless(cell) for cell in cells])
    return out.getvalue()


def _harmless(cell: object) -> object:
    """A spreadsheet reads ``=…`` as a formula; an apostrophe before it makes it text."""
    if not isinstance(cell, str):
        return cell
    text = visible(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\n")) else text


def _cells(entry: Entry) -> tuple[object, ...]:
    result = entry.result
    took = {step.value: 0.0 for step in Step}
    for span in entry.spans:
        took[span.step] = took.get(span.step, 0.0) + span.took_s
    return (
        result.job,
        result.source,
        result.output,
        result.state.value,
        result.skill,
        "\n".join(result.instructions),
        result.timeline,
        "\n".join(result.texts),
        result.bytes,
        result.duration_s,
        result.credits.before,
        result.credits.after,
        result.created,
        result.ended,
        round(entry.took_s, 3),
        *(round(took[step.value], 3) for step in Step),
        sum(span.attempts for span in entry.spans),
        said(entry, "class"),
        said(entry, "message"),
        said(entry, "advice"),
    )
