"""``dropscore report``: one page, one table and one list for all results of an outbox.

It reads the result files alone, so that it works without the ledger, on another machine, years later. The
page is one file that fetches nothing: its players find the videos beside it by relative addresses. What comes
from outside is escaped by the templates; control characters are made visible (`web.format.escape_controls`).

ReportError
├── OutboxMissing      the folder or bucket cannot be read          code outbox_missing
└── ReportNotWritten   a file of the report cannot be written       code report_not_written
"""

import csv
import hashlib
import io
import math
import os
import shlex
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.model import State, Step
from jobs.result import MAX_RESULT_BYTES, Result
from storage import StorageError, is_remote, storage_for, tidy
from web import format as formats
from web.media import take_pictures
from web.models import Entry, Pictures, StepRun, Totals, UnreadableResult, Waveform, add_up
from web.templating import make_environment

SUFFIX = ".result.json"
OPEN_UP_TO = 12
"""A report of so few files shows them opened."""
FOLD_BEYOND = 20
"""So many files of one cause are listed; the rest is folded."""
CHART_ROWS = 40
PICTURES_S = 5.0
_BUCKET_THREADS = 16
_SOUND = frozenset({".mp3", ".wav", ".m4a", ".aac", ".flac", ".ogg", ".opus"})
_STILL = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic"})


class ReportError(Exception):
    """Root of what a report cannot go on with; ``str()`` is one clear line for the person."""

    code: ClassVar[str] = "report_error"


class OutboxMissing(ReportError):
    """The folder that should hold the results does not exist, or its bucket cannot be listed."""

    code: ClassVar[str] = "outbox_missing"


class ReportNotWritten(ReportError):
    """A file of the report cannot be written."""

    code: ClassVar[str] = "report_not_written"


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What is wanted: the results below ``outbox``, in these states (none: all), as a page at ``out``."""

    outbox: str
    out: Path
    states: tuple[State, ...] = ()
    pictures: int | None = None
    """Of how many files pictures are taken; None = of as many as `PICTURES_S` allow."""


class WrittenReport(BaseModel):
    """What was written; the JSON of ``report --json`` (stable)."""

    model_config = ConfigDict(frozen=True)

    report: Path
    csv: Path
    jsonl: Path
    files: int
    states: dict[State, int]
    unreadable: int


def write_report(options: ReportOptions) -> WrittenReport:
    """Write the page, ``results.csv`` and ``results.jsonl``, each whole or not at all.

    Raises:
        OutboxMissing: there is no outbox to read.
        ReportNotWritten: a file cannot be written.
    """
    entries, unreadable = read_results(options.outbox, options.states)
    totals = add_up(entries)
    folder = Path(os.path.abspath(options.out)).parent  # noqa: PTH100 - resolve() would follow a link the person set
    outbox = options.outbox.rstrip("/")
    name = outbox if is_remote(outbox) else Path(outbox).resolve().name
    pictures = take_all_pictures(entries, options.pictures)
    cards = (make_card(entry, folder, pictures.get(entry.result.job)) for entry in entries)
    _put(options.out, render_page(name, totals, entries, cards, unreadable, len(pictures)))
    _put(folder / "results.csv", csv_lines(entries))
    _put(folder / "results.jsonl", (f"{entry.result.model_dump_json()}\n" for entry in entries))
    return WrittenReport(
        report=options.out,
        csv=options.out.with_name("results.csv"),
        jsonl=options.out.with_name("results.jsonl"),
        files=totals.files,
        states=dict(totals.states),
        unreadable=len(unreadable),
    )


# --- reading --------------------------------------------------------------------------------------


class _StepRow(BaseModel):
    """One row of a result's ``steps``."""

    step: str
    started: datetime
    ended: datetime
    attempts: int


