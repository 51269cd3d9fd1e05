"""Between a job and the hash it is kept in."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from jobs.model import Checkpoint, Job, Problem, Spec, State, Step, StepRecord

_NAMED = {"source", "output", "result"}  # kept as fields of their own: the scripts look at them


def pack(model: BaseModel) -> str:
    """A model as compact JSON, without what is default anyway (a job stays about 1 KB)."""
    return json.dumps(model.model_dump(mode="json", exclude_defaults=True), separators=(",", ":"))


def pack_steps(steps: tuple[StepRecord, ...]) -> str:
    """The records of the steps as compact JSON."""
    rows = [[record.step, record.started, record.ended, record.attempts] for record in steps]
    return json.dumps(rows, separators=(",", ":"))


def spec_fields(spec: Spec) -> dict[str, str]:
    """What of a spec goes into fields of the hash; ``source`` and ``output`` are set by the script."""
    body = spec.model_dump(mode="json", exclude_defaults=True, exclude=_NAMED)
    return {"spec": json.dumps(body, separators=(",", ":")), "priority": str(spec.priority)}


def result_path(output: str) -> str:
    """``…/clip.mp4`` → ``…/clip.result.json``."""
    return output.removesuffix(".mp4") + ".result.json"


def unpack(job_id: str, row: Mapping[str, str]) -> Job:
    """The job of a hash's fields."""
    output = row["output"]
    spec = {**_json(row["spec"]), "source": row["source"], "output": output, "result": result_path(output)}
    return Job(
        id=job_id,
        spec=Spec.model_validate(spec),
        state=State(row["state"]),
        step=Step(row["step"]),
        epoch=int(row["epoch"]),
        attempts=int(row["attempts"]),
        crashes=int(row["crashes"]),
        until=float(row["until"]),
        begun=row["begun"] == "1",
        reason=row.get("reason", ""),
        checkpoint=Checkpoint.model_validate(_json(row.get("checkpoint", ""))),
        steps=_steps(row.get("steps", "")),
        problem=Problem.model_validate(_json(row["problem"])) if row.get("problem") else None,
        started=float(row.get("started") or 0),
        updated=float(row["updated"]),
        lapsed=float(row.get("lapsed") or 0) if row["crashes"] != "0" else 0.0,
    )


def _steps(text: str) -> tuple[StepRecord, ...]:
    rows = json.loads(text) if text else []
    return tuple(StepRecord(step=Step(s), started=a, ended=b, attempts=n) for s, a, b, n in rows)


def _json(text: str) -> dict[str, Any]:
    return dict(json.loads(text)) if text else {}
