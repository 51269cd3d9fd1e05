"""Commands of a person: retry, cancel, pause, resume, tweak, make whole. ``resend`` and a tweak may pay."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import count, islice

from jobs.errors import NotAllowed
from jobs.gates import Gates
from jobs.ledger import Ledger, Submission
from jobs.model import (
    ACTIVE,
    Checkpoint,
    Gate,
    InstructionState,
    InstructionStatus,
    Job,
    SessionRef,
    State,
    Step,
    UploadRef,
    job_id_for,
)
from jobs.result import write_result
from jobs.sources import Sources
from jobs.versions import home
from storage import exists, storage_for

SESSION_GONE = "session_gone"
"""The code of the problem of a paid job whose session the service has lost."""

EXPORT = "export"
"""The instruction of a job that renders what there is: the export flow, nothing is sent (api-contract 5)."""

RETRIED = (State.FAILED, State.UNCONFIRMED, State.CANCELLED)
CANCELLED = (*sorted(ACTIVE), State.PARKED, State.UNCONFIRMED)

_NEEDS_NEW_RENDER = frozenset({"render_failed", "output_broken", "render_not_found", "download_broken"})
"""Codes after which the old render is of no use; another costs nothing."""

_NOT_SENT = frozenset({InstructionStatus.PENDING, InstructionStatus.LANDED, InstructionStatus.SKIPPED})
"""What has not left, or is done: there is nothing to send *again*."""


def retry(ledger: Ledger, job_id: str, *, resend: bool = False) -> Step:
    """Let an ended job go on at the cheapest step; answers that step.

    A sent instruction is never sent again without ``resend``: the timeline is read once more instead. A job
    whose output's name went to another meanwhile gets a name of its own.

    Raises:
        NoSuchJob: no job has that id.
        NotAllowed: the job has not ended, is done, or is a file that was refused unsent.
    """
    job = ledger.get(job_id)
    if job.state not in RETRIED:
        raise NotAllowed(
            f"job {job_id} is {job.state}; only failed, unconfirmed and cancelled ones are retried"
        )
    was_refused = not (job.spec.fingerprint or job.steps or job.checkpoint.session or job.attempts)
    if job.state is State.FAILED and was_refused and job.step is Step.UPLOAD:
        advice = job.problem.advice if job.problem else ""
        raise NotAllowed(
            f"{job.spec.name} was refused before anything was sent; once it is corrected it is taken by "
            f"itself. {advice}"
        )
    step, checkpoint = _find_resend_step(job) if resend else _find_retry_step(job)
    names = [job.spec.output, *_version_names(job.spec.output)]
    ledger.transition(job_id, State.QUEUED, among=RETRIED, step=step, checkpoint=checkpoint, outputs=names)
    return step


def failed_jobs(ledger: Ledger, code: str | None = None) -> Iterator[Job]:
    """Yield the failed jobs; with ``code`` those whose error has it."""
    for job in list(ledger.all_in(State.FAILED)):
        if code is None or (job.problem and job.problem.code == code):
            yield job


def cancel(ledger: Ledger, job_id: str) -> Job:
    """End a job for good; a worker that holds it may no longer write.

    Raises NoSuchJob, NotAllowed, ResultNotWritten.
    """
    ledger.transition(job_id, State.CANCELLED, among=CANCELLED)
    job = ledger.get(job_id)
    write_result(job)
    return job


def tweak(ledger: Ledger, job_id: str, instruction: str) -> Submission:
    """Give one more instruction to the session of a job that is done; the first output is kept.

    A new job goes on with that timeline and delivers ``<name>.v2.mp4`` (``.v3`` …). The same instruction to
    the same job is one job, however often it is given. Jobs in one session are done one after the other.

    Raises:
        NoSuchJob: no job has that id.
        NotAllowed: the job is not done, has no session, or its session went on to other files.
    """
    names = _version_names(home(ledger.get(job_id).spec.output))
    return _go_on(ledger, job_id, instruction, names, {})


def make_whole(ledger: Ledger, job_id: str) -> Submission:
    """Render the timeline of a preview as it should be; the edit is not paid again, and the preview stays.

    A new job goes on with that session and delivers ``<name>.mp4`` for ``<name>.preview.mp4``.

    Raises:
        NoSuchJob: no job has that id.
        NotAllowed: it is no preview that is done, or its session went on to other files.
    """
    spec = ledger.get(job_id).spec
    if not spec.preview:
        raise NotAllowed(f"job {job_id} is no preview; there is nothing more to render")
    stem = re.sub(r"\.v\d+$", "", home(spec.output).removesuffix(".mp4")).removesuffix(".preview")
    whole = f"{stem}.mp4"
    names = [*([] if exists(whole) else [whole]), *_version_names(whole)]
    return _go_on(ledger, job_id, EXPORT, names, {"preview": False})


def _go_on(
    ledger: Ledger, job_id: str, instruction: str, names: list[str], changes: dict[str, object]
) -> Submission:
    """Submit a job that goes on with the session of one that is done; raises NoSuchJob, NotAllowed."""
    parent = ledger.get(job_id)
    spec = parent.spec
    if parent.state is not State.DONE:
        raise NotAllowed(f"job {job_id} is {parent.state}; only what is done can be changed")
    session, skill = _read_session(parent)
    if session is None:
        raise NotAllowed(f"job {job_id}: its result file, which names its session, is not at {spec.result}")
    if spec.session_group and spec.parent is None:
        raise NotAllowed(f"job {job_id} shared its session with its folder, which has gone on to other files")
    changed = spec.evolve(
        skill=skill,
        instructions=(instruction,),
        parent=job_id,
        backlog=False,
        session_group=spec.session_group or f"session-{session.session_id}",
        created=ledger.now(),
        **changes,
    )
    seen = Sources(ledger).seen([spec.source])[0]
    note = seen[0] if seen else ""  # kept: the source itself is as it was
    new_id = job_id_for(job_id, (instruction,), skill)
    first = Checkpoint(session=session, upload=UploadRef())
    return ledger.submit(new_id, changed, names, note, checkpoint=first)


def pause(gates: Gates) -> bool:
    """Start no step any more, on any worker; False when it was paused already."""
    return gates.close(
        Gate.PAUSED, probe_at=0.0, message="paused by a person", advice="To go on: dropscore resume"
    )


def resume(gates: Gates, chosen: Iterable[Gate] = ()) -> dict[Gate, int]:
    """Open the chosen gates, or all that are closed; answers how many files waited behind each."""
    closed = gates.closed()
    return {gate: gates.open(gate) for gate in (list(chosen) or list(closed)) if gate in closed}


def _read_session(job: Job) -> tuple[SessionRef | None, str]:
    """The session a done job worked in, and its skill: from its result, the ledger keeps neither."""
    try:
        with storage_for(job.spec.result).open(job.spec.result) as file:
            row = json.loads(file.read())
        backend = job.checkpoint.session.backend if job.checkpoint.session else ""
        session = SessionRef(
            session_id=row["ids"]["session"], task_id=row["ids"].get("task"), backend=backend
        )
        return session, str(row["skill"])
    except (OSError, ValueError, KeyError, TypeError):
        return job.checkpoint.session, job.spec.skill


def _version_names(output: str, most: int = 20) -> list[str]:
    """Names for further versions of an output, without those that would replace a file."""
    stem = re.sub(r"\.v\d+$", "", output.removesuffix(".mp4"))
    names = (f"{stem}.v{number}.mp4" for number in count(2))
    return list(islice((name for name in names if not exists(name)), most))


def _find_retry_step(job: Job) -> tuple[Step, Checkpoint]:
    point, code = job.checkpoint, job.problem.code if job.problem else ""
    if code in _NEEDS_NEW_RENDER:
        return Step.RENDER, point.evolve(render=None)
    return job.step, point.evolve(
        instructions=tuple(one.evolve(reads=0) for one in point.instructions),
        render=point.render.evolve(unchanged=0, polls=0, moved=0.0, renewed=0) if point.render else None,
        sessions=0,
    )


def _find_resend_step(job: Job) -> tuple[Step, Checkpoint]:
    """Send again what was sent and never showed; what landed stays, unless its session is gone."""
    point = job.checkpoint
    if job.problem and job.problem.code == SESSION_GONE:
        return Step.UPLOAD, Checkpoint(instructions=tuple(map(_begin_again, point.instructions)))
    if point.current >= len(point.instructions) or point.instructions[point.current].status in _NOT_SENT:
        return _find_retry_step(job)
    instructions = list(point.instructions)
    instructions[point.current] = _begin_again(instructions[point.current])
    return Step.EDIT, point.evolve(instructions=tuple(instructions), sessions=0)


def _begin_again(one: InstructionState) -> InstructionState:
    return InstructionState(text=one.text, action=one.action, attempts=one.attempts)