def read_results(outbox: str, states: Iterable[State] = ()) -> tuple[list[Entry], list[UnreadableResult]]:
    """Read all results below a folder (only those in ``states``, if any): problems first, then by path.

    Raises:
        OutboxMissing: the folder does not exist, or its bucket cannot be listed.
    """
    wanted = set(states) or set(State)
    if is_remote(outbox):
        try:
            paths = [seen.path for seen in storage_for(tidy(outbox)).scan() if seen.path.endswith(SUFFIX)]
        except StorageError as exc:
            raise OutboxMissing(str(exc)) from exc
        with ThreadPoolExecutor(_BUCKET_THREADS) as pool:
            found = list(pool.map(_read_result, (path for path in paths if "/." not in path)))
    elif Path(outbox).is_dir():
        found = []
        for folder, folders, names in os.walk(outbox):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            ours = (name for name in sorted(names) if name.endswith(SUFFIX) and not name.startswith("."))
            found += [_read_result(f"{folder}/{name}") for name in ours]
    else:
        raise OutboxMissing(f"{outbox}: no such folder; name the one that holds the results with --outbox")
    entries = [one for one in found if isinstance(one, Entry) and one.result.state in wanted]
    entries.sort(key=lambda entry: (not entry.needs_a_person, entry.path))
    return entries, [one for one in found if isinstance(one, UnreadableResult)]


def _read_result(path: str) -> Entry | UnreadableResult:
    """Read one result file; what is no result is named with the reason, never fatal."""
    try:
        raw = storage_for(path).read(path, MAX_RESULT_BYTES + 1)
        if len(raw) > MAX_RESULT_BYTES:
            return UnreadableResult(path, "too large for a result")
        result = Result.model_validate_json(raw)
        rows = [_StepRow.model_validate(row) for row in result.model_dump()["steps"]]
        steps = tuple(
            StepRun(row.step, row.started.timestamp(), row.ended.timestamp(), row.attempts) for row in rows
        )
        created = datetime.fromisoformat(result.created).timestamp()
        ended = datetime.fromisoformat(result.ended).timestamp() if result.ended else None
        return Entry(result, path, steps, created, ended)
    except OSError as exc:
        return UnreadableResult(path, (exc.strerror or "cannot be opened").lower())
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        return UnreadableResult(path, f"{where}: {first['msg'].lower()}")
    except ValueError:
        return UnreadableResult(path, "a time in it is not ISO 8601")


# --- the page -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """A file: its address relative to the report (None when it is not there), and the text to show."""

    address: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """One file of the page: what the template shows of it."""

    entry: Entry
    source: Link
    output: Link | None
    result: Link
    before: str | None  # address a player takes the source from
    after: str | None
    sound_only: bool
    poster: str  # a data address, or ""
    before_wave: Waveform | None
    after_wave: Waveform | None
    command: str  # to copy: a tweak for what is done, a retry for what is not

    @property
    def wave_length_s(self) -> float:
        """Seconds that both waveforms share as their scale."""
        return max((wave.length_s for wave in (self.before_wave, self.after_wave) if wave), default=0.0)


def make_card(entry: Entry, folder: Path, pictures: Pictures | None) -> Card:
    """Gather what the page shows of a result; ``folder`` is where the page lies."""
    result, shown = entry.result, pictures or Pictures()
    source = _link(result.source, folder)
    output = _link(result.output, folder) if result.output else None
    kind = Path(result.source).suffix.lower()
    quoted = shlex.quote(formats.escape_controls(result.source))
    command = ""
    if result.state is State.DONE:
        command = f"dropscore tweak {quoted} 'make the music softer'"
    elif result.state in (State.FAILED, State.CANCELLED):
        command = f"dropscore retry {quoted}"
    elif result.state is State.UNCONFIRMED:
        command = f"dropscore retry {quoted} --resend"
    return Card(
        entry=entry,
        source=source,
        output=output,
        result=_link(entry.path, folder),
        before=None if kind in _STILL else source.address,
        after=output.address if output else None,
        sound_only=kind in _SOUND and not output,
        poster=f"data:image/jpeg;base64,{b64encode(shown.poster).decode()}" if shown.poster else "",
        before_wave=shown.before,
        after_wave=shown.after,
        command=command,
    )


