"""Finds the result files of an outbox and reads them; what is no result is named, never fatal."""

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from cli.errors import Unusable
from cli.report.model import Entry, Span, Unreadable
from jobs.model import State
from jobs.result import Result

TAIL = ".result.json"
MAX_BYTES = 4 * 1024 * 1024
"""No result is larger."""


class _StepRow(BaseModel):
    """One row of a result's ``steps``."""

    step: str
    started: datetime
    ended: datetime
    attempts: int


def read(outbox: Path, states: Iterable[State] = ()) -> tuple[list[Entry], list[Unreadable]]:
    """All results below a folder (only those in ``states``, if any are named), problems first, then by path.

    Raises:
        Unusable: the folder does not exist.
    """
    if not outbox.is_dir():
        raise Unusable(f"{outbox}: no such folder; name the one that holds the results with --outbox")
    wanted = set(states) or set(State)
    found = [_entry(path) for path in _files(outbox)]
    entries = [one for one in found if isinstance(one, Entry) and one.result.state in wanted]
    entries.sort(key=lambda entry: (not entry.needs_a_person, str(entry.path)))
    return entries, [one for one in found if isinstance(one, Unreadable)]


def _files(outbox: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(outbox):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(TAIL) and not name.startswith("."):
                yield Path(folder, name)


def _entry(path: Path) -> Entry | Unreadable:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            return Unreadable(path, "too large for a result")
        result = Result.model_validate_json(raw)
        spans = tuple(_span(_StepRow.model_validate(row)) for row in result.steps)
        ended = _seconds(result.ended) if result.ended else None
        return Entry(result, path, spans, _seconds(result.created), ended)
    except OSError as broken:
        return Unreadable(path, (broken.strerror or "cannot be opened").lower())
    except ValidationError as broken:
        first = broken.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        return Unreadable(path, f"{where}: {first['msg'].lower()}")
    except ValueError:
        return Unreadable(path, "a time in it is not ISO 8601")


def _span(row: _StepRow) -> Span:
    return Span(row.step, row.started.timestamp(), row.ended.timestamp(), row.attempts)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
