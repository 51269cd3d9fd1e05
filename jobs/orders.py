"""A person's orders: retry, cancel, pause, resume, tweak.  Only ``resend`` and a tweak may pay."""

import re
from collections.abc import Iterable, Iterator
from itertools import count, islice

from jobs.codec import pack
from jobs.errors import NotAllowed
from jobs.gates import Gates
from jobs.groups import Groups
from jobs.ledger import Ledger, Submitted
from jobs.model import ACTIVE, Checkpoint, Gate, Job, State, Step, Turn, TurnStatus, identity
from jobs.result import write
from stores import exists

SESSION_GONE = "SessionGone"
"""Class of the problem of a paid job whose session the service has forgotten."""

RETRIED = (State.FAILED, State.UNCONFIRMED, State.CANCELLED)
CANCELLED = (*sorted(ACTIVE), State.PARKED, State.UNCONFIRMED)

_NEW_RENDER = frozenset({"RenderFailed", "OutputBroken", "RenderNotFound"})
"""Ends after which the old render is of no use; another costs nothing."""


_NOT_SENT = frozenset({TurnStatus.PENDING, TurnStatus.LANDED, TurnStatus.SKIPPED})
"""What has not left, or is done: there is nothing to send *again*."""


def retry(ledger: Ledger, job_id: str, *, resend: bool = False) -> Step:
    """Let an ended job go on at the cheapest step; answers that step.

    A sent instruction is never sent again without ``resend``: the timeline is looked at once more instead.

    Raises:
        NoSuchJob: no job has that id.
        NotAllowed: the job has not ended, or is done.
    """
    job = ledger.get(job_id)
    if job.state not in RETRIED:
        raise NotAllowed(
            f"job {job_id} is {job.state}; only failed, unconfirmed and cancelled ones are retried"
        )
    step, checkpoint = _resent(job) if resend else _resumed(job)
    ledger.order(
        job_id,
        State.QUEUED,
        among=RETRIED,
        due=ledger.now(),
        step=step,
        attempts=0,
        crashes=0,
        started=0,
        problem="",
        checkpoint=pack(checkpoint),
    )
    return step


def failed(ledger: Ledger, kind: str | None = None) -> Iterator[Job]:
    """The failed jobs; with ``kind`` those whose error is of that class."""
    for job in list(ledger.all_in(State.FAILED)):
        if kind is None or (job.problem and job.problem.kind.lower() == kind.lower()):
            yield job


def cancel(ledger: Ledger, job_id: str) -> Job:
    """End a job for good; its holder, if any, is fenced. Raises NoSuchJob, NotAllowed, ResultNotWritten."""
    ledger.order(job_id, State.CANCELLED, among=CANCELLED, due=None, problem="")
    job = ledger.get(job_id)
    if job.spec.session_group:
        Groups(ledger).leave(job.spec.session_group, job_id)
    write(job)
    return job


def tweak(ledger: Ledger, job_id: str, instruction: str) -> Submitted:
    """Say one more instruction to the session of a job that is done; the first output is kept.

    A new job goes on with that timeline and delivers ``<name>.v2.mp4`` (``.v3`` …). The same instruction to
    the same job is one job, however often it is given. Jobs in one session are done one after the other.

    Raises:
        NoSuchJob: no job has that id.
        NotAllowed: the job is not done, has no session, or its session went on to other files.
    """
    parent = ledger.get(job_id)
    point, spec = parent.checkpoint, parent.spec
    if parent.state is not State.DONE or point.session is None:
        raise NotAllowed(f"job {job_id} is {parent.state}; only what is done can be changed")
    if spec.session_group and spec.parent is None:
        raise NotAllowed(f"job {job_id} shared its session with its folder, which has gone on to other files")
    changed = spec.evolve(
        instructions=(instruction,),
        parent=job_id,
        priority=0,
        session_group=spec.session_group or f"session-{point.session.session_id}",
        created=ledger.now(),
    )
    first = Checkpoint(session=point.session, upload=point.upload)
    seen = ledger.seen([spec.source])[0]
    note = seen[0] if seen else ""  # kept: the source itself is as it was
    new_id = identity(job_id, (instruction,), spec.skill)
    return ledger.submit(new_id, changed, _versions(spec.output), note, checkpoint=first)


def _versions(output: str, most: int = 20) -> Iterator[str]:
    """Names for further versions of an output, those left out that would replace a file."""
    stem = re.sub(r"\.v\d+$", "", output.removesuffix(".mp4"))
    names = (f"{stem}.v{number}.mp4" for number in count(2))
    return islice((name for name in names if not exists(name)), most)


def pause(gates: Gates) -> bool:
    """Start no step any more, on any worker; False when it was paused already."""
    return gates.close(
        Gate.PAUSED, probe_at=0.0, message="paused by a person", advice="To go on: dropscore resume"
    )


def resume(gates: Gates, chosen: Iterable[Gate] = ()) -> dict[Gate, int]:
    """Open the chosen gates, or all that are closed; answers how many jobs went on behind each."""
    closed = gates.closed()
    return {gate: gates.open(gate) for gate in (list(chosen) or list(closed)) if gate in closed}


def _resumed(job: Job) -> tuple[Step, Checkpoint]:
    point, kind = job.checkpoint, job.problem.kind if job.problem else ""
    if kind in _NEW_RENDER:
        return Step.RENDER, point.evolve(render=None)
    return job.step, point.evolve(
        turns=tuple(turn.evolve(reads=0) for turn in point.turns),
        render=point.render.evolve(unchanged=0, polls=0, moved=0.0) if point.render else None,
        sessions=0,
    )


def _resent(job: Job) -> tuple[Step, Checkpoint]:
    """Send what was sent and never showed; what landed stays, unless its session is gone."""
    point = job.checkpoint
    if job.problem and job.problem.kind == SESSION_GONE:
        return Step.UPLOAD, Checkpoint(turns=tuple(map(_anew, point.turns)))
    if point.turn >= len(point.turns) or point.turns[point.turn].status in _NOT_SENT:
        return _resumed(job)
    turns = list(point.turns)
    turns[point.turn] = _anew(turns[point.turn])
    return Step.EDIT, point.evolve(turns=tuple(turns), sessions=0)


def _anew(turn: Turn) -> Turn:
    return Turn(instruction=turn.instruction, action=turn.action)
