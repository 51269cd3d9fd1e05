"""What the outbox says: a delivered result counts as done, and a stranger's file is never replaced."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from jobs.codec import result_path
from jobs.model import State
from stores import NotThere, StoreError, is_remote, store_of

Answer = TypeVar("Answer")

_FAR = ThreadPoolExecutor(8, thread_name_prefix="outbox")
_MOST_BYTES = 4 * 1024 * 1024
"""No result is larger."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a result file beside an output says."""

    job_id: str
    state: str
    size_bytes: int | None


def delivery(output: str) -> Delivery | None:
    """The result beside an output; None when there is none that can be read.

    Raises StoreError when it lies in a bucket and nobody can tell.
    """
    try:
        said = json.loads(_text(result_path(output)))
        return Delivery(str(said["job"]), str(said["state"]), said.get("bytes"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as none:
        if isinstance(none, StoreError) and not isinstance(none, NotThere):
            raise
        return None


def _text(path: str) -> str:
    if is_remote(path):
        return store_of(path).read(path, _MOST_BYTES).decode()
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 (plain strings: 100,000 of them)
        return file.read()


def is_done(job_id: str, outputs: tuple[str, ...]) -> str | None:
    """The output that this very job (source, instructions and skill) has delivered already, if any."""
    for output, said in zip(outputs, _asked(delivery, outputs), strict=True):
        if said is not None and said.job_id == job_id and said.state == State.DONE:
            size_bytes = _size(output)
            if size_bytes is not None and said.size_bytes in (None, size_bytes):
                return output
    return None


def free(job_id: str, outputs: tuple[str, ...]) -> tuple[str, ...]:
    """The outputs that would replace nobody's file; the last one stays in any case: it carries the id."""
    sizes = zip(outputs[:-1], _asked(_size, outputs[:-1]), strict=True)
    kept = [output for output, size_bytes in sizes if size_bytes is None or _is_ours(job_id, output)]
    return (*kept, outputs[-1])


def _asked(ask: Callable[[str], Answer], outputs: Sequence[str]) -> Iterable[Answer]:
    """The answer for each output; a store is asked for all of them at once, a disk one by one."""
    return _FAR.map(ask, outputs) if any(map(is_remote, outputs)) else map(ask, outputs)


def _is_ours(job_id: str, output: str) -> bool:
    said = delivery(output)
    return said is not None and said.job_id == job_id


def _size(path: str) -> int | None:
    if is_remote(path):
        seen = store_of(path).stat(path)
        return seen.size_bytes if seen else None
    try:
        return os.lstat(path).st_size
    except OSError:
        return None