def _link(target: str, folder: Path) -> Link:
    if "://" in target or not Path(target).exists():
        return Link(None, target)
    relative = os.path.relpath(target, folder)
    # "./" keeps a name such as "data:x" from being read as a scheme.
    address = quote(os.fsencode(relative if relative.startswith("..") else f"./{relative}"))
    return Link(address, Path(target).name)


def render_page(
    name: str,
    totals: Totals,
    entries: Sequence[Entry],
    cards: Iterable[Card],
    unreadable: Sequence[UnreadableResult],
    pictured: int,
) -> Iterator[str]:
    """Render the page piece by piece, so that thousands of cards never stand in memory at once."""
    worked = sorted((entry for entry in entries if entry.steps), key=lambda entry: entry.began)
    every = -(-len(worked) // CHART_ROWS) or 1
    script = _text("static/player.js") + _text("templates/report.js")
    style = _text("static/base.css") + _text("templates/report.css")
    template = make_environment().get_template("report.html.j2")
    return template.generate(
        title=f"Dropscore: {name}",
        style=Markup(style),  # noqa: S704 - a file of ours
        script=Markup(script),  # noqa: S704 - a file of ours
        digest=b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        totals=totals,
        cards=cards,
        unreadable=unreadable,
        opened=len(entries) <= OPEN_UP_TO,
        searchable=len(entries) > OPEN_UP_TO,
        fold_beyond=FOLD_BEYOND,
        pictured=pictured,
        not_pictured=len(entries) - pictured,
        chart=worked[::every],
        every=every,
    )


def _text(name: str) -> str:
    return files("web").joinpath(name).read_text(encoding="utf-8")


def take_all_pictures(
    entries: Iterable[Entry], limit: int | None, clock: Callable[[], float] = time.monotonic
) -> dict[str, Pictures]:
    """Take pictures of the first files whose media is there, by job."""
    gives_up = clock() + PICTURES_S if limit is None else math.inf
    wanted = []
    for entry in entries:
        source, output = _local_file(entry.result.source), _local_file(entry.result.output)
        if source or output:
            wanted.append((entry.result.job, source, output))

    def take(one: tuple[str, Path | None, Path | None]) -> Pictures:
        return take_pictures(one[1], one[2]) if clock() < gives_up else Pictures()

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        made = pool.map(take, wanted[:limit])
        return {job: found for (job, *_), found in zip(wanted, made, strict=False) if found != Pictures()}


def _local_file(path: str | None) -> Path | None:
    found = Path(path) if path and "://" not in path else None
    return found if found and found.is_file() else None


# --- the table ------------------------------------------------------------------------------------

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
    "credits_spent",
    "created",
    "ended",
    "took_s",
    *(f"{step}_s" for step in Step),
    "attempts",
    "error_code",
    "error_message",
    "advice",
)


def csv_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """The results as CSV lines, the header first; times are seconds."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for entry in entries:
        result = entry.result
        took = {step.value: 0.0 for step in Step}
        for run in entry.steps:
            took[run.step] = took.get(run.step, 0.0) + run.took_s
        cells = (
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
            result.credits.spent,
            result.created,
            result.ended,
            round(entry.took_s, 3),
            *(round(took[step.value], 3) for step in Step),
            sum(run.attempts for run in entry.steps),
            entry.problem("code"),
            entry.problem("message"),
            entry.problem("advice"),
        )
        writer.writerow([defuse_formula(cell) for cell in cells])
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    if out.tell():
        yield out.getvalue()


def defuse_formula(cell: object) -> object:
    """A spreadsheet reads ``=…`` as a formula; an apostrophe before it makes it text."""
    if not isinstance(cell, str):
        return cell
    text = formats.escape_controls(cell, keep="\n\t")
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\n")) else text


def _put(path: Path, pieces: Iterable[str]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.writelines(pieces)
        part.replace(path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        reason = (exc.strerror or str(exc)).lower()
        raise ReportNotWritten(
            f"{path}: the report could not be written ({reason}); name another with -o"
        ) from exc
