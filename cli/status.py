"""The ``status`` and ``results`` commands: the ledger, for people and (``--json``) for programs.

The JSON is stable: `Overview` for ``status``, a result (`jobs.result.Result`) for ``status JOB``, and a list
of results for ``results``.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cli import phrases
from jobs import result
from jobs.budget import Budget, Spending
from jobs.errors import NoSuchJob
from jobs.gates import Gates
from jobs.ledger import Ledger
from jobs.model import ACTIVE, Gate, Job, State
from stores import is_remote

PACE_S = 600.0
"""The pace is taken from so many seconds."""


class GateRow(BaseModel):
    """A closed gate; times are UTC, ISO 8601."""

    model_config = ConfigDict(frozen=True)

    gate: Gate
    since: str
    looked_at_again: str | None  # null: only `dropscore resume` opens it
    message: str
    advice: str
    parked: int


class PaceRow(BaseModel):
    """How fast files end, by the last `PACE_S` seconds, and how long the rest takes at that pace."""

    model_config = ConfigDict(frozen=True)

    per_minute: float = 0.0
    left: int = 0
    eta_s: float | None = None  # null: nothing is left, or nothing has ended lately


class CreditsRow(BaseModel):
    """Credits: spent since the budget was begun, reserved for edits in flight, the budget, the account's."""

    model_config = ConfigDict(frozen=True)

    spent: float = 0.0
    in_flight: float = 0.0
    budget: float | None = None  # null: none was set
    available: float | None = None  # when an edit was last begun; null: no edit yet


class Overview(BaseModel):
    """All jobs of the ledger by state, the gates that are closed, the pace, and the credits."""

    model_config = ConfigDict(frozen=True)

    total: int
    states: dict[State, int]
    gates: tuple[GateRow, ...]
    pace: PaceRow = PaceRow()
    credits: CreditsRow = CreditsRow()


def overview(ledger: Ledger) -> Overview:
    """Read the totals."""
    gates, counts = Gates(ledger), ledger.counts()
    rows = [
        GateRow(
            gate=closed.gate,
            since=result.utc(closed.since),
            looked_at_again=result.utc(closed.probe_at) if closed.probe_at else None,
            message=closed.message,
            advice=closed.advice,
            parked=gates.parked(closed.gate),
        )
        for closed in gates.closed().values()
    ]
    return Overview(
        total=sum(counts.values()),
        states=counts,
        gates=tuple(rows),
        pace=_pace(ledger, sum(counts[state] for state in ACTIVE)),
        credits=_credits(Budget(ledger).spending()),
    )


def _pace(ledger: Ledger, left: int) -> PaceRow:
    per_minute = ledger.ended_since(ledger.now() - PACE_S) / PACE_S * 60
    eta_s = round(left / per_minute * 60) if left and per_minute else None
    return PaceRow(per_minute=round(per_minute, 2), left=left, eta_s=eta_s)


def _credits(seen: Spending) -> CreditsRow:
    return CreditsRow(spent=seen.spent, in_flight=seen.aside, budget=seen.limit, available=seen.available)


def find(ledger: Ledger, wanted: str) -> Job:
    """The job of that id, or of the source at that path; raises NoSuchJob."""
    path = wanted.rstrip("/") if is_remote(wanted) else str(Path(wanted).resolve())
    seen = ledger.seen([path])[0]
    if seen:
        return ledger.get(seen[1])
    try:
        return ledger.get(wanted)
    except NoSuchJob as missing:
        raise NoSuchJob(f"{wanted}: no job has that id, and no file there was taken in") from missing


def latest(ledger: Ledger, states: tuple[State, ...], limit: int) -> list[Job]:
    """The jobs in these states that changed last, the newest first."""
    jobs = [job for state in states for job in ledger.many(ledger.ids(state, newest_first=True, limit=limit))]
    return sorted(jobs, key=lambda job: job.updated, reverse=True)[:limit]


def print_overview(seen: Overview, console: Console) -> None:
    """Print the totals and the gates."""
    _print(overview_lines(seen), console)


