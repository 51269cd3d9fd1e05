"""The end of a run: one model, printed as a table or, with ``run --json``, as it is (its keys are stable)."""

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import format as formats
from cli.ledger import load_results
from cli.output.snapshot import Follower, jobs_ended_since
from cli.paths import Folders
from jobs.ledger import Ledger
from jobs.model import ENDED, PERSONAL, Gate, State
from jobs.result import Result, utc
from jobs.sources import Sources
from jobs.stats import read_stats
from storage import exists

OK, SOME_FAILED, GATE_CLOSED, REFUSED, BUDGET_REACHED, INTERRUPTED = 0, 1, 4, 7, 8, 130
ROWS = 40  # of files that went well; what did not is always listed
_BAD = (State.FAILED, State.UNCONFIRMED)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Duplicate(_Frozen):
    """A source that was not run again, the one it equals, and where that one's output is."""

    source: str
    same_as: str
    output: str | None = None  # null until it is delivered


class HeldFiles(_Frozen):
    """A closed gate that only a person opens, and how many files wait behind it."""

    gate: Gate
    since: str
    message: str
    advice: str
    waiting: int


class RunEnding(_Frozen):
    """What a run leaves behind."""

    exit_code: int
    outbox: str
    states: dict[State, int]  # of the files below
    files: tuple[Result, ...] = ()  # what ended in this run
    standing: tuple[
        Result, ...
    ] = ()  # failed or unconfirmed in an earlier run of this inbox, and still there
    duplicates: tuple[Duplicate, ...] = ()
    held: tuple[HeldFiles, ...] = ()
    left: int = 0  # jobs that have not ended
    lost: int = 0  # files that were taken in and that the ledger no longer knows


def empty_ending(folders: Folders) -> RunEnding:
    """Build the ending of a run that found nothing to do and no ledger."""
    return RunEnding(exit_code=OK, outbox=str(folders.outbox), states={})


def gather_ending(
    ledger: Ledger, folders: Folders, since: float, sources: Iterable[str], follower: Follower | None = None
) -> RunEnding:
    """Read the ending of a run that began at ``since``; ``sources`` are the files of the inbox."""
    ended = jobs_ended_since(ledger, since)
    ids = {job.id for job in ended}
    earlier = [job for state in _BAD for job in ledger.changed_since(state, 0.0) if job.id not in ids]
    # Those whose source is still there, and which nothing newer has replaced.
    there = [
        job
        for job in earlier
        if job.spec.root == folders.inbox and (job.spec.is_url or exists(job.spec.source))
    ]
    last = Sources(ledger).seen(job.spec.source for job in there)
    standing = [job for job, seen in zip(there, last, strict=True) if seen is None or seen[1] == job.id]
    stats = read_stats(ledger)
    held = tuple(
        HeldFiles(
            gate=gate,
            since=utc(stats.gates[gate].since),
            message=stats.gates[gate].message,
            advice=stats.gates[gate].advice,
            waiting=stats.waiting[gate],
        )
        for gate in sorted(PERSONAL & set(stats.gates))
        if stats.waiting[gate]
    )
    counts = Counter(job.state for job in ended)
    lost = follower.count_lost() if follower else 0
    return RunEnding(
        exit_code=choose_exit_code({row.gate for row in held}, counts, lost),
        outbox=str(folders.outbox),
        states={state: counts[state] for state in State if counts[state]},
        files=tuple(load_results(ended)),
        standing=tuple(load_results(standing)),
        duplicates=tuple(_find_duplicates(ledger, sources)),
        held=held,
        left=sum(count for state, count in stats.jobs.items() if state not in ENDED),
        lost=lost,
    )


def choose_exit_code(gates: set[Gate], states: "Counter[State]", lost: int = 0) -> int:
    """Choose what says the most: a refused account, a closed gate, a file that failed in this run."""
    if Gate.AUTH in gates:
        return REFUSED
    if gates == {Gate.BUDGET}:
        return BUDGET_REACHED
    if gates:
        return GATE_CLOSED
    return SOME_FAILED if lost or any(states[state] for state in _BAD) else OK


