"""What a person commands: retry, tweak, cancel, pause, resume, drain, forget, clean.

They work while a run works, and between runs: what they change, the next run finds. Each answer is one
model, printed line by line or, with ``--json``, as it is (its keys are stable). One job that is refused
stops no other.
"""

import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from cli.errors import describe_failure
from cli.format import format_count, format_path
from config.logs import masked
from jobs import control
from jobs.errors import LedgerError, LedgerUnreachable
from jobs.gates import Gates
from jobs.ledger import Ledger
from jobs.limits import CreditBudget
from jobs.model import ENDED, Gate, InstructionStatus, Job, State, Step
from storage import exists
from web.format import format_bytes


class Answer(BaseModel):
    """What a command prints."""

    model_config = ConfigDict(frozen=True)

    @property
    def exit_code(self) -> int:
        """Return 1 when a part of it was refused."""
        return 0

    def lines(self) -> Iterator[str]:
        """Yield what a person reads."""
        yield from ()


class RenderOutcome(StrEnum):
    """What became of the render of a job that was cancelled."""

    CANCELLED = "cancelled"
    GOES_ON = "goes_on"  # it had begun: it ends by itself, costs nothing, and nobody fetches it
    GONE = "gone"  # the service does not know it, or it had ended
    UNKNOWN = "unknown"  # the service could not be asked


_RENDER_WORDS = {
    RenderOutcome.CANCELLED: ", and its render",
    RenderOutcome.GOES_ON: "; its render had begun, and ends by itself",
    RenderOutcome.UNKNOWN: "; its render may go on at the service",
}


class CommandedJob(BaseModel):
    """A job after a command; ``error`` is null where it was carried out.

    ``render`` says what became of the render of a cancelled job, null where there was none.
    """

    model_config = ConfigDict(frozen=True)

    job: str
    source: str
    state: State
    step: Step
    error: dict[str, str] | None
    render: RenderOutcome | None = None


class CommandedJobs(Answer):
    """What ``retry`` and ``cancel`` did."""

    jobs: tuple[CommandedJob, ...]
    full: bool = Field(default=False, exclude=True)  # they are the wholes of previews

    @property
    def exit_code(self) -> int:
        """Return 1 when a job was refused."""
        return int(any(one.error for one in self.jobs))

    def lines(self) -> Iterator[str]:
        """Yield a line a job."""
        for one in self.jobs:
            if not one.error:
                going_on = "the whole is queued" if self.full else f"goes on at {one.step}"
                what = "cancelled" if one.state is State.CANCELLED else going_on
                what += _RENDER_WORDS.get(one.render, "") if one.render else ""
                yield f"{format_path(one.source)}: {what}"
        if not self.jobs:
            yield "nothing to retry"


class TweakedJob(Answer):
    """The job of a tweak; ``new`` is false when the same was asked for before."""

    job: str
    source: str
    output: str
    state: State
    new: bool

    def lines(self) -> Iterator[str]:
        """Yield where it will be delivered."""
        what = "queued" if self.new else f"was asked for already, {self.state}"
        yield f"{format_path(self.output)}: {what}"


class Paused(Answer):
    """A pause; ``new`` is false when it was paused already."""

    paused: bool = True
    new: bool

    def lines(self) -> Iterator[str]:
        """Yield how to go on."""
        yield "paused; to go on: dropscore resume" if self.new else "it was paused already"


class OpenedGate(BaseModel):
    """A gate that was opened, and how many files go on."""

    model_config = ConfigDict(frozen=True)

    gate: Gate
    files: int


class Resumed(Answer):
    """The gates that ``resume`` opened, and whether it ended a drain."""

    opened: tuple[OpenedGate, ...]
    drain_ended: bool = False

    def lines(self) -> Iterator[str]:
        """Yield a line a gate."""
        for one in self.opened:
            yield f"{one.gate}: open, {format_count(one.files, 'file')} going on"
        if self.drain_ended:
            yield "new files begin again"
        if not self.opened and not self.drain_ended:
            yield "nothing is held back"


class Draining(Answer):
    """A drain, and how many files are in work still."""

    draining: bool = True
    in_work: int

    def lines(self) -> Iterator[str]:
        """Yield what goes on to its end."""
        yield f"{format_count(self.in_work, 'file')} in work will be finished; nothing new begins"
        yield "to go on: dropscore resume"


class Forgotten(Answer):
    """How many finished jobs the ledger let go of."""

    forgotten: int

    def lines(self) -> Iterator[str]:
        """Yield the count."""
        yield f"{format_count(self.forgotten, 'job')} forgotten; outputs and results stay"


class Cleaned(Answer):
    """Files that ``clean`` removed, or would remove; ``kept`` says why some stay."""

    dry_run: bool
    files: int
    bytes: int
    kept: str = ""

    def lines(self) -> Iterator[str]:
        """Yield the totals."""
        verb = "would be removed" if self.dry_run else "removed"
        yield f"{format_count(self.files, 'file')} {verb}, {format_bytes(self.bytes)}"
        if self.kept:
            yield self.kept


def retry_jobs(ledger: Ledger, jobs: Iterable[Job], *, resend: bool) -> CommandedJobs:
    """Let jobs go on, each by itself; raises LedgerUnreachable alone."""

    def retry(job_id: str) -> str:
        control.retry(ledger, job_id, resend=resend)
        return job_id

    return _command_each(ledger, jobs, retry)


