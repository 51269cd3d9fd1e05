"""Finds the result files of an outbox and reads them; what is no result is named, never fatal."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from cli.errors import Unusable
from cli.report.model import Entry, Span, Unreadable
from jobs.model import State
from jobs.result import Result
from stores import StoreError, is_remote, store_of, tidy

TAIL = ".result.json"
FAR_THREADS = 16
MAX_BYTES = 4 * 1024 * 1024
"""No result is larger."""


class _StepRow(BaseModel):
    """One row of a result's ``steps``."""

    step: str
    started: datetime
    ended: datetime
    attempts: int


def read(outbox: str, states: Iterable[State] = ()) -> tuple[list[Entry], list[Unreadable]]:
    """All results below a folder (only those in ``states``, if any are named), problems first, then by path.

    Raises:
        Unusable: the folder does not exist, or its bucket cannot be listed.
    """
    wanted = set(states) or set(State)
    if is_remote(outbox):
        with ThreadPoolExecutor(FAR_THREADS) as pool:
            found = list(pool.map(_entry, _objects(outbox)))
    else:
        found = [_entry(path) for path in _files(outbox)]
    entries = [one for one in found if isinstance(one, Entry) and one.result.state in wanted]
    entries.sort(key=lambda entry: (not entry.needs_a_person, entry.path))
    return entries, [one for one in found if isinstance(one, Unreadable)]


def _objects(outbox: str) -> list[str]:
    try:
        listed = [seen.path for seen in store_of(outbox).list(tidy(outbox)) if seen.path.endswith(TAIL)]
    except StoreError as broken:
        raise Unusable(str(broken)) from broken
    return [path for path in listed if "/." not in path]


def _files(outbox: str) -> Iterator[str]:
    if not Path(outbox).is_dir():
        raise Unusable(f"{outbox}: no such folder; name the one that holds the results with --outbox")
    for folder, folders, names in os.walk(outbox):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(TAIL) and not name.startswith("."):
                yield str(Path(folder, name))


def _entry(path: str) -> Entry | Unreadable:
    try:
        raw = store_of(path).read(path, MAX_BYTES + 1)
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
