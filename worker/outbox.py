"""The outbox: room for an output, where it grows, and how it gets its name (design, invariant 4)."""

import errno
import shutil
from pathlib import Path

from config.skills import MAX_BYTES
from jobs.model import Job
from jobs.result import sync_folder
from worker.errors import DiskFull, OutboxBroken
from worker.output import digest_of

SPARE_BYTES = 64 * 1024 * 1024
"""What stays free on the outbox's disk."""


def ensure_room(job: Job) -> None:
    """Make sure that the output will fit; asked before a paid step too. Raises DiskFull, OutboxBroken."""
    folder = Path(job.spec.output).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as broken:
        raise translated(broken, folder) from broken
    needed = min(job.spec.size_bytes, MAX_BYTES) + SPARE_BYTES  # a larger source is sent shrunk
    if free < needed:
        raise DiskFull(f"{folder}: {free // 2**20} MB are free, {needed // 2**20} MB are needed")


def part_path(job: Job) -> Path:
    """Where a job's download grows: hidden, beside its place, and nobody else's."""
    target = Path(job.spec.output)
    stem = target.name.encode()[:200].decode(errors="ignore")
    return target.with_name(f".{stem}.{job.id}.part")


def deliver(part: Path, target: Path, sha256: str) -> None:
    """Rename a checked download into place; a file that is there and is not ours is never replaced.

    Raises DiskFull, OutboxBroken.
    """
    try:
        if target.exists() and digest_of(target) != sha256:
            raise OutboxBroken(f"{target}: a file of that name is there already, and it is not this job's")
        part.replace(target)
        sync_folder(target.parent)
    except OSError as broken:
        raise translated(broken, target) from broken


def delivered(target: Path, sha256: str, size_bytes: int) -> bool:
    """Whether an earlier run renamed the output into place and died before it could say so."""
    if not sha256 or not target.is_file() or target.stat().st_size != size_bytes:
        return False
    return digest_of(target) == sha256


def translated(error: OSError, path: Path) -> DiskFull | OutboxBroken:
    """An error of the file system as ours."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(f"{path}: the disk is full")
    return OutboxBroken(f"{path}: {error.strerror or type(error).__name__}")