def overview_lines(seen: Overview) -> Iterator[RenderableType]:
    """The totals and the gates, a line each."""
    parts = [
        Text(f"{seen.states[state]:,} {state}", phrases.STYLES.get(state, ""))
        for state in State
        if seen.states[state]
    ]
    yield Text("  ·  ", "dim").join(parts) if parts else Text("No files yet.")
    yield from _money_and_pace(seen)
    for row in seen.gates:
        again = f"; looked at again at {clock(row.looked_at_again)}" if row.looked_at_again else ""
        held = f"{phrases.plural(row.parked, 'file')} waiting{again}"
        yield Text()
        yield Text(f"The {row.gate} gate is closed since {clock(row.since)}", "yellow")
        yield Text(f"  {phrases.sentences(row.message, row.advice)}")
        yield Text(f"  {held}", "dim")


def _money_and_pace(seen: Overview) -> Iterator[RenderableType]:
    """What was spent and is left, and when the rest will be done; nothing before there is something."""
    money = seen.credits
    if money.spent or money.in_flight or money.available is not None:
        words = [f"{money.spent:,.0f} spent", f"{money.in_flight:,.0f} in flight"]
        words += [f"{money.budget:,.0f} is the budget"] if money.budget is not None else []
        words += [f"{money.available:,.0f} were left when last asked"] if money.available is not None else []
        yield Text(f"Credits: {', '.join(words)}", "dim")
    if seen.pace.eta_s is not None:
        rest = phrases.duration(seen.pace.eta_s)
        yield Text(f"{seen.pace.per_minute:.1f} files a minute; {seen.pace.left:,} left, about {rest}", "dim")


def print_job(job: Job, console: Console) -> None:
    """Print every step of a job with its times and attempts, and what was said."""
    _print(job_lines(job), console)


def job_lines(job: Job) -> Iterator[RenderableType]:
    """A job, its steps and what was said."""
    seen = result.of(job)
    yield Text(f"{phrases.MARKS[job.state]} {phrases.shown(job.spec.source)}", "bold")
    for key, text in _facts(job, seen):
        yield Text(f"  {key:<13}", "dim") + Text(phrases.printable(text))
    if job.steps:
        yield Text()
        yield _steps(job)
    for text in (*seen.texts, *seen.changes):
        yield Text(f"  “{phrases.printable(text)}”")


def _print(lines: Iterable[RenderableType], console: Console) -> None:
    for line in lines:
        console.print(line, soft_wrap=isinstance(line, Text))


def _facts(job: Job, seen: result.Result) -> list[tuple[str, str]]:
    spent = seen.credits.spent
    facts = [
        ("job", job.id),
        ("state", f"{job.state} at {job.step}" if not job.ended else str(job.state)),
        ("skill", job.spec.skill),
        *(("instruction", text) for text in job.spec.instructions),
        ("output", phrases.shown(seen.output) if seen.output else ""),
        ("timeline", seen.timeline),
        ("credits", "" if spent is None else f"{spent} spent"),
        ("problem", phrases.outcome(job) if job.problem else ""),
    ]
    return [(key, text) for key, text in facts if text]


def _steps(job: Job) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for title in ("step", "started", "took", "attempts"):
        table.add_column(title, justify="left" if title == "step" else "right")
    for record in job.steps:
        took = f"{record.ended - record.started:.1f} s"
        table.add_row(record.step, clock(result.utc(record.started)), took, str(record.attempts))
    return table


def print_results(jobs: list[Job], console: Console) -> None:
    """Print a line a job, the newest first."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("file", overflow="fold")
    table.add_column("job", no_wrap=True)
    table.add_column("result", overflow="fold")
    for job in jobs:
        style = phrases.STYLES.get(job.state, "")
        who, what = phrases.shown(job.spec.source), phrases.outcome(job)
        table.add_row(Text(phrases.MARKS[job.state], style), Text(who), Text(job.id, "dim"), Text(what))
    console.print(table if jobs else Text("No results yet."))


def clock(moment: str) -> str:
    """An ISO time as the time of day here, with the date when it is not today."""
    at = datetime.fromisoformat(moment).astimezone()
    today = at.date() == datetime.now().astimezone().date()
    return f"{at:%H:%M:%S}" if today else f"{at:%Y-%m-%d %H:%M}"
