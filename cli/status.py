"""What ``status`` and ``results`` read from the ledger: one model each, printed or dumped as JSON.

``status`` is an `Overview`; ``status JOB`` a `jobs.result.Result`, and ``results`` a list of them.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli import format as formats
from cli.ledger import find_redis_url, find_state_folder, open_ledger
from cli.output.live import no_control_echo
from cli.states import find_places
from config.settings import Settings
from jobs.errors import NoSuchJob
from jobs.ledger import Ledger
from jobs.model import ENDED, Job, State
from jobs.overview import CreditsRow, Overview, count_gone, read_overview
from jobs.result import Result, load_result
from jobs.sources import Sources
from storage import is_remote

WATCH_EVERY_S = 1.0
COUNT_GONE_S = 30.0
OLD_S = 60.0
"""A file that has waited so long is mentioned."""


def find_job(ledger: Ledger, wanted: str) -> Job:
    """Find the job of that id, or of the source at that path or address; raises NoSuchJob."""
    path = str(Path(wanted).resolve())
    if "://" in wanted:
        path = wanted.rstrip("/") if is_remote(wanted) else wanted
    seen = Sources(ledger).seen([path])[0]
    try:
        return ledger.get(seen[1] if seen else wanted)
    except NoSuchJob as exc:
        raise NoSuchJob(f"{wanted}: no job has that id, and no file there was taken in") from exc


def latest_jobs(ledger: Ledger, states: Iterable[State], limit: int) -> list[Job]:
    """Read the jobs in these states that changed last, the newest first."""
    jobs = [job for state in states for job in ledger.many(ledger.ids(state, newest_first=True, limit=limit))]
    return sorted(jobs, key=lambda job: job.updated, reverse=True)[:limit]


def count_missing(ledger: Ledger, settings: Settings) -> int:
    """Count outputs that are gone and that the next run makes again."""
    if not settings.restore:
        return 0
    return count_gone(ledger, settings.backend, find_places(find_state_folder(settings)))


def overview_lines(seen: Overview) -> Iterator[RenderableType]:
    """Yield the totals, the gates and the limits, a line each."""
    parts = [
        Text(f"{seen.states[state]:,} {state}", formats.STYLES.get(state, ""))
        for state in State
        if seen.states.get(state)
    ]
    yield Text("  ·  ", "dim").join(parts) if parts else Text("No files yet.")
    if seen.draining:
        yield Text(
            "Draining: what has begun is finished, nothing new begins. To end it: dropscore resume", "yellow"
        )
    yield from credit_lines(seen.credits)
    if seen.pace.per_minute is not None and seen.pace.left:
        rest = f", about {formats.format_duration(seen.pace.eta_s)}" if seen.pace.eta_s is not None else ""
        yield Text(f"{seen.pace.per_minute:.1f} files a minute; {seen.pace.left:,} left{rest}", "dim")
    if seen.gone:
        makes = "it" if seen.gone == 1 else "them"
        yield Text(
            f"{formats.format_count(seen.gone, 'output')} gone; the next run makes {makes} again", "yellow"
        )
    if seen.oldest_s >= OLD_S:
        yield Text(f"The oldest has waited {formats.format_duration(seen.oldest_s)}", "dim")
    busy = [
        f"{row.in_flight:,} of {row.limit:,} {kind}s" for kind, row in seen.limits.items() if row.in_flight
    ]
    if busy:
        yield Text(f"In flight: {', '.join(busy)}", "dim")
    for row in seen.gates:
        again = f"; checked again at {format_clock(row.next_probe)}" if row.next_probe else ""
        yield Text()
        yield Text(f"The {row.gate} gate has been closed since {format_clock(row.since)}", "yellow")
        yield Text(f"  {formats.join_sentences(row.message, row.advice)}")
        yield Text(f"  {formats.format_count(row.waiting, 'file')} waiting{again}", "dim")


def credit_lines(money: CreditsRow) -> Iterator[RenderableType]:
    """Yield a line on credits, where there is something to say of them."""
    if not (money.spent_ever or money.spent or money.in_flight or money.available is not None):
        return
    words = [f"{money.spent:,.0f} spent since the last run began"]
    words += [f"{money.spent_ever:,.0f} in all"] if money.spent_ever > money.spent else []
    words += [f"{money.in_flight:,.0f} set aside for edits in flight"] if money.in_flight else []
    words += [f"the budget is {money.budget:,.0f}"] if money.budget is not None else []
    words += [f"{money.available:,.0f} left when last asked"] if money.available is not None else []
    yield Text(f"Credits: {', '.join(words)}", "dim")


def result_lines(result: Result, still: str = "") -> Iterator[RenderableType]:
    """Yield a file, that it is ``still`` worked at, its steps, and what the agent said."""
    spent, problem = result.credits.spent, formats.format_result(result) if result.error else ""
    yield Text(f"{formats.MARKS[result.state]} {formats.format_path(result.source)}", "bold")
    facts = [
        ("job", result.job),
        ("state", str(result.state) if result.state in ENDED else f"{result.state} at {result.step}"),
        ("", still),
        ("skill", result.skill),
        *(("instruction", text) for text in result.instructions),
        ("output", formats.format_path(result.output) if result.output else ""),
        ("preview", "for the whole: dropscore retry --full" if result.preview and result.output else ""),
        ("timeline", result.timeline),
        ("credits", "" if spent is None else f"{spent} spent"),
        ("problem", f"{problem} ({result.error['code']})" if result.error else ""),
    ]
    for key, text in facts:
        if text:
            yield Text(f"  {key:<13}", "dim") + Text(formats.escape_controls(text))
    if result.steps:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for title in ("step", "started", "took", "attempts"):
            table.add_column(title, justify="left" if title == "step" else "right")
        for row in result.steps:
            started, ended = (datetime.fromisoformat(row[key]) for key in ("started", "ended"))
            took = f"{(ended - started).total_seconds():.1f} s"
            table.add_row(row["step"], format_clock(row["started"]), took, str(row["attempts"]))
        yield Text()
        yield table
    for text in (*result.texts, *result.changes):
        yield Text(f"  “{formats.escape_controls(text)}”")


def results_table(results: list[Result]) -> RenderableType:
    """Draw a line a file."""
    if not results:
        return Text("No results yet.")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("file", overflow="fold")
    table.add_column("job", no_wrap=True)
    table.add_column("result", overflow="fold")
    for result in results:
        mark = Text(formats.MARKS[result.state], formats.STYLES.get(result.state, ""))
        name, outcome = formats.format_path(result.source), formats.format_result(result)
        table.add_row(mark, Text(name), Text(result.job, "dim"), Text(outcome))
    return table


def print_lines(lines: Iterable[RenderableType], console: Console) -> None:
    """Print lines; a long one is left to the terminal."""
    for line in lines:
        console.print(line, soft_wrap=isinstance(line, Text))


def watch(
    settings: Settings,
    job: str | None,
    console: Console,
    *,
    as_json: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show the totals, or a job, until Ctrl-C; in a pipe, again at each change.

    With ``as_json`` it is the object of ``status --json`` in one line for each change.

    Raises Unusable when nothing runs here, LedgerUnreachable when the server ends.
    """
    find_redis_url(settings)  # a server that were started for the moment would keep a run from starting
    with open_ledger(settings, about=job) as ledger:
        gone, count_at = 0, 0.0

        def read() -> tuple[Overview | Result, str]:
            nonlocal gone, count_at
            if job:
                found = find_job(ledger, job)
                return load_result(found), formats.format_still_working(found, ledger.now())
            if time.monotonic() >= count_at:
                gone, count_at = count_missing(ledger, settings), time.monotonic() + COUNT_GONE_S
            return read_overview(ledger, gone=gone), ""

        try:
            if console.is_terminal and not as_json:
                with (
                    no_control_echo(),
                    Live(console=console, auto_refresh=False, vertical_overflow="crop") as live,
                ):
                    while True:
                        live.update(Group(*_lines_of(*read())), refresh=True)
                        sleep(WATCH_EVERY_S)
            before: object = None
            while True:
                now, still = read()
                if as_json and now != before:
                    print(now.model_dump_json(), flush=True)
                elif not as_json and (now, still) != before:
                    print_lines(_lines_of(now, still), console)
                before = now if as_json else (now, still)
                sleep(WATCH_EVERY_S)
        except KeyboardInterrupt:
            return


def _lines_of(seen: Overview | Result, still: str) -> Iterator[RenderableType]:
    return result_lines(seen, still) if isinstance(seen, Result) else overview_lines(seen)


def format_clock(moment: str) -> str:
    """An ISO time as the time of day here, with the date when it is not today."""
    at = datetime.fromisoformat(moment).astimezone()
    today = at.date() == datetime.now().astimezone().date()
    return f"{at:%H:%M:%S}" if today else f"{at:%Y-%m-%d %H:%M}"
