"""What was delivered and is gone, or was done by the other backend: noticed by a run, and by ``redo``."""

# ruff: noqa: PLC0415 - most runs find nothing to do here, and need not load what looks into files

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from cli.control import Answer
from cli.format import format_count, format_path
from cli.options import confirm_payment
from cli.paths import Folders
from config import logs
from config.logs import masked
from config.settings import Backend, Settings
from jobs.errors import LedgerError, LedgerUnreachable, NotAllowed
from jobs.ledger import Delivery, Ledger
from jobs.model import Job, State
from jobs.sources import Sources
from producer.estimate import Estimate
from storage import StorageError, exists, is_remote, storage_for


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What one look at everything delivered into an outbox found.

    ``gone``: the output is no longer there, and the backend of these settings can make it again.
    ``elsewhere``: the source is in the inbox, and the other backend did it last.
    """

    gone: tuple[Delivery, ...] = ()
    elsewhere: tuple[Delivery, ...] = ()


def look_at_deliveries(ledger: Ledger, backend: Backend, inbox: str, outbox: str) -> Deliveries:
    """Look for outputs that are gone from an outbox, and for sources of an inbox that the other backend did.

    Raises LedgerUnreachable; StorageError when the outbox's bucket does not answer.
    """
    kept = [one for one in ledger.delivered() if one.backend]
    ours = [one for one in kept if one.backend == backend and one.output.startswith(f"{outbox}/")]
    theirs = [one for one in kept if one.backend != backend and one.source.startswith(f"{inbox}/")]
    if ours and is_remote(outbox):
        there = {found.path for found in storage_for(outbox).scan()}
        gone = [one for one in ours if one.output not in there]
    else:
        gone = [one for one in ours if not exists(one.output)]
    last = Sources(ledger).seen(one.source for one in theirs)
    elsewhere = [
        one
        for one, seen in zip(theirs, last, strict=True)
        if seen and seen[1] == one.job_id and exists(one.source)
    ]
    return Deliveries(tuple(gone), tuple(elsewhere))


class RedoneJob(BaseModel):
    """A file that ``redo`` was asked for; ``error`` is null where it is done again."""

    model_config = ConfigDict(frozen=True)

    source: str
    job: str  # the new one, where it is edited anew
    output: str
    edited: bool = False  # anew; false: its output is made again from what is known, at no cost
    error: str | None = None


class RedoneJobs(Answer):
    """What ``redo`` did."""

    jobs: tuple[RedoneJob, ...]
    begins_later: bool = False  # nothing runs now that would take them up

    @property
    def exit_code(self) -> int:
        """Return 1 when a file was refused."""
        return int(any(one.error for one in self.jobs))

    def lines(self) -> Iterator[str]:
        """Yield a line a file, and what comes next."""
        done = [one for one in self.jobs if not one.error]
        for one in done:
            how = "edited anew" if one.edited else "made again at no cost"
            yield f"{format_path(one.source)}: {how} -> {format_path(one.output)}"
        if not self.jobs:
            yield "no output is gone"
        if done and self.begins_later:
            yield "It begins with the next: dropscore run INBOX"


def redo_jobs(
    ledger: Ledger, jobs: Iterable[Job], settings: Settings, instructions: tuple[str, ...], *, may_pay: bool
) -> RedoneJobs:
    """Make outputs that are gone again; edit anew what is there, or has nothing left to be made from.

    Raises LedgerUnreachable; what is wrong with one file is a line on standard error.
    """
    from producer.errors import ProducerError

    logs.configure("WARNING", settings.log_json)
    done = []
    for job in jobs:
        try:
            done.append(_redo_one(ledger, job, settings, instructions, may_pay=may_pay))
        except LedgerUnreachable:
            raise
        except (LedgerError, ProducerError, StorageError) as exc:
            error = masked(str(exc))
            print(f"dropscore: {error}", file=sys.stderr)
            done.append(RedoneJob(source=job.spec.source, job=job.id, output=job.spec.output, error=error))
    return RedoneJobs(jobs=tuple(done))


def _redo_one(
    ledger: Ledger, job: Job, settings: Settings, instructions: tuple[str, ...], *, may_pay: bool
) -> RedoneJob:
    from producer.deliveries import redo, restore
    from producer.outputs import is_gone

    name = format_path(job.spec.source)
    if job.state is not State.DONE:
        raise NotAllowed(f"{name} is {job.state}; only what is done is done again (dropscore retry, or wait)")
    versions = find_versions(ledger, job)
    for one in versions if not instructions else []:
        session = one.checkpoint.session
        if is_gone(one) and session and session.backend == settings.backend:
            restore(ledger, one, settings)
            return RedoneJob(source=one.spec.source, job=one.id, output=one.spec.output)
    if job.spec.is_from_words:
        raise NotAllowed(f"{name}: was made from words; dropscore create with another -o makes another")
    if settings.backend == "cloud" and not may_pay:
        raise NotAllowed(
            f"{name}: to edit it anew costs about {settings.edit_credits} credits; "
            "if that is right, add --pay"
        )
    row = redo(ledger, versions[-1], settings, instructions)
    if not row.job_id:
        raise NotAllowed(f"{name}: {row.why}")
    output = ledger.get(row.job_id).spec.output
    return RedoneJob(source=job.spec.source, job=row.job_id, output=output, edited=True)


def find_versions(ledger: Ledger, job: Job) -> list[Job]:
    """Find what a job was made from: itself first, and the one that was edited from its source last."""
    versions = [job]
    while (parent := versions[-1].spec.parent) and (before := ledger.many([parent])):
        versions += before
    return versions


def find_gone(ledger: Ledger, settings: Settings) -> list[Job]:
    """Find the jobs whose outputs are gone, and that this backend can make again."""
    found = (one for one in ledger.delivered() if one.backend == settings.backend and not exists(one.output))
    return ledger.many([one.job_id for one in found])


def tend_deliveries(
    ledger: Ledger,
    settings: Settings,
    folders: Folders,
    say: Callable[[str], None],
    *,
    redo_others: bool,
    may_pay: bool,
) -> None:
    """Make what is gone again, as a run begins; do anew, or only mention, what the other backend did.

    Raises LedgerUnreachable; Unusable, Interrupted when many would be paid for and nobody says yes.
    """
    logs.configure("WARNING", settings.log_json)
    found = look_at_deliveries(ledger, settings.backend, folders.inbox, folders.outbox)
    if found.gone and settings.restore:
        from producer.deliveries import restore_all

        count = restore_all(ledger, found.gone, settings)
        say(f"{format_count(count, 'output')} gone from {format_path(folders.outbox)}: made again at no cost")
    if not found.elsewhere:
        return
    if redo_others:
        credits = len(found.elsewhere) * settings.edit_credits if settings.backend == "cloud" else 0
        if Estimate(len(found.elsewhere), credits).is_worth_a_question and not may_pay:
            confirm_payment(len(found.elsewhere), credits)
        from producer.deliveries import redo

        for delivery in found.elsewhere:
            for job in ledger.many([delivery.job_id]):
                root = find_versions(ledger, job)[-1]
                redo(ledger, root, settings, word=settings.backend)
    else:
        say(describe_elsewhere(found, settings))


def describe_elsewhere(found: Deliveries, settings: Settings) -> str:
    """Say what the other backend has done, and what doing it with this one costs."""
    count = len(found.elsewhere)
    if settings.backend == "cloud":
        by, cost = "the local studio", f"about {count * settings.edit_credits:,} credits"
    else:
        by, cost = "NemoVideo", "no cost"
    files = format_count(count, "file")
    return f"{files} done by {by} before; to have this one do them too ({cost}), add --redo"
