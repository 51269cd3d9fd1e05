"""What ``submit`` does: reads what was named, plans it, and submits the plan or (``-n``) prints it.

The JSON of ``--json`` is stable: `Report`.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from pydantic import BaseModel, ConfigDict

from cli import phrases, server
from cli.errors import BadRows, Unusable
from cli.options import print_model
from cli.reach import reached, running_url
from cli.summary import OK, SOME_FAILED
from config import logs
from config.celery_app import make_app
from config.settings import Settings
from config.skills import Skill
from jobs.ledger import Ledger
from producer.backlog import Action, Backlog, Plan, PlanRow
from producer.errors import BrokenManifest
from producer.instructions import Wish
from producer.manifest import Manifest, read_list, read_manifest, read_paths
from producer.naming import absolute, writable
from producer.submit import Fate, Submitter, Taken
from stores import StoreError

BAD_PLAN = 2
_BAD_FATES = frozenset({Fate.REFUSED, Fate.MISSED})


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the backlog is written down: paths and URLs, a list (``-`` = standard input), a manifest."""

    paths: tuple[str, ...]
    listed: str | None
    manifest: Path | None


@dataclass(frozen=True, slots=True)
class Order:
    """What the person asked for."""

    sources: Sources
    outbox: str
    settings: Settings
    priority: int
    again: str
    skip_bad: bool
    dry_run: bool
    as_json: bool


class Row(BaseModel):
    """One source; ``fate`` is what became of it, null where nothing was submitted."""

    model_config = ConfigDict(frozen=True)

    source: str
    action: Action
    why: str
    job: str
    output: str
    bytes: int
    duration_s: float | None
    credits: int
    fate: Fate | None


class Report(BaseModel):
    """The plan, or what became of it; totals count the rows whose ``action`` is ``submit``."""

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    bad: tuple[str, ...]  # rows of the list or manifest that cannot be used, with their numbers
    files: int
    bytes: int
    credits: int
    takes_s: tuple[float, float]  # at best, at worst
    rows: tuple[Row, ...]


def perform(order: Order) -> int:
    """Submit, or plan; answers the exit code: 2 for a plan with bad rows, 1 for refused files.

    Raises:
        CliError, ConfigError, LedgerError: one line for the person.
    """
    logs.configure("WARNING", order.settings.log_json)
    named = read(order.sources, order.settings.all_skills())
    for line in named.errors:
        print(f"dropscore: {phrases.printable(line)}", file=sys.stderr)
    stopped = bool(named.errors) and not order.skip_bad
    if stopped and not order.dry_run:
        raise BadRows("nothing was submitted; mend these, or say --skip-bad", named.errors)
    report = _carried_out(order, named)
    print_model(report) if order.as_json else _tell(report, order)
    if stopped:
        return BAD_PLAN
    return SOME_FAILED if _BAD_FATES & {row.fate for row in report.rows} else OK


def read(sources: Sources, skills: Mapping[str, Skill]) -> Manifest:
    """Everything that was named, in order; raises Unusable when there is nothing, or it cannot be read."""
    parts = [read_paths(sources.paths, Path.cwd())] if sources.paths else []
    try:
        if sources.listed is not None:
            parts.append(read_list(_lines(sources.listed), Path.cwd()))
        if sources.manifest is not None:
            parts.append(read_manifest(sources.manifest, skills))
    except BrokenManifest as broken:
        raise Unusable(str(broken)) from broken
    if not parts:
        raise Unusable("name videos, folders or URLs, such as: dropscore submit clips (or -a, or --manifest)")
    return Manifest(
        tuple(chain.from_iterable(part.entries for part in parts)),
        tuple(chain.from_iterable(part.errors for part in parts)),
    )


def _lines(listed: str) -> list[str]:
    if listed == "-":
        return sys.stdin.read().splitlines()
    try:
        return Path(listed).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as broken:
        why = broken.strerror if isinstance(broken, OSError) else "not UTF-8 text"
        raise Unusable(f"{listed}: cannot be read ({why})") from broken


