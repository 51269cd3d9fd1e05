"""Before a credit is spent: only files that the service can take.

Contract: `api-contract 2`, Limits; `api-contract 6`, 4001 and 4002.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO

import av
import av.error

from config.skills import ACCEPTED, MAX_BYTES
from jobs.model import Problem
from producer import media
from producer.errors import Refused, shown

_ACCEPTED_WORDS = "Accepted are " + ", ".join(ACCEPTED) + "; mp4, mov, avi and webm go smoothest."


@dataclass(frozen=True, slots=True)
class Media:
    """What is known of a source before it is sent; ``duration_s`` None = not said by the container."""

    kind: str
    demuxer: str
    duration_s: float | None
    streams: tuple[str, ...]


def check_name(name: str, accepts: Collection[str] = ACCEPTED) -> str:
    """The extension of an accepted name; raises Refused."""
    tail = media.extension(name)
    if tail in accepts:
        return tail
    problem = _unsupported(name, f"the service does not take .{shown(tail)} files")
    if tail in media.CONVERTIBLE:
        problem = problem.evolve(advice=f"{problem.advice} Or run with --convert.")
    raise Refused(problem)


def check_size(name: str, size_bytes: int) -> None:
    """Refuse what is empty or larger than 500 MB; raises Refused."""
    if size_bytes == 0:
        message = f"{shown(name)}: the file is empty (0 bytes)"
        raise Refused(Problem(kind="EmptyFile", message=message, advice="Copy or export it again."))
    if size_bytes > MAX_BYTES:
        said = f"{size_bytes / 2**20:.0f} MB" if size_bytes >= MAX_BYTES + 2**20 else f"{size_bytes} bytes"
        message = f"{shown(name)}: {said} is too large; the limit is {MAX_BYTES // 2**20} MB"
        advice = "Compress or trim it below 500 MB, or run with --shrink."
        raise Refused(Problem(code=4002, kind="FileTooLarge", message=message, advice=advice))


def inspect(file: BinaryIO, name: str, tail: str) -> Media:
    """Look at the content of a file with an accepted extension; raises Refused."""
    file.seek(0)
    head = file.read(media.SNIFF_BYTES)
    kind, demuxer = media.kind_of(tail), media.sniff(head)
    if tail == "aac" and demuxer == "mp3" and head.startswith(b"ID3"):
        demuxer = "aac"  # the tag before the frames is the same for both
    if demuxer is None:
        raise Refused(_unsupported(name, f"its content is {media.looks_like(head)}, not .{tail}"))
    if not media.fits(demuxer, kind):
        raise Refused(_unsupported(name, f"its content ({demuxer.removesuffix('_pipe')}) is no {kind}"))
    if demuxer == "webp_pipe":
        return Media(kind, demuxer, None, ("video",))  # ffmpeg reads still WebP only; the service reads both
    file.seek(0)
    return _open(file, name, kind, demuxer)


def _open(file: BinaryIO, name: str, kind: str, demuxer: str) -> Media:
    # The demuxer is named and the file handed over opened: content that calls itself a playlist, or a name
    # with a pattern in it, can make ffmpeg open nothing else.
    try:
        with av.open(file, mode="r", format=demuxer) as container:
            streams = tuple(stream.type for stream in container.streams)
            duration = container.duration
    except (av.error.FFmpegError, ValueError, OverflowError) as broken:
        raise Refused(_unreadable(name, "its container cannot be read")) from broken
    if not {"video", "audio"} & set(streams):
        raise Refused(_unreadable(name, "there is neither picture nor sound in it"))
    return Media(kind, demuxer, duration / av.time_base if duration and kind != "image" else None, streams)


def _unsupported(name: str, why: str) -> Problem:
    message = f"{shown(name)}: unsupported file: {why}"
    return Problem(code=4001, kind="UnsupportedFile", message=message, advice=_ACCEPTED_WORDS)


def _unreadable(name: str, why: str) -> Problem:
    advice = "It may be cut short or damaged: play it, then copy or export it again."
    return Problem(code=4001, kind="UnreadableFile", message=f"{shown(name)}: {why}", advice=advice)


def denied(name: str, why: str) -> Problem:
    """The problem of a file that the system does not let us read."""
    advice = "Give this user the right to read it, then save it again."
    return Problem(kind="UnreadableFile", message=f"{shown(name)}: it cannot be read ({why})", advice=advice)
