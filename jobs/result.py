"""The result file beside an output: what became of a source, for people and for programs."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from jobs.errors import ResultNotWritten
from jobs.model import Job, Problem, State, StepRecord
from storage import storage_for

MAX_RESULT_BYTES = 4 * 1024 * 1024
"""No more is read of a result file: a larger one is none of ours."""


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
    preview: bool = False  # a first look: `dropscore retry --full` makes the whole
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
    cuts_s: tuple[float, ...] = ()  # where the picture cuts, if the service tells
    bpm: float | None = None  # of the music, if the service tells
    exports: tuple[str, ...] = ()  # paths of the stems, the MIDI file and the WAV that were asked for


def load_result(job: Job) -> Result:
    """Load the result of one job; the ledger's own words where there is no file or it is another job's."""
    found = read_result(job) if job.state is State.DONE else None
    return found or describe_result(job)


def describe_result(job: Job) -> Result:
    """Describe a job as the ledger holds it."""
    point, spec = job.checkpoint, job.spec
    delivered = job.state is State.DONE and bool(point.sha256)  # a question alone delivers no file
    return Result(
        job=job.id,
        source=spec.source,
        output=spec.output if delivered else None,
        preview=spec.preview,
        state=job.state,
        step=job.step,
        skill=spec.skill,
        instructions=spec.instructions,
        timeline=point.summary,
        texts=tuple(text for one in point.instructions for text in one.replies),
        changes=tuple(change for one in point.instructions for change in one.changes),
        steps=tuple(_record(record) for record in job.steps),
        credits=Credits(
            before=_as_whole(point.credits_before),
            after=_as_whole(point.credits_after),
            spent=_as_whole(point.credits_spent),
        ),
        error=describe_problem(job.problem),
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
        cuts_s=read_cuts(point.draft),
        bpm=read_bpm(point.draft),
        exports=point.exports,
    )


def read_result(job: Job) -> Result | None:
    """Read a job's result file; None where there is none that can be read, or it is another job's."""
    if not job.spec.result:
        return None
    try:
        raw = storage_for(job.spec.result).read(job.spec.result, MAX_RESULT_BYTES)
        found = Result.model_validate_json(raw)
    except (OSError, ValueError):  # ValueError: pydantic's too
        return None
    return found if found.job == job.id else None


def read_cuts(draft: Mapping[str, Any] | None) -> tuple[float, ...]:
    """Return where the picture of a draft cuts, in seconds; empty where the service does not tell.

    The contract promises nothing here (api-contract 4): what is not as it should be is passed over.
    """
    found: Any = draft.get("m") if draft else None
    known = found.get("findings") if isinstance(found, Mapping) else None
    if not isinstance(known, Mapping) or len(known) != 1:  # of several clips, none is at its own time
        return ()
    looks = next(iter(known.values()))
    cuts = looks.get("cuts_s") if isinstance(looks, Mapping) else None
    numbers = cuts if isinstance(cuts, list | tuple) else ()
    return tuple(round(float(cut), 3) for cut in numbers if isinstance(cut, int | float))


def read_bpm(draft: Mapping[str, Any] | None) -> float | None:
    """Return the tempo of a draft's music in beats a minute; None where the service does not tell."""
    tracks = draft.get("t") if draft else None
    for track in tracks if isinstance(tracks, list) else ():
        for one in (track, *(track.get("sg") or ())) if isinstance(track, Mapping) else ():
            meta = one.get("m") if isinstance(one, Mapping) else None
            bpm = meta.get("bpm") if isinstance(meta, Mapping) else None
            if isinstance(bpm, int | float) and 20 <= bpm <= 400:
                return float(bpm)
    return None


def write_result(job: Job) -> str:
    """Put the job's result file in its place, whole or not at all; answers its path.

    A job without an output has no name for a result either, and writes none.

    Raises:
        ResultNotWritten: one line that names the file and the cause.
    """
    path = job.spec.result
    if not path:
        return ""
    text = json.dumps(describe_result(job).model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n"
    try:
        storage_for(path).write(path, text.encode(), f"{job.id}.{os.getpid()}")
    except OSError as exc:
        raise ResultNotWritten(f"{path}: the result could not be written: {exc.strerror}") from exc
    return path


def describe_problem(problem: Problem | None) -> dict[str, Any] | None:
    """Return the ``error`` of a result: a stable code, the service's own, and what a person reads."""
    return problem.model_dump(mode="json") if problem else None


def utc(at: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(record: StepRecord) -> dict[str, Any]:
    return {
        "step": record.step.value,
        "started": utc(record.started),
        "ended": utc(record.ended),
        "attempts": record.attempts,
    }


def _as_whole(credits: float | None) -> int | float | None:
    """``50`` for ``50.0``: most services count whole credits."""
    return int(credits) if credits is not None and float(credits).is_integer() else credits
