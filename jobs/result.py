"""The result file beside an output: what became of a source, for people and for programs."""

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from jobs.errors import LedgerError
from jobs.model import Job, State, StepRecord
from stores import store_of


class ResultNotWritten(LedgerError):
    """The result file could not be written (a full disk, a folder that is gone)."""


class Credits(BaseModel):
    """Credits of the account around a job, and what of the difference is this job's."""

    model_config = ConfigDict(frozen=True)

    before: int | float | None = None
    after: int | float | None = None
    spent: int | float | None = None


class Result(BaseModel):
    """The keys of ``<name>.result.json``; times are UTC, ISO 8601."""

    model_config = ConfigDict(frozen=True)

    job: str
    source: str
    output: str | None
    state: State
    step: str
    skill: str
    instructions: tuple[str, ...]
    timeline: str
    texts: tuple[str, ...]
    changes: tuple[str, ...]
    steps: tuple[dict[str, Any], ...]
    credits: Credits
    error: dict[str, Any] | None
    ids: dict[str, str | None]
    sha256: dict[str, str | None]
    bytes: int | None
    duration_s: float | None
    created: str
    ended: str | None


def of(job: Job) -> Result:
    """The result of a job as the ledger holds it."""
    point, spec = job.checkpoint, job.spec
    delivered = job.state is State.DONE and bool(point.sha256)  # a question alone delivers no file
    return Result(
        job=job.id,
        source=spec.source,
        output=spec.output if delivered else None,
        state=job.state,
        step=job.step,
        skill=spec.skill,
        instructions=spec.instructions,
        timeline=point.summary,
        texts=tuple(text for turn in point.turns for text in turn.texts),
        changes=tuple(change for turn in point.turns for change in turn.changes),
        steps=tuple(_record(record) for record in job.steps),
        credits=_credits(job),
        error=_error(job),
        ids={
            "session": point.session.session_id if point.session else None,
            "task": point.session.task_id if point.session else None,
            "render": point.render.render_id if point.render else None,
        },
        sha256={
            "source": point.upload.sha256 or None if point.upload else None,
            "output": point.sha256 or None,
        },
        bytes=point.size_bytes if delivered else None,
        duration_s=point.duration_s if delivered else None,
        created=utc(spec.created),
        ended=utc(job.updated) if job.ended else None,
    )


def write(job: Job) -> str:
    """Put the job's result file in its place, whole or not at all; answers its path.

    Raises:
        ResultNotWritten: one line that names the file and the cause.
    """
    path = job.spec.result
    text = json.dumps(of(job).model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n"
    try:
        store_of(path).write(path, text.encode(), job.id)
    except OSError as broken:
        raise ResultNotWritten(f"{path}: the result could not be written: {broken.strerror}") from broken
    return path


def utc(at: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(record: StepRecord) -> dict[str, Any]:
    return {
        "step": record.step.value,
        "started": utc(record.started),
        "ended": utc(record.ended),
        "attempts": record.attempts,
    }


def _credits(job: Job) -> Credits:
    point = job.checkpoint
    before, after = _whole(point.credits_before), _whole(point.credits_after)
    return Credits(before=before, after=after, spent=_whole(point.credits_spent))


def _whole(credits: float | None) -> int | float | None:
    """``50`` for ``50.0``: most services count whole credits."""
    return int(credits) if credits is not None and float(credits).is_integer() else credits


def _error(job: Job) -> dict[str, Any] | None:
    problem = job.problem
    if problem is None:
        return None
    return {"code": problem.code, "class": problem.kind, "message": problem.message, "advice": problem.advice}
