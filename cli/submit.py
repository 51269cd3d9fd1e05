"""What ``submit`` does: reads what was named, plans it, and submits the plan or (``-n``) prints it."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict

from cli import embedded_redis
from cli import format as formats
from cli.control import Answer
from cli.errors import BadRows, Unusable
from cli.ledger import find_state_folder, open_ledger, with_state_of
from cli.options import confirm_payment, explain_vague
from cli.output.summary import OK, SOME_FAILED
from cli.states import remember_state
from config import logs
from config.settings import Settings
from config.skills import Skill
from jobs.ledger import Ledger
from jobs.sources import Sources
from producer.backlog import Action, Backlog, Plan
from producer.deliveries import restore
from producer.errors import UnusableManifest
from producer.estimate import Estimate
from producer.instructions import InstructionSpec
from producer.manifest import Manifest, read_list, read_manifest, read_null_list, read_paths
from producer.outbox import ensure_writable, hold_outbox
from producer.outputs import absolute
from producer.submit import SubmissionOutcome, Submitted, Submitter
from storage import StorageError
from web.format import format_bytes

BAD_PLAN = 2
MOST_PLACES = 20  # folders of one backlog that its state is found by
_GOES_ON = frozenset({Action.SUBMIT, Action.RESTORE})
_BAD_FATES = frozenset({SubmissionOutcome.REFUSED, SubmissionOutcome.MISSED})


@dataclass(frozen=True, slots=True)
class NamedSources:
    """Where the backlog is written down: paths and URLs, a list (``-`` = standard input), a manifest."""

    paths: tuple[str, ...]
    listed: str | None
    manifest: Path | None
    null: bool = False  # the list has a null character after each name, as find -print0 writes it


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """What the person asked for."""

    sources: NamedSources
    outbox: str
    settings: Settings
    priority: int
    again: str
    skip_bad: bool
    dry_run: bool
    may_pay: bool = False  # without a question, however many new files there are


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
    fate: SubmissionOutcome | None


class SubmitReport(Answer):
    """The plan, or what became of it; totals count the rows whose ``action`` is ``submit``."""

    dry_run: bool
    bad: tuple[str, ...]  # rows of the list or manifest that cannot be used, with their numbers
    files: int
    bytes: int
    credits: int
    takes_s: tuple[float, float]  # at best, at worst
    rows: tuple[Row, ...]
    outbox: str = ""
    begins_later: bool = False  # nothing runs now that would take them up

    @property
    def exit_code(self) -> int:
        """Return 2 for a plan with bad rows, 1 where a file is refused or was not submitted."""
        if self.bad and self.dry_run:
            return BAD_PLAN
        refused = any(row.action is Action.REFUSE or row.fate in _BAD_FATES for row in self.rows)
        return SOME_FAILED if refused else OK

    def lines(self) -> Iterator[str]:
        """Yield the rows of a plan, or those that were refused; the totals; what comes next."""
        for row in self.rows:
            if self.dry_run or row.action is Action.REFUSE:
                target = formats.format_path(row.output) if row.action in _GOES_ON else ""
                size = format_bytes(row.bytes) if row.bytes else ""
                what = target or formats.join_sentences(row.why)
                yield f"{row.action.value:7}  {size:>9}  {formats.format_path(row.source)} -> {what}"
        low, high = (formats.format_duration(seconds) for seconds in self.takes_s)
        verb = "would be submitted" if self.dry_run else "submitted"
        totals = f"{formats.format_count(self.files, 'file')} {verb}: {format_bytes(self.bytes)}, about "
        totals += (
            f"{self.credits:,} credits, {low} to {high}; results go to {formats.format_path(self.outbox)}"
        )
        restored = sum(row.action is Action.RESTORE for row in self.rows)
        if restored:
            verb = "would be made again" if self.dry_run else "made again"
            yield f"{formats.format_count(restored, 'output')} gone, {verb} at no cost"
        if self.files or not restored:
            yield totals if self.files else "Nothing new to submit."
        counts = [sum(row.action is action for row in self.rows) for action in (Action.SKIP, Action.REFUSE)]
        words = zip(counts, ("skipped: known already, or no media", "refused"), strict=True)
        left_out = [f"{count:,} {what}" for count, what in words if count]
        left_out += [f"{formats.format_count(len(self.bad), 'bad row')} left out"] if self.bad else []
        if left_out:
            yield ", ".join(left_out)
        if self.begins_later:
            yield "They begin with the next: dropscore run INBOX"


def submit_backlog(options: SubmitOptions) -> SubmitReport:
    """Submit, or plan.

    Raises:
        CliError, ConfigError, LedgerError: one line for the person.
    """
    outbox = absolute(options.outbox)
    options = replace(options, settings=with_state_of(outbox, options.settings))
    settings = options.settings
    logs.configure("WARNING", settings.log_json)
    named = read_sources(options.sources, settings.all_skills())
    for line in named.errors:
        print(f"dropscore: {formats.escape_controls(line)}", file=sys.stderr)
    if named.errors and not options.skip_bad and not options.dry_run:
        raise BadRows(
            "nothing was submitted; correct these rows, or leave them out with --skip-bad", named.errors
        )
    asked = dict.fromkeys((settings.instruction or "").splitlines())
    for entry in named.entries:
        asked |= dict.fromkeys(entry.spec.instructions or ())
    explain_vague(asked, settings.chosen_skill())
    is_served = bool(settings.redis_url) or embedded_redis.answers(find_state_folder(settings))
    with _open_ledger(options) as ledger:
        spec = InstructionSpec.model_validate({"priority": options.priority})
        backlog = Backlog(ledger, options.outbox, settings, spec, again=options.again)
        try:
            plan = backlog.plan(named.entries)
        except (UnusableManifest, StorageError) as exc:
            raise Unusable(str(exc)) from exc
        submitted: list[Submitted] = []
        if not options.dry_run:
            state = find_state_folder(settings)
            local = (row.source for row in plan.submitted if row.source.startswith("/"))
            parents = dict.fromkeys(str(Path(source).parent) for source in local)
            remember_state(state, outbox, *list(parents)[:MOST_PLACES])
            if settings.backend == "cloud" and not options.may_pay:
                estimate = Estimate(len(plan.submitted), plan.credits)
                if estimate.is_worth_a_question:
                    confirm_payment(estimate.files, estimate.credits)
            ensure_writable(outbox, state)
            with hold_outbox(outbox, Sources(ledger).ledger_id(), str(state)):
                submitted = list(backlog.submit(plan, Submitter(ledger)))
                gone = [row.job_id for row in plan.rows if row.action is Action.RESTORE]
                for job in ledger.many(gone):
                    restore(ledger, job, settings)
        report = _report(options, named, plan, submitted)
    goes_on = any(row.action in _GOES_ON for row in report.rows)
    later = goes_on and not options.dry_run and not is_served
    return report.model_copy(update={"begins_later": later})


def read_sources(sources: NamedSources, skills: Mapping[str, Skill]) -> Manifest:
    """Read everything that was named, in order; raises Unusable when nothing was, or it cannot be read."""
    parts = [read_paths(sources.paths, Path.cwd())] if sources.paths else []
    try:
        if sources.listed is not None:
            text = _read_listed(sources.listed)
            if sources.null:
                parts.append(read_null_list(text, Path.cwd()))
            else:
                parts.append(read_list(text.splitlines(), Path.cwd()))
        if sources.manifest is not None:
            parts.append(read_manifest(sources.manifest, skills))
    except UnusableManifest as exc:
        raise Unusable(str(exc)) from exc
    if not parts:
        raise Unusable("name videos, folders or URLs, such as: dropscore submit clips (or -a, or --manifest)")
    return Manifest(
        tuple(chain.from_iterable(part.entries for part in parts)),
        tuple(chain.from_iterable(part.errors for part in parts)),
    )


def _read_listed(listed: str) -> str:
    try:
        return sys.stdin.read() if listed == "-" else Path(listed).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
        raise Unusable(f"{listed}: cannot be read ({why})") from exc


@contextmanager
def _open_ledger(options: SubmitOptions) -> Iterator[Ledger]:
    """Open the ledger; a plan alone makes none where there is none yet."""
    settings = options.settings
    with ExitStack() as stack:
        nothing_yet = not settings.redis_url and not embedded_redis.has_ledger(find_state_folder(settings))
        if options.dry_run and nothing_yet:
            aside = Path(stack.enter_context(TemporaryDirectory(prefix="dropscore-")))
            settings = settings.model_copy(update={"state_dir": aside})
        yield stack.enter_context(open_ledger(settings, new=True))


def _report(
    options: SubmitOptions, named: Manifest, plan: Plan, submitted: Iterable[Submitted]
) -> SubmitReport:
    fates = {one.source: one.fate for one in submitted}
    dry_run = options.dry_run
    return SubmitReport(
        dry_run=dry_run,
        bad=named.errors if dry_run or options.skip_bad else (),
        files=len(plan.submitted),
        bytes=plan.size_bytes,
        credits=plan.credits,
        takes_s=plan.takes_s,
        rows=tuple(
            Row(
                source=row.source,
                action=row.action,
                why=row.why,
                job=row.job_id,
                output=row.output,
                bytes=row.size_bytes,
                duration_s=row.duration_s,
                credits=row.credits,
                fate=fates.get(row.source),
            )
            for row in plan.rows
        ),
        outbox=absolute(options.outbox),
    )