def _carried_out(order: Order, named: Manifest) -> Report:
    with _ledger(order) as ledger:
        wish = Wish.model_validate({"priority": order.priority})
        backlog = Backlog(ledger, order.outbox, order.settings, wish, again=order.again)
        try:
            plan = backlog.plan(named.entries)
        except (BrokenManifest, StoreError) as broken:
            raise Unusable(str(broken)) from broken
        taken = [] if order.dry_run else list(_submitted(order, ledger, backlog, plan))
    return _report(order, named, plan, taken)


@contextmanager
def _ledger(order: Order) -> Iterator[Ledger]:
    """The ledger; a plan alone makes none where there is none yet."""
    settings = order.settings
    with ExitStack() as stack:
        nothing_yet = not settings.redis_url and not server.has_ledger(settings.state_dir.resolve())
        if order.dry_run and nothing_yet:
            aside = Path(stack.enter_context(TemporaryDirectory(prefix="dropscore-")))
            settings = settings.model_copy(update={"state_dir": aside})
        yield stack.enter_context(reached(settings, new=True))


def _submitted(order: Order, ledger: Ledger, backlog: Backlog, plan: Plan) -> Iterator[Taken]:
    writable(absolute(order.outbox))
    app = make_app(running_url(order.settings), order.settings)
    try:
        yield from backlog.submit(plan, Submitter(ledger, app))
    finally:
        app.close()


def _report(order: Order, named: Manifest, plan: Plan, taken: Iterable[Taken]) -> Report:
    fates = {one.source: one.fate for one in taken}
    return Report(
        dry_run=order.dry_run,
        bad=named.errors,
        files=len(plan.submitted),
        bytes=plan.size_bytes,
        credits=plan.credits,
        takes_s=plan.takes_s,
        rows=tuple(_row(row, fates) for row in plan.rows),
    )


def _row(row: PlanRow, fates: dict[str, Fate]) -> Row:
    return Row(
        source=row.source,
        action=row.action,
        why=row.why,
        job=row.job_id,
        output=row.output,
        bytes=row.size_bytes,
        duration_s=row.duration_s,
        credits=row.credits,
        fate=None if row.action is Action.SKIP else fates.get(row.source),
    )


def _tell(report: Report, order: Order) -> None:
    for row in report.rows:
        if order.dry_run or row.action is Action.REFUSE:
            typer.echo(_line(row))
    typer.echo(_totals(report, order) if report.files else "Nothing new to submit.")
    if left := _left_out(report):
        typer.echo(left)
    if report.files and not order.dry_run and not _is_served(order.settings):
        typer.echo("They begin with the next: dropscore run INBOX")


def _totals(report: Report, order: Order) -> str:
    low, high = (phrases.duration(seconds) for seconds in report.takes_s)
    verb = "would be submitted" if order.dry_run else "submitted"
    return (
        f"{phrases.plural(report.files, 'file')} {verb}: {_size(report.bytes)}, about {report.credits:,} "
        f"credits, {low} to {high}; results go to {phrases.shown(absolute(order.outbox))}"
    )


def _line(row: Row) -> str:
    said = phrases.shown(row.output) if row.action is Action.SUBMIT else phrases.sentences(row.why)
    size = _size(row.bytes) if row.bytes else ""
    return f"{row.action.value:6}  {size:>9}  {phrases.shown(row.source)} -> {said}"


def _left_out(report: Report) -> str:
    counts = [sum(row.action is action for row in report.rows) for action in (Action.SKIP, Action.REFUSE)]
    words = [*zip(counts, ("skipped: known already, or no media", "refused"), strict=True)]
    said = [f"{count:,} {what}" for count, what in words if count]
    said += [f"{phrases.plural(len(report.bad), 'bad row')} left out"] if report.bad else []
    return ", ".join(said)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


def _is_served(settings: Settings) -> bool:
    return bool(settings.redis_url) or server.answers(settings.state_dir.resolve())
