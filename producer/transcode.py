"""Makes a file that the service takes of one that it would refuse (``--shrink``, ``--convert``), with ffmpeg.

The original is only read. One recipe serves both: good quality, never above the rate at which it fits.
"""

import errno
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import av
import av.error
import imageio_ffmpeg
import structlog

from config.skills import MAX_BYTES
from jobs.model import Problem
from producer import media
from producer.errors import ProducerError, Refused, shown

TARGETS = MappingProxyType({"video": "mp4", "audio": "m4a", "image": "png"})
"""The extension of what is made, by the kind of the source."""

_FILLED = 0.92  # of the limit: the container and the encoder's deviations take the rest
_AUDIO_KBPS, _LEAST_KBPS, _MOST_KBPS = 160, 150, 100_000
_SPARE_BYTES = 64 * 1024 * 1024
_TELL_EVERY_S = 10.0
# The service delivers at most 1080x1920; sides must be even.
_SCALE = "scale='min(1920,iw)':'min(1920,ih)':force_original_aspect_ratio=decrease:force_divisible_by=2"

log = structlog.get_logger(__name__)


class TranscodingStopped(ProducerError):
    """The producer ends; the file is found again by the next one."""


@dataclass(frozen=True, slots=True)
class Transcoding:
    """What may be done to files that would be refused; ``folder`` keeps what was made until it was used."""

    folder: str = ""
    shrink: bool = False
    convert: bool = False

    def target(self, tail: str, size_bytes: int, limit_bytes: int = MAX_BYTES) -> str:
        """The extension a file of that kind and size is made into; "" = it is left as it is."""
        kind, too_large = media.kind_of(tail), size_bytes > limit_bytes
        allowed = self.shrink or not too_large
        wanted = self.convert if tail in media.CONVERTIBLE else too_large and kind != "image"
        return TARGETS[kind] if size_bytes and kind and allowed and wanted else ""

    def mark(self) -> str:
        """Letters that change when other files are refused than before."""
        return "shrink" * self.shrink + "convert" * self.convert


OFF = Transcoding()
"""Files are sent as they are, or not at all."""


def transcode(
    source: str,
    target: str,
    stop: threading.Event,
    limit_bytes: int = MAX_BYTES,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Write ``target``, whole or not at all; its extension is one of `TARGETS`.

    Raises:
        Refused: it cannot be read, or does not fit even so.
        TranscodingStopped: ``stop`` was set.
        OSError: there is no room.
    """
    name, folder = source.rpartition("/")[2], Path(target).parent
    folder.mkdir(parents=True, exist_ok=True)
    demuxer = _demuxer(source, name)
    duration_s = _duration_s(source, demuxer)
    part = f"{target}.{os.getpid()}.part"
    recipe = _recipe(target.rpartition(".")[2], _rate_kbps(name, duration_s, limit_bytes))
    size_bytes = Path(source).stat().st_size
    _ensure_room(folder, min(size_bytes, limit_bytes))
    log.info("transcoding", source=source, size_bytes=size_bytes)
    try:
        told = _Progress(source, duration_s, clock)
        if not _run_ffmpeg(["-f", demuxer, "-i", f"file:{source}", *recipe, part], stop, told):
            _ensure_room(folder, 0)
            raise Refused(_unusable(name, "ffmpeg cannot read it"))
        _put(part, target, name, limit_bytes)
    finally:
        Path(part).unlink(missing_ok=True)


def _demuxer(source: str, name: str) -> str:
    with Path(source).open("rb") as file:
        return media.demuxer_of(media.extension(name), file.read(media.SNIFF_BYTES))


def _duration_s(source: str, demuxer: str) -> float | None:
    try:
        with Path(source).open("rb") as file, av.open(file, mode="r", format=demuxer) as container:
            return container.duration / av.time_base if container.duration else None
    except (av.error.FFmpegError, ValueError, OverflowError):
        return None  # ffmpeg itself may know better, or says that it is broken


def _rate_kbps(name: str, duration_s: float | None, limit_bytes: int) -> int | None:
    """The rate at which it fits, in kbit/s; None = not known. Raises Refused when that is too poor."""
    if not duration_s:
        return None
    rate = min(_MOST_KBPS, int(limit_bytes * _FILLED * 8 / 1000 / duration_s))
    if rate < _LEAST_KBPS + _AUDIO_KBPS:
        raise Refused(_too_large(name, f"{duration_s / 3600:.1f} hours do not fit into", limit_bytes))
    return rate


def _recipe(tail: str, rate_kbps: int | None) -> list[str]:
    if tail == "png":
        return ["-frames:v", "1", "-c:v", "png", "-f", "image2", "-update", "1"]
    sound = ["-c:a", "aac", "-b:a", f"{_AUDIO_KBPS}k", "-ac", "2", "-movflags", "+faststart", "-f", "mp4"]
    if tail == "m4a":
        return ["-map", "0:a:0", *sound]
    cap = []
    if rate_kbps is not None:
        cap = ["-maxrate", f"{rate_kbps - _AUDIO_KBPS}k", "-bufsize", f"{2 * rate_kbps}k"]
    picture = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-vf", _SCALE]
    return ["-map", "0:v:0?", "-map", "0:a:0?", *picture, *cap, *sound]


def _run_ffmpeg(arguments: Sequence[str], stop: threading.Event, told: "_Progress") -> bool:
    """Whether it ended well. Only files are opened, whatever the content says of itself."""
    quiet = ["-nostdin", "-v", "error", "-nostats", "-y", "-progress", "pipe:1"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *quiet, "-protocol_whitelist", "file,pipe", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            for line in process.stdout or ():  # twice a second, as long as it works
                if stop.is_set():
                    raise TranscodingStopped("the producer ends")
                told.heed(line)
        finally:
            if process.poll() is None and stop.is_set():
                process.kill()
        return process.wait() == 0


class _Progress:
    """Says how far ffmpeg is, every ten seconds."""

    def __init__(self, source: str, duration_s: float | None, clock: Callable[[], float]) -> None:
        self._source, self._duration_s, self._clock = source, duration_s, clock
        self._next = clock() + _TELL_EVERY_S

    def heed(self, line: str) -> None:
        key, _equals, value = line.strip().partition("=")
        if key == "out_time_us" and value.isdecimal() and self._clock() >= self._next:
            self._next = self._clock() + _TELL_EVERY_S
            done = f"{int(value) / 1e4 / self._duration_s:.0f} %" if self._duration_s else "?"
            log.info("still transcoding", source=self._source, done=done)


def _put(part: str, target: str, name: str, limit_bytes: int) -> None:
    with Path(part).open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes > limit_bytes:
            raise Refused(_too_large(name, f"{size_bytes >> 20} MB are still more than", limit_bytes))
        os.fsync(file.fileno())
    Path(part).replace(target)


def _ensure_room(folder: Path, needed_bytes: int) -> None:
    if shutil.disk_usage(folder).free < needed_bytes + _SPARE_BYTES:
        raise OSError(errno.ENOSPC, "no room for a transcoded file", str(folder))


def _unusable(name: str, why: str) -> Problem:
    message = f"{shown(name)}: it cannot be converted: {why}"
    advice = "It may be damaged: play it, then export it as MP4."
    return Problem(code=4001, kind="NotConverted", message=message, advice=advice)


def _too_large(name: str, why: str, limit_bytes: int) -> Problem:
    message = f"{shown(name)}: {why} {limit_bytes // 2**20} MB"
    advice = "Trim it, or cut it into parts, then drop them again."
    return Problem(code=4002, kind="FileTooLarge", message=message, advice=advice)
