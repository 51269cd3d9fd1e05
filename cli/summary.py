"""The table at the end of a run, and the exit code it amounts to.

The JSON of ``run --json`` is stable: `Told`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import phrases
from cli.folders import Folders
from cli.follow import ended_since, pages
from jobs import result
from jobs.gates import Closed, Gates
from jobs.ledger import Ledger
from jobs.model import PERSONAL, Gate, Job, State
from stores import exists

OK, SOME_FAILED, GATE_CLOSED, REFUSED, BUDGET_REACHED, INTERRUPTED = 0, 1, 4, 7, 8, 130
ROWS = 40  # of files that went well; what did not is always listed
_BAD = (State.FAILED, State.UNCONFIRMED)


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run leaves behind."""

    ended: tuple[Job, ...]  # in this run
    standing: tuple[
        Job, ...
    ]  # failed or unconfirmed in an earlier run of this inbox, and its source is still there
    parked: tuple[tuple[Closed, int], ...]  # closed gates only a person opens, with how many wait
    duplicates: tuple[tuple[str, str], ...]  # (source, the source it equals)
    left: int  # jobs that have not ended

    @property
    def exit_code(self) -> int:
        """As in expectations: a refused account says more than a closed gate, and that than a failed file."""
        gates = {closed.gate for closed, _ in self.parked}
        if Gate.AUTH in gates:
            return REFUSED
        if gates == {Gate.BUDGET}:
            return BUDGET_REACHED
        if gates:
            return GATE_CLOSED
        bad = any(job.state in _BAD for job in (*self.ended, *self.standing))
        return SOME_FAILED if bad else OK


NOTHING = Ending((), (), (), (), 0)
"""Of a run that found nothing to do and no ledger."""


class Twin(BaseModel):
    """A source that was not run again, and the one it equals."""

    model_config = ConfigDict(frozen=True)

    source: str
    same_as: str


class Held(BaseModel):
    """A closed gate that only a person opens, and how many files wait behind it."""

    model_config = ConfigDict(frozen=True)

    gate: Gate
    since: str
    message: str
    advice: str
    parked: int


class Told(BaseModel):
    """What became of a run."""

    model_config = ConfigDict(frozen=True)

    exit_code: int
    outbox: str
    states: dict[State, int]  # of the files below
    files: tuple[result.Result, ...]  # what ended in this run, and what failed before and still stands
    duplicates: tuple[Twin, ...]
    held: tuple[Held, ...]
    left: int  # jobs that have not ended


def told(ending: Ending, folders: Folders, code: int) -> Told:
    """The ending of a run that answers ``code``, for programs."""
    jobs = (*ending.standing, *ending.ended)
    counts = Counter(job.state for job in jobs)
    return Told(
        exit_code=code,
        outbox=str(folders.outbox),
        states={state: counts[state] for state in State if counts[state]},
        files=tuple(result.of(job) for job in jobs),
        duplicates=tuple(Twin(source=name, same_as=twin) for name, twin in ending.duplicates),
        held=tuple(_held(closed, count) for closed, count in ending.parked),
        left=ending.left,
    )


def _held(closed: Closed, count: int) -> Held:
    since = result.utc(closed.since)
    return Held(gate=closed.gate, since=since, message=closed.message, advice=closed.advice, parked=count)


def gather(ledger: Ledger, gates: Gates, folders: Folders, since: float, sources: Iterable[str]) -> Ending:
    """Read the ending of a run that began at ``since``; ``sources`` are the files of the inbox."""
    ended = ended_since(ledger, since)
    ids = {job.id for job in ended}
    earlier = (job for state in _BAD for job in pages(ledger, state, 0.0) if job.id not in ids)
    standing = _standing(ledger, [job for job in earlier if job.spec.root == folders.inbox])
    counts = ledger.counts()
    closed = gates.closed()
    parked = [(closed[gate], gates.parked(gate)) for gate in sorted(PERSONAL & set(closed))]
    return Ending(
        tuple(ended),
        tuple(standing),
        tuple(pair for pair in parked if pair[1]),
        tuple(_duplicates(ledger, sources)),
        sum(counts[state] for state in State if state not in {*_BAD, State.DONE, State.CANCELLED}),
    )


def _standing(ledger: Ledger, jobs: Iterable[Job]) -> list[Job]:
    """Those whose source is still there, and for which nothing newer stands (mended, say, or converted)."""
    there = [job for job in jobs if job.spec.is_url or exists(job.spec.source)]
    last = ledger.seen(job.spec.source for job in there)
    return [job for job, seen in zip(there, last, strict=True) if seen is None or seen[1] == job.id]


def _duplicates(ledger: Ledger, sources: Iterable[str]) -> Iterable[tuple[str, str]]:
    names = list(sources)
    owner = {name: seen[1] for name, seen in zip(names, ledger.seen(names), strict=True) if seen}
    shared = {job_id for job_id, count in Counter(owner.values()).items() if count > 1}
    known = {job.id: job.spec.source for job in ledger.many(sorted(shared))}
    for name, job_id in owner.items():
        if known.get(job_id, name) != name:
            yield name, known[job_id]


def tell(ending: Ending, folders: Folders, console: Console) -> None:
    """Print the table, the totals, and where the results are."""
    jobs = (*ending.standing, *ending.ended)
    if jobs:
        console.print(_table(jobs, folders, console))
    for name, twin in ending.duplicates:
        line = f"{folders.short(name)}: the same as {folders.short(twin)}; not run again"
        console.print(Text(phrases.printable(line), style="dim"), soft_wrap=True)
    for closed, count in ending.parked:
        why = phrases.sentences(closed.message, closed.advice)
        line = f"{phrases.plural(count, 'file')} waiting: {why}"
        console.print(Text(line, style="yellow"), soft_wrap=True)
        console.print("Then run the same command again: it goes on where it stood.", soft_wrap=True)
    console.print(Text(_last_line(ending, folders)), soft_wrap=True)
    if any(job.state is State.FAILED for job in jobs):
        console.print("To try again what failed: dropscore retry --failed", style="dim", soft_wrap=True)


def _table(jobs: tuple[Job, ...], folders: Folders, console: Console) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("file", overflow="fold", max_width=max(20, console.width // 3))
    table.add_column("state", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("result", overflow="fold")
    good = [job for job in jobs if job.state is State.DONE]
    for job in [*good[:ROWS], *(job for job in jobs if job.state is not State.DONE)]:
        style = phrases.STYLES.get(job.state, "")
        mark, state = Text(phrases.MARKS[job.state], style), Text(job.state, style)
        took = phrases.duration(phrases.took_s(job)) if job.steps else ""
        table.add_row(mark, Text(phrases.name(folders, job)), state, took, Text(phrases.outcome(job)))
    if len(good) > ROWS:
        table.add_row("", f"and {len(good) - ROWS:,} more", Text("done", "green"), "", "")
    return table


def _last_line(ending: Ending, folders: Folders) -> str:
    counts = Counter(job.state for job in (*ending.standing, *ending.ended))
    said = [f"{counts[state]:,} {state}" for state in State if counts[state]]
    if ending.left:
        said.append(f"{ending.left:,} left")
    new = "" if ending.ended or ending.left else "Nothing new to do. "
    totals = f"{', '.join(said)}. " if said else ""
    return f"{new}{totals}Results are in {phrases.shown(folders.outbox)}"
