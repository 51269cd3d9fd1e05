"""What was delivered: outputs that are gone are made again from what is known, and files are done anew.

Making an output again pays nothing: its render is fetched, or the session's timeline rendered once more.
"""

from collections.abc import Iterable
from contextlib import suppress

from config.settings import Settings
from jobs.errors import NotAllowed
from jobs.ledger import Delivery, Ledger
from jobs.model import (
    Checkpoint,
    InstructionState,
    InstructionStatus,
    Job,
    JobSpec,
    State,
    Step,
    UploadRef,
    job_id_for,
)
from jobs.result import Result, read_result
from jobs.sources import Sources
from jobs.versions import home
from producer.backlog import Backlog, PlanRow
from producer.errors import ProducerError
from producer.fingerprint import fingerprint, open_source
from producer.instructions import Defaults, InstructionResolver, InstructionSpec
from producer.manifest import Entry
from producer.prepare import is_same_content, note_of
from producer.scan import look_at
from producer.submit import Submitter


def restore(ledger: Ledger, job: Job, settings: Settings) -> None:
    """Have the output of a job that is done made again, under its name and without a new edit.

    Raises NoSuchJob, NotAllowed (it is not done any more), LedgerUnreachable.
    """
    spec, checkpoint = job.spec, job.checkpoint.evolve(restored=True)
    found = read_result(job)
    if found is not None:
        spec, checkpoint = _recall(spec, checkpoint, found)
    with suppress(ProducerError, OSError):
        spec = _find_former_spec(ledger, spec.evolve(created=spec.created or ledger.now()), job.id, settings)
    ledger.transition(
        job.id, State.QUEUED, among=[State.DONE], step=Step.POLL, checkpoint=checkpoint, spec=spec
    )


def restore_all(ledger: Ledger, gone: Iterable[Delivery], settings: Settings) -> int:
    """Have these outputs made again; answers how many are."""
    count = 0
    for delivery in gone:
        with suppress(NotAllowed):
            for job in ledger.many([delivery.job_id]):
                restore(ledger, job, settings)
                count += 1
    return count


def redo(
    ledger: Ledger, job: Job, settings: Settings, instructions: tuple[str, ...] = (), word: str = ""
) -> PlanRow:
    """Submit the source of a job that is done as new work: it is edited anew, as its next version.

    Without ``instructions`` the former ones are asked for. ``word`` tells this redoing from others of the
    job: the same one twice is one job. With the cloud it is paid for.

    Raises:
        UnusableManifest: the source is gone.
        LedgerUnreachable, StorageError.
    """
    found = read_result(job)
    skill = found.skill if found and found.skill in settings.all_skills() else None
    asked = instructions or (found.instructions if found else ())
    row = {"priority": 0, "instructions": asked or None, "skill": skill}
    spec = InstructionSpec.model_validate(row)
    folder = home(job.spec.output).rpartition("/")[0]
    backlog = Backlog(ledger, folder, settings, again=f"redo-{word or job.id}")
    plan = backlog.plan([Entry(job.spec.source, spec)])
    (planned,) = plan.rows
    (seen,) = Sources(ledger).seen([job.spec.source])
    for submitted in backlog.submit(plan, Submitter(ledger)):
        note = seen[0] if seen else ""  # kept: the source itself is as it was
        Sources(ledger).mark({job.spec.source: (note, submitted.job_id)})
    return planned


def _recall(spec: JobSpec, checkpoint: Checkpoint, found: Result) -> tuple[JobSpec, Checkpoint]:
    """Take from a result that is still there what the ledger let go of."""
    landed = InstructionStatus.LANDED
    said = [InstructionState(text=text, status=landed) for text in found.instructions]
    if said:
        said[-1] = said[-1].evolve(replies=found.texts, changes=found.changes)
    credits = found.credits
    return spec.evolve(skill=found.skill, instructions=found.instructions), checkpoint.evolve(
        instructions=tuple(said),
        current=max(0, len(said) - 1),
        summary=found.timeline,
        upload=UploadRef(sha256=found.sha256.get("source") or ""),
        credits_before=credits.before,
        credits_after=credits.after,
        credits_spent=credits.spent,
    )


def _find_former_spec(ledger: Ledger, spec: JobSpec, job_id: str, settings: Settings) -> JobSpec:
    """Return the spec with what the source and its sidecars still say, if it is the same as was done."""
    (seen,) = Sources(ledger).seen([spec.source])
    stat = None if spec.is_url or spec.parent else look_at(spec.source)
    if stat is None or seen is None or not is_same_content(seen[0], note_of(stat, "")):
        return spec
    if not spec.instructions:
        resolved = InstructionResolver(Defaults.from_settings(settings)).resolve(spec.source, "")
        with open_source(stat.path, stat) as file:
            known_by = fingerprint(file, stat.size_bytes)
        if job_id_for(known_by, resolved.instructions, resolved.skill.name) != job_id:
            return spec
        spec = spec.evolve(instructions=resolved.instructions, skill=resolved.skill.name)
    return spec.evolve(size_bytes=stat.size_bytes, mtime_ns=stat.mtime_ns, etag=stat.etag)
