"""Delivery: room for an output, where it grows, whether it is whole, and how it gets its name.

An output grows beside its place, so that a link delivers it; one for a bucket grows in the state folder.
"""

import errno
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

import av

from config.settings import Settings
from config.skills import MAX_BYTES
from jobs.model import Job
from storage import StorageError, Unreachable, is_remote, storage_for
from storage.mounts import OWNER_FILE, find_unmounted, remember_mount
from worker.errors import DiskFull, OutboxAway, OutboxBroken, OutputBroken

SPARE_BYTES = 64 * 1024 * 1024
"""What stays free on the disk where outputs grow."""

MISSING_S = 1.0
"""How much of the container's own duration may be missing at the end (one track may be shorter)."""

PLAUSIBLE = 10
"""So many times longer or shorter than the timeline an output may be: foreign drafts tell little."""

SAMPLES = 12
"""So many places of a video are decoded after a download that was resumed."""

_ABANDONED_S = 24 * 3600.0
_NOT_WRITABLE_NOW = {errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ETIMEDOUT}

_READERS = ThreadPoolExecutor(4, "reader")
"""What FFmpeg allocates stays with the thread it was used in: few threads, and not each of a thousand."""


def ensure_room(job: Job, settings: Settings) -> None:
    """Make sure that the output will fit; asked before a paid step too.

    Nothing is made in the place of an outbox whose disk is not mounted. Raises DiskFull, OutboxBroken.
    """
    folder = part_path(job, settings).parent
    needed = min(job.spec.size_bytes, MAX_BYTES) + SPARE_BYTES  # a larger source is sent shrunk
    if away := find_unmounted(str(folder), settings.state_dir):
        outbox, point = away
        raise DiskFull(f"{outbox}: {point} is not mounted", outbox, needed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        _remember_outbox(folder, settings.state_dir)
    except OSError as exc:
        raise map_os_error(exc, str(folder)) from exc
    if free < needed:
        message = f"{folder}: {free // 2**20} MB are free, {needed // 2**20} MB are needed"
        raise DiskFull(message, str(folder), needed)


@cache
def _remember_outbox(folder: Path, state_dir: Path) -> None:
    """Note on which disk the outbox lies: this host's producer may be another one."""
    outbox = next((at for at in (folder, *folder.parents) if (at / OWNER_FILE).exists()), None)
    if outbox:
        remember_mount(str(outbox), state_dir)


def has_room(path: str, needed_bytes: int, state_dir: Path) -> bool | None:
    """Tell whether a folder has room and takes writes again; None when this host cannot see it."""
    folder = Path(path)
    if not folder.is_dir() or find_unmounted(path, state_dir):
        return None
    probe = folder / ".dropscore-probe.part"
    try:
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
        return shutil.disk_usage(folder).free >= needed_bytes
    except OSError:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
        return False


def part_path(job: Job, settings: Settings, export: str = "") -> Path:
    """Return where a job's download, or that of an ``export``, grows: hidden, and nobody else's."""
    target = Path(job.spec.output)
    stem = target.name.encode()[:200].decode(errors="ignore")
    name = f".{stem}.{job.id}.{export}.part" if export else f".{stem}.{job.id}.part"
    return _parts_folder(settings) / name if is_remote(job.spec.output) else target.with_name(name)


def remove_abandoned_parts(settings: Settings, now: Callable[[], float] = time.time) -> None:
    """Remove the parts that a worker of this host left a day ago: the job went on elsewhere."""
    for part in _parts_folder(settings).glob(".*.part*"):
        with suppress(OSError):
            if part.stat().st_mtime < now() - _ABANDONED_S:
                part.unlink()


def deliver(part: Path, target: str, sha256: str, check: Callable[[], None]) -> None:
    """Put a checked download in its place; a file that is there and is not ours is never replaced.

    ``check`` is called now and then, and may raise to end it. Raises DiskFull, OutboxBroken, OutboxAway.
    """
    try:
        storage_for(target).deliver(part, target, sha256, check)
    except OSError as exc:
        raise map_os_error(exc, target) from exc


def is_delivered(target: str, sha256: str, size_bytes: int) -> bool:
    """Tell whether an earlier run put the output in its place and died before it could record it.

    Raises OutboxBroken, OutboxAway.
    """
    if not sha256:
        return False
    try:
        store = storage_for(target)
        seen = store.stat(target)
        return seen is not None and seen.size_bytes == size_bytes and store.digest(target) == sha256
    except OSError as exc:
        raise map_os_error(exc, target) from exc


def map_os_error(error: OSError, path: str) -> DiskFull | OutboxBroken | OutboxAway:
    """Translate an error of the file system or the storage."""
    folder = path if Path(path).is_dir() else str(Path(path).parent)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(f"{path}: the disk is full", folder, SPARE_BYTES)
    if isinstance(error, Unreachable):
        return OutboxAway(str(error))
    if isinstance(error, StorageError):
        return OutboxBroken(str(error))
    if error.errno in _NOT_WRITABLE_NOW:
        return DiskFull(f"{path}: {error.strerror}", folder)
    return OutboxBroken(f"{path}: {error.strerror or type(error).__name__}")


def measure_video(path: Path, expected_s: float | None, *, decode: bool = False) -> float:
    """Check that a file is a whole, playable video with sound; answers its duration in seconds.

    ``expected_s`` is the timeline's duration, if known. With ``decode``, pictures and sound are decoded in
    `SAMPLES` places too: a download that was resumed may have a hole.

    Raises:
        OutputBroken: it is not; one clear line.
    """
    return _READERS.submit(_measure, path, expected_s, decode).result()


def _measure(path: Path, expected_s: float | None, decode: bool) -> float:
    try:
        with av.open(str(path)) as container:
            missing = {"video", "audio"} - {stream.type for stream in container.streams}
            if missing:
                raise OutputBroken(f"the download has no {' and no '.join(sorted(missing))} stream")
            length_s = (container.duration or 0) / av.time_base
            last_s = _read_packets(container)
            if decode:
                _decode_samples(container, length_s)
    except (av.FFmpegError, OSError) as exc:
        raise OutputBroken(f"the download is not a playable video ({type(exc).__name__})") from exc
    if length_s <= 0 or last_s < length_s - max(MISSING_S, length_s * 0.05):
        raise OutputBroken(f"the download ends after {last_s:.1f} s of {length_s:.1f} s")
    if expected_s and not expected_s / PLAUSIBLE <= length_s <= expected_s * PLAUSIBLE + 10:
        raise OutputBroken(f"the download lasts {length_s:.1f} s, the timeline {expected_s:.1f} s")
    return length_s


def _read_packets(container: "av.container.InputContainer") -> float:
    """Read to the last packet; answers where it ends (s). A picture of nothing but zeros is a hole."""
    last_s = 0.0
    for packet in container.demux():
        if packet.pts is None or packet.time_base is None:
            continue
        last_s = max(last_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream.type == "video" and packet.size > 64 and not bytes(packet).strip(b"\0"):
            raise OutputBroken(f"the download has a hole at {last_s:.1f} s")
    return last_s


def _decode_samples(container: "av.container.InputContainer", length_s: float) -> None:
    for stream in (container.streams.video[0], container.streams.audio[0]):
        stream.codec_context.options = {"err_detect": "explode"}
        for number in range(SAMPLES):
            container.seek(int(length_s * number / SAMPLES * av.time_base))
            if next(container.decode(stream), None) is None:
                raise OutputBroken(
                    f"the download has no {stream.type} at {length_s * number / SAMPLES:.1f} s"
                )


def _parts_folder(settings: Settings) -> Path:
    return settings.state_dir.resolve() / "parts"
