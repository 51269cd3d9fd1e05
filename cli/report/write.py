"""Makes a report: reads, looks at the media, writes three files, each whole or not at all."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cli.errors import Unusable
from cli.report import page, tables
from cli.report.media import pictures
from cli.report.model import Entry, Pictures
from cli.report.read import read
from cli.report.totals import total
from jobs.model import State
from stores import is_remote

THREADS = 4


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted: the results below ``outbox``, in these states (none: all), as a page at ``out``."""

    outbox: str
    out: Path
    states: tuple[State, ...] = ()
    pictures: int = 200


class Written(BaseModel):
    """What was written; the JSON of ``report --json`` (stable)."""

    model_config = ConfigDict(frozen=True)

    report: Path
    csv: Path
    jsonl: Path
    files: int
    states: dict[State, int]
    unreadable: int


def write(order: Order) -> Written:
    """Make the report; raises Unusable when the outbox is missing or a file cannot be written."""
    entries, unreadable = read(order.outbox, order.states)
    totals = total(entries)
    folder = Path(os.path.abspath(order.out)).parent  # noqa: PTH100 - resolve() would follow a link the person set
    shown = page.Page(
        title=f"Dropscore: {_name(order.outbox)}",
        folder=folder,
        totals=totals,
        entries=entries,
        unreadable=unreadable,
        pictures=_pictures(entries, order.pictures),
    )
    _put(order.out, page.pieces(shown))
    _put(folder / "results.csv", tables.rows(entries))
    _put(folder / "results.jsonl", tables.jsonl(entries))
    return Written(
        report=order.out,
        csv=order.out.with_name("results.csv"),
        jsonl=order.out.with_name("results.jsonl"),
        files=totals.files,
        states=dict(totals.states),
        unreadable=len(unreadable),
    )


def _name(outbox: str) -> str:
    return outbox.rstrip("/") if is_remote(outbox) else Path(outbox).resolve().name


def _pictures(entries: Iterable[Entry], limit: int) -> dict[str, Pictures]:
    """Pictures of the first files that are there, by job."""
    files = {
        entry.result.job: (_there(entry.result.source), _there(entry.result.output)) for entry in entries
    }
    first = [(job, *pair) for job, pair in files.items() if any(pair)][:limit]
    with ThreadPoolExecutor(THREADS) as pool:
        made = pool.map(lambda one: pictures(one[1], one[2]), first)
        return {job: found for (job, _, _), found in zip(first, made, strict=True) if found != Pictures()}


def _there(path: str | None) -> Path | None:
    found = Path(path) if path and "://" not in path else None
    return found if found and found.is_file() else None


def _put(path: Path, pieces: Iterable[str]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.writelines(pieces)
        part.replace(path)
    except OSError as broken:
        part.unlink(missing_ok=True)
        reason = (broken.strerror or str(broken)).lower()
        raise Unusable(
            f"{path}: the report could not be written ({reason}); name another with -o"
        ) from broken