def make_whole(ledger: Ledger, jobs: Iterable[Job]) -> CommandedJobs:
    """Make the whole of previews, each by itself, in a job of its own; raises LedgerUnreachable alone."""
    done = _command_each(ledger, jobs, lambda job_id: control.make_whole(ledger, job_id).job_id)
    return done.model_copy(update={"full": True})


def select_jobs(ledger: Ledger, *, unconfirmed: bool, code: str | None = None) -> list[Job]:
    """Select the failed jobs (those with an error of this code, if one is given), or the unconfirmed ones."""
    if unconfirmed:
        return list(ledger.all_in(State.UNCONFIRMED))
    return list(control.failed_jobs(ledger, normalize_code(code) if code else None))


def normalize_code(word: str) -> str:
    """``NoMusic`` and ``no_music`` are the same code."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word.strip()).lower()


def cancel_jobs(
    ledger: Ledger,
    jobs: Iterable[Job],
    cancel_renders: Callable[[list[str]], Mapping[str, RenderOutcome]] = lambda _: {},
) -> CommandedJobs:
    """End jobs for good, each by itself; raises LedgerUnreachable alone.

    ``cancel_renders`` is given the ids of renders that the service may have at work, once the jobs have
    ended, and answers what became of each.
    """
    pending: dict[str, str] = {}
    budget = CreditBudget(ledger)

    def cancel(job_id: str) -> str:
        job = ledger.get(job_id)
        before = job.checkpoint
        control.cancel(ledger, job_id)
        if before.render and job.step in (Step.RENDER, Step.POLL):
            pending[job_id] = before.render.render_id
        # What was set aside for an edit is given back, unless its instruction has left: that one is paid.
        current = before.instructions[before.current] if before.current < len(before.instructions) else None
        sent = current is not None and current.status in (InstructionStatus.SENDING, InstructionStatus.CLOSED)
        budget.commit(job_id, paid=sent)
        return job_id

    done = _command_each(ledger, jobs, cancel)
    outcomes = cancel_renders(list(pending.values()))
    told = (one.model_copy(update={"render": outcomes.get(pending.get(one.job, ""))}) for one in done.jobs)
    return CommandedJobs(jobs=tuple(told))


def tweak_job(ledger: Ledger, job: Job, instruction: str) -> TweakedJob:
    """Give one more instruction to a job that is done; raises NotAllowed."""
    submitted = control.tweak(ledger, job.id, instruction)
    spec = ledger.get(submitted.job_id).spec
    return TweakedJob(
        job=submitted.job_id, source=spec.source, output=spec.output, state=submitted.state, new=submitted.new
    )


def pause(ledger: Ledger) -> Paused:
    """Start no step any more, on any worker."""
    return Paused(new=control.pause(Gates(ledger)))


def resume(ledger: Ledger, gates: Sequence[Gate], *, was_draining: bool) -> Resumed:
    """Open these gates (none: all), and end a drain."""
    ledger.drain(False)
    opened = control.resume(Gates(ledger), gates)
    rows = tuple(OpenedGate(gate=gate, files=count) for gate, count in opened.items())
    return Resumed(opened=rows, drain_ended=was_draining)


def drain(ledger: Ledger) -> Draining:
    """Finish what has begun, begin nothing new."""
    ledger.drain(True)
    return Draining(in_work=ledger.begun())


def forget(ledger: Ledger, older_than_s: float, states: Sequence[State]) -> Forgotten:
    """Let go of jobs that ended so long ago; their outputs and results stay where they are."""
    return Forgotten(forgotten=ledger.forget(older_than_s, list(states) or sorted(ENDED), exists))


def parse_age(text: str) -> float | None:
    """Read ``90d``, ``12h``, ``30m`` or ``45s`` as seconds; None when it is no age."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    return (
        float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[match[2]] if match else None
    )


def clean(state: Path, *, unfinished: int, sources_too: bool, dry_run: bool) -> Cleaned:
    """Remove copies that a state folder keeps and that nobody needs; no run may hold it.

    The studio's renders, prepared sources, parts of downloads and old logs go. ``sources_too`` removes the
    studio's copies of the sources as well: a tweak of what was done then needs a run of its own.
    """
    folders = [] if unfinished else ["studio/renders", "prepared", "parts", "previews"]
    folders += ["studio/media"] if sources_too and not unfinished else []
    found = [path for name in folders for path in (state / name).rglob("*") if path.is_file()]
    found += list((state / "logs").glob("*.log.1"))
    size = 0
    for path in found:
        with suppress(OSError):
            size += path.stat().st_size
            if not dry_run:
                path.unlink()
    for name in folders if not dry_run else []:
        for folder in (state / name).glob("*/"):
            shutil.rmtree(folder, ignore_errors=True)
    kept = f"{format_count(unfinished, 'file')} not finished: their copies stay" if unfinished else ""
    return Cleaned(dry_run=dry_run, files=len(found), bytes=size, kept=kept)


def _command_each(ledger: Ledger, jobs: Iterable[Job], command: Callable[[str], str]) -> CommandedJobs:
    """Command each job by its id; the command answers the id of the job to tell of, mostly the same."""
    done = []
    for job_id in dict.fromkeys(job.id for job in jobs):
        error, told = None, job_id
        try:
            told = command(job_id)
        except LedgerUnreachable:
            raise
        except LedgerError as exc:
            error = {"code": describe_failure(exc).code, "message": masked(str(exc))}
            print(f"dropscore: {error['message']}", file=sys.stderr)
        job = ledger.get(told)
        done.append(
            CommandedJob(job=told, source=job.spec.source, state=job.state, step=job.step, error=error)
        )
    return CommandedJobs(jobs=tuple(done))
