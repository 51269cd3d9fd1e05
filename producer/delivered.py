"""What the outbox says: a delivered result counts as done, and a stranger's file is never replaced."""

import json
import os
from dataclasses import dataclass

from jobs.codec import result_path
from jobs.model import State


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a result file beside an output says."""

    job_id: str
    state: str
    size_bytes: int | None


def delivery(output: str) -> Delivery | None:
    """The result beside an output; None when there is none that can be read."""
    try:
        with open(result_path(output), encoding="utf-8") as file:  # noqa: PTH123 (plain strings: 100,000 of them)
            said = json.load(file)
        return Delivery(str(said["job"]), str(said["state"]), said.get("bytes"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def is_done(job_id: str, outputs: tuple[str, ...]) -> str | None:
    """The output that this very job (source, instructions and skill) has delivered already, if any."""
    for output in outputs:
        said = delivery(output)
        if said is not None and said.job_id == job_id and said.state == State.DONE:
            size_bytes = _size(output)
            if size_bytes is not None and said.size_bytes in (None, size_bytes):
                return output
    return None


def free(job_id: str, outputs: tuple[str, ...]) -> tuple[str, ...]:
    """The outputs that would replace nobody's file; the last one stays in any case: it carries the id."""
    kept = [output for output in outputs[:-1] if _size(output) is None or _is_ours(job_id, output)]
    return (*kept, outputs[-1])


def _is_ours(job_id: str, output: str) -> bool:
    said = delivery(output)
    return said is not None and said.job_id == job_id


def _size(path: str) -> int | None:
    try:
        return os.lstat(path).st_size
    except OSError:
        return None
