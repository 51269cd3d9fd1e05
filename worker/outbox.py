"""The outbox: room for an output, where it grows, and how it gets its name (design, invariant 4).

An output grows beside its place, so that a rename delivers it; one for a bucket grows in the state folder.
"""

import errno
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from config.settings import Settings
from config.skills import MAX_BYTES
from jobs.model import Job
from stores import StoreError, Unreachable, is_remote, store_of
from worker.errors import DiskFull, OutboxAway, OutboxBroken

SPARE_BYTES = 64 * 1024 * 1024
"""What stays free on the disk where outputs grow."""

_ABANDONED_S = 24 * 3600.0


def ensure_room(job: Job, settings: Settings) -> None:
    """Make sure that the output will fit; asked before a paid step too. Raises DiskFull, OutboxBroken."""
    folder = part_path(job, settings).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as broken:
        raise translated(broken, str(folder)) from broken
    needed = min(job.spec.size_bytes, MAX_BYTES) + SPARE_BYTES  # a larger source is sent shrunk
    if free < needed:
        raise DiskFull(f"{folder}: {free // 2**20} MB are free, {needed // 2**20} MB are needed")


def part_path(job: Job, settings: Settings) -> Path:
    """Where a job's download grows: hidden, and nobody else's."""
    target = Path(job.spec.output)
    stem = target.name.encode()[:200].decode(errors="ignore")
    name = f".{stem}.{job.id}.part"
    return _aside(settings) / name if is_remote(job.spec.output) else target.with_name(name)


def sweep(settings: Settings, now: Callable[[], float] = time.time) -> None:
    """Remove the parts that a worker of this host left a day ago: the job went on elsewhere."""
    for part in _aside(settings).glob(".*.part*"):
        with suppress(OSError):
            if part.stat().st_mtime < now() - _ABANDONED_S:
                part.unlink()


def deliver(part: Path, target: str, sha256: str, check: Callable[[], None]) -> None:
    """Put a checked download in its place; a file that is there and is not ours is never replaced.

    ``check`` is called now and then, and may raise to end it. Raises DiskFull, OutboxBroken, OutboxAway.
    """
    try:
        store_of(target).put(part, target, sha256, check)
    except OSError as broken:
        raise translated(broken, target) from broken


def delivered(target: str, sha256: str, size_bytes: int) -> bool:
    """Whether an earlier run put the output in its place and died before it could say so.

    Raises OutboxBroken, OutboxAway.
    """
    if not sha256:
        return False
    try:
        store = store_of(target)
        seen = store.stat(target)
        return seen is not None and seen.size_bytes == size_bytes and store.digest(target) == sha256
    except OSError as broken:
        raise translated(broken, target) from broken


def translated(error: OSError, path: str) -> DiskFull | OutboxBroken | OutboxAway:
    """An error of the file system or the store as ours."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(f"{path}: the disk is full")
    if isinstance(error, Unreachable):
        return OutboxAway(str(error))
    if isinstance(error, StoreError):
        return OutboxBroken(str(error))
    return OutboxBroken(f"{path}: {error.strerror or type(error).__name__}")


def _aside(settings: Settings) -> Path:
    return settings.state_dir.resolve() / "parts"
