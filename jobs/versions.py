"""Versions of one file: a person chooses which stays in the outbox; the others step aside.

What steps aside lies in a folder ``other versions`` beside the output, with its result, under its own name.
It comes back when it is chosen. Nothing is deleted.
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from jobs.errors import NotAllowed
from jobs.ledger import Ledger, result_path
from jobs.model import Job, State
from jobs.result import load_result
from storage import is_remote, storage_for

ASIDE = "other versions"


def keep(ledger: Ledger, job_id: str, versions: Iterable[str]) -> Job:
    """Let the output of a job stay in the outbox, and those of its other versions step aside.

    ``versions`` are the ids of all jobs of the same source. Doing it twice has the effect of doing it once.

    Raises:
        NoSuchJob: no job has that id.
        NotAllowed: the job delivered nothing that could stay, or its outbox is in a bucket.
        OSError: a file cannot be moved; it is where it was then, or in both places.
    """
    chosen = ledger.get(job_id)
    if chosen.state is not State.DONE or not chosen.spec.output:
        raise NotAllowed(f"{chosen.spec.name}: only a version that is done can stay")
    if is_remote(chosen.spec.output):
        raise NotAllowed(f"{chosen.spec.name}: its outbox is in a bucket; choose the version there")
    if not Path(chosen.spec.output).is_file():
        raise NotAllowed(f"{chosen.spec.name}: its output is not at {chosen.spec.output} any more")
    _move(ledger, chosen, home(chosen.spec.output))
    for job in ledger.many(versions):
        same = job.id != job_id and job.spec.source == chosen.spec.source
        if same and job.state is State.DONE and job.spec.output and not is_remote(job.spec.output):
            _move(ledger, job, aside(job.spec.output))
    return ledger.get(job_id)


def version_number(output: str) -> int:
    """``clip.mp4`` → 1, ``clip.v3.mp4`` → 3: the order in which versions were begun, whenever they ended."""
    found = re.search(r"\.v(\d+)\.mp4$", output)
    return int(found[1]) if found else 1


def aside(output: str) -> str:
    """``outbox/clip.mp4`` → ``outbox/other versions/clip.mp4``."""
    path = Path(home(output))
    return str(path.parent / ASIDE / path.name)


def home(output: str) -> str:
    """``outbox/other versions/clip.mp4`` → ``outbox/clip.mp4``."""
    path = Path(output)
    return str(path.parent.parent / path.name) if path.parent.name == ASIDE else output


def _move(ledger: Ledger, job: Job, target: str) -> None:
    """Move an output and its result; at each moment the ledger names a place where the file is."""
    output = Path(job.spec.output)
    if str(output) == target or not output.is_file():
        return
    Path(target).parent.mkdir(exist_ok=True)
    result = load_result(job)
    with suppress(FileExistsError):  # a former move was cut off after this line
        os.link(output, target)
    if not output.samefile(target):
        raise FileExistsError(17, "another file has that name", target)
    text = result.model_copy(update={"output": target}).model_dump_json(indent=2)
    storage_for(target).write(result_path(target), f"{text}\n".encode(), f"{job.id}.{os.getpid()}")
    if ledger.move_output(job.id, target):
        output.unlink()
        Path(job.spec.result).unlink(missing_ok=True)
    else:
        Path(target).unlink()
        Path(result_path(target)).unlink(missing_ok=True)
        raise NotAllowed(f"{job.spec.name}: the name {target} belongs to another file")