def _find_duplicates(ledger: Ledger, sources: Iterable[str]) -> Iterable[Duplicate]:
    names = list(sources)
    owner = {name: seen[1] for name, seen in zip(names, Sources(ledger).seen(names), strict=True) if seen}
    shared = {job_id for job_id, count in Counter(owner.values()).items() if count > 1}
    shared |= {job_id for path, job_id in Sources(ledger).duplicates() if path in owner}
    known = {job.id: job for job in ledger.many(sorted(shared))}
    for name, job_id in owner.items():
        job = known.get(job_id)
        if job is not None and job.spec.source != name:
            output = job.spec.output if job.state is State.DONE else None
            yield Duplicate(source=name, same_as=job.spec.source, output=output)


def print_ending(ending: RunEnding, folders: Folders, console: Console) -> None:
    """Print the table, the totals, and where the results are."""
    files = (*ending.standing, *ending.files)
    if files:
        console.print(draw_table(files, folders, console))
    for twin in ending.duplicates:
        where = formats.format_path(twin.output) if twin.output else "it is not delivered yet"
        same = "the same as" if exists(twin.same_as) else "done as"
        line = f"{folders.shorten(twin.source)}: {same} {folders.shorten(twin.same_as)} -> {where}"
        console.print(Text(formats.escape_controls(line), style="dim"), soft_wrap=True)
    for held in ending.held:
        reason = formats.join_sentences(held.message, held.advice)
        line = f"{formats.format_count(held.waiting, 'file')} waiting: {reason}"
        console.print(Text(line, style="yellow"), soft_wrap=True)
        console.print("Then run the same command again: it goes on where it stopped.", soft_wrap=True)
    if ending.lost:
        lost = formats.format_count(ending.lost, "file")
        line = f"{lost} taken in, but the ledger no longer knows them: it was emptied meanwhile. Run again."
        console.print(Text(line, style="red"), soft_wrap=True)
    console.print(Text(format_totals(ending, folders)), soft_wrap=True)
    if any(result.state is State.FAILED for result in files):
        console.print("To try again what failed: dropscore retry --failed", style="dim", soft_wrap=True)
    if any(result.preview and result.output for result in ending.files):
        console.print(
            "These are previews. For the whole: dropscore retry --full FILE", style="dim", soft_wrap=True
        )
    if any(result.state is State.UNCONFIRMED for result in files):
        line = "To look again at what is unconfirmed: dropscore retry --unconfirmed"
        console.print(line, style="dim", soft_wrap=True)


def draw_table(files: tuple[Result, ...], folders: Folders, console: Console) -> Table:
    """Draw a line a file: what failed, and the first of what went well."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("file", overflow="fold", max_width=max(20, console.width // 3))
    table.add_column("state", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("result", overflow="fold")
    good = [result for result in files if result.state is State.DONE]
    for result in [*good[:ROWS], *(one for one in files if one.state is not State.DONE)]:
        style = formats.STYLES.get(result.state, "")
        inside = folders.shorten(result.source)
        name = formats.escape_controls(inside) if inside != result.source else formats.format_path(inside)
        mark, state = Text(formats.MARKS[result.state], style), Text(result.state, style)
        took, outcome = formats.format_result_took(result), formats.format_result(result)
        table.add_row(mark, Text(name), state, took, Text(outcome))
    if len(good) > ROWS:
        table.add_row("", f"and {len(good) - ROWS:,} more", Text("done", "green"), "", "")
    return table


def format_totals(ending: RunEnding, folders: Folders) -> str:
    """Say how many there are of each, and where the results are."""
    parts = [f"{ending.states[state]:,} {state}" for state in State if ending.states.get(state)]
    if ending.standing:
        parts.append(f"{len(ending.standing):,} from earlier runs still to be seen to")
    if ending.left:
        parts.append(f"{ending.left:,} left")
    new = "" if ending.files or ending.left or ending.lost else "Nothing new to do. "
    totals = f"{', '.join(parts)}. " if parts else ""
    return f"{new}{totals}Results are in {formats.format_path(folders.outbox)}"
