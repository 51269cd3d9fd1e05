"""Makes a file that the service takes of one that it would refuse (``--shrink``, ``--convert``), with ffmpeg.

The original is only read. One recipe serves both: good quality, never above the rate at which it fits.
"""

import errno
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import imageio_ffmpeg
import structlog

from config.settings import Settings
from config.skills import MAX_BYTES
from jobs.ledger import Ledger
from jobs.model import Problem, State
from producer import preflight
from producer.errors import Refused, TranscodingStopped, printable

TARGETS = MappingProxyType({"video": "mp4", "audio": "m4a", "image": "png"})
"""The extension of what is made, by the kind of the source."""

_FILLED = 0.92  # of the limit: the container and the encoder's deviations take the rest
_AUDIO_KBPS, _LEAST_KBPS, _MOST_KBPS = 160, 150, 100_000
_SPARE_BYTES = 64 * 1024 * 1024
_REPORT_EVERY_S = 10.0
_ABANDONED_S = 600.0
# The service delivers at most 1080x1920; sides must be even.
_SCALE = "scale='min(1920,iw)':'min(1920,ih)':force_original_aspect_ratio=decrease:force_divisible_by=2"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Transcoding:
    """What may be done to files that would be refused; ``folder`` keeps what was made until it was used."""

    folder: str = ""
    shrink: bool = False
    convert: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> "Transcoding":
        """Return what the settings allow; what is made is kept in ``prepared`` in the state folder."""
        return cls(str(settings.state_dir.absolute() / "prepared"), settings.shrink, settings.convert)

    def target(self, tail: str, size_bytes: int, limit_bytes: int = MAX_BYTES) -> str:
        """Return the extension a file of that kind and size is made into; "" = it is left as it is."""
        kind, too_large = preflight.kind_of_extension(tail), size_bytes > limit_bytes
        allowed = self.shrink or not too_large
        wanted = self.convert if tail in preflight.CONVERTIBLE else too_large and kind != "image"
        return TARGETS[kind] if size_bytes and kind and allowed and wanted else ""

    def mark(self) -> str:
        """Return letters that change when other files are refused than before."""
        return "shrink" * self.shrink + "convert" * self.convert


OFF = Transcoding()
"""Files are sent as they are, or not at all."""


def transcode(
    source: str,
    target: str,
    stop: threading.Event,
    limit_bytes: int = MAX_BYTES,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Write ``target``, whole or not at all; its extension is one of `TARGETS`.

    Raises:
        Refused: it cannot be read, or does not fit even so.
        TranscodingStopped: ``stop`` was set.
        OSError: there is no room.
    """
    import av  # noqa: PLC0415 - loaded by whoever opens a file first (`producer.preflight`)

    name, folder = source.rpartition("/")[2], Path(target).parent
    folder.mkdir(parents=True, exist_ok=True)
    with Path(source).open("rb") as file:
        demuxer = preflight.guess_demuxer(preflight.extension(name), file.read(preflight.SNIFF_BYTES))
    duration_s = None
    with (
        suppress(av.FFmpegError, ValueError, OverflowError),  # ffmpeg itself may know better
        Path(source).open("rb") as file,
        av.open(file, mode="r", format=demuxer) as container,
    ):
        duration_s = container.duration / av.time_base if container.duration else None
    rate_kbps = None
    if duration_s:
        rate_kbps = min(_MOST_KBPS, int(limit_bytes * _FILLED * 8 / 1000 / duration_s))
        if rate_kbps < _LEAST_KBPS + _AUDIO_KBPS:
            raise Refused(_too_large(name, f"{duration_s / 3600:.1f} hours do not fit into", limit_bytes))
    part = f"{target}.{os.getpid()}.part"
    sound = ["-c:a", "aac", "-b:a", f"{_AUDIO_KBPS}k", "-ac", "2", "-movflags", "+faststart", "-f", "mp4"]
    picture = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-vf", _SCALE]
    if rate_kbps is not None:
        picture += ["-maxrate", f"{rate_kbps - _AUDIO_KBPS}k", "-bufsize", f"{2 * rate_kbps}k"]
    made_by = {
        "png": ["-frames:v", "1", "-c:v", "png", "-f", "image2", "-update", "1"],
        "m4a": ["-map", "0:a:0", *sound],
        "mp4": ["-map", "0:v:0?", "-map", "0:a:0?", *picture, *sound],
    }
    recipe = ["-f", demuxer, "-i", f"file:{source}", *made_by[target.rpartition(".")[2]], part]
    size_bytes = Path(source).stat().st_size
    _ensure_room(folder, min(size_bytes, limit_bytes))
    log.info("transcoding", source=source, size_bytes=size_bytes)
    try:
        if not _run_ffmpeg(recipe, stop, source, duration_s, monotonic):
            _ensure_room(folder, 0)
            message = f"{printable(name)}: it cannot be converted: ffmpeg cannot read it"
            advice = "It may be damaged: play it, then export it as MP4."
            raise Refused(Problem(code="not_converted", service_code=4001, message=message, advice=advice))
        with Path(part).open("rb") as file:
            made_bytes = os.fstat(file.fileno()).st_size
            if made_bytes > limit_bytes:
                raise Refused(_too_large(name, f"{made_bytes >> 20} MB are still more than", limit_bytes))
            os.fsync(file.fileno())
        Path(part).replace(target)
    finally:
        Path(part).unlink(missing_ok=True)


def _run_ffmpeg(
    arguments: list[str],
    stop: threading.Event,
    source: str,
    duration_s: float | None,
    monotonic: Callable[[], float],
) -> bool:
    """Return whether it ended well. Only files are opened, whatever the content says of itself."""
    quiet = ["-nostdin", "-v", "error", "-nostats", "-y", "-progress", "pipe:1"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *quiet, "-protocol_whitelist", "file,pipe", *arguments]
    report_at = monotonic() + _REPORT_EVERY_S
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            for line in process.stdout or ():  # twice a second, as long as it works
                if stop.is_set():
                    raise TranscodingStopped("the producer ends")
                key, _equals, value = line.strip().partition("=")
                if key == "out_time_us" and value.isdecimal() and monotonic() >= report_at:
                    report_at = monotonic() + _REPORT_EVERY_S
                    done = f"{int(value) / 1e4 / duration_s:.0f} %" if duration_s else "?"
                    log.info("still transcoding", source=source, done=done)
        finally:
            if process.poll() is None and stop.is_set():
                process.kill()
        return process.wait() == 0


def _ensure_room(folder: Path, needed_bytes: int) -> None:
    if shutil.disk_usage(folder).free < needed_bytes + _SPARE_BYTES:
        raise OSError(errno.ENOSPC, "no room for a transcoded file", str(folder))


def _too_large(name: str, why: str, limit_bytes: int) -> Problem:
    message = f"{printable(name)}: {why} {limit_bytes // 2**20} MB"
    advice = "Trim it, or cut it into parts, then drop them again."
    return Problem(code="file_too_large", service_code=4002, message=message, advice=advice)


def remove_leftovers(ledger: Ledger, folder: Path, now: float) -> None:
    """Remove what was made for jobs that are done, and what a killed run left half-made.

    Raises LedgerUnreachable.
    """
    made = {path: path.name.partition(".")[0] for path in folder.glob("*.*") if path.is_file()}
    done = {job.id for job in ledger.many(dict.fromkeys(made.values())) if job.state is State.DONE}
    for path, job_id in made.items():
        if job_id in done or (path.suffix == ".part" and path.stat().st_mtime < now - _ABANDONED_S):
            path.unlink(missing_ok=True)
