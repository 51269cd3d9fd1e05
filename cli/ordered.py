"""What came of an order, for programs and for people: each job by itself, so that one stops no other."""

import sys
from collections.abc import Callable, Iterable

import typer
from pydantic import BaseModel, ConfigDict

from cli.errors import failure_of
from cli.options import print_model
from cli.phrases import shown
from config.logs import masked
from jobs.errors import LedgerError, LedgerUnreachable
from jobs.ledger import Ledger
from jobs.model import Gate, Job, State, Step

ALL_DONE, SOME_REFUSED = 0, 1


class Ordered(BaseModel):
    """A job after an order to it; ``error`` is null where it was carried out."""

    model_config = ConfigDict(frozen=True)

    job: str
    source: str
    state: State
    step: Step
    error: dict[str, str] | None


class OrderedJobs(BaseModel):
    """What ``retry`` and ``cancel`` did."""

    model_config = ConfigDict(frozen=True)

    jobs: tuple[Ordered, ...]


class Tweaked(BaseModel):
    """The job of a tweak; ``new`` is false when the same was asked for before."""

    model_config = ConfigDict(frozen=True)

    job: str
    source: str
    output: str
    state: State
    new: bool


class Paused(BaseModel):
    """A pause; ``new`` is false when it was paused already."""

    model_config = ConfigDict(frozen=True)

    paused: bool = True
    new: bool


class Opened(BaseModel):
    """A gate that was opened, and how many files go on."""

    model_config = ConfigDict(frozen=True)

    gate: Gate
    files: int


class Resumed(BaseModel):
    """The gates that ``resume`` opened."""

    model_config = ConfigDict(frozen=True)

    opened: tuple[Opened, ...]


class Draining(BaseModel):
    """A drain, and how many files are in work still."""

    model_config = ConfigDict(frozen=True)

    draining: bool = True
    in_work: int


def each(ledger: Ledger, jobs: Iterable[Job], order: Callable[[str], object]) -> OrderedJobs:
    """Give an order to each job once, and answer how each is now; raises LedgerUnreachable alone."""
    ids = dict.fromkeys(job.id for job in jobs)
    return OrderedJobs(jobs=tuple(_one(ledger, job_id, order) for job_id in ids))


def _one(ledger: Ledger, job_id: str, order: Callable[[str], object]) -> Ordered:
    error = None
    try:
        order(job_id)
    except LedgerUnreachable:
        raise
    except LedgerError as refused:
        error = {"class": failure_of(refused).kind, "message": str(refused)}
    job = ledger.get(job_id)
    return Ordered(job=job_id, source=job.spec.source, state=job.state, step=job.step, error=error)


def show(done: OrderedJobs, words: str, as_json: bool) -> int:
    """Print what was done, in these words for each job; answers the exit code, 1 when one was refused."""
    for one in done.jobs:
        if one.error:
            print(f"dropscore: {masked(one.error['message'])}", file=sys.stderr)
        elif not as_json:
            typer.echo(f"{shown(one.source)}: {words.format(step=one.step)}")
    if as_json:
        print_model(done)
    return SOME_REFUSED if any(one.error for one in done.jobs) else ALL_DONE
