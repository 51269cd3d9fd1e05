"""Run ffmpeg: progress as it goes, killed when cancelled, its last words as the error."""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np

from studio.analyse.loudness import Samples
from studio.errors import RenderCancelled, RenderFailed

RATE = 48_000
_FRAME_BYTES = 8  # one stereo sample in float32
_WATCH_S = 0.1
_ADDRESS = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] ")


def run(
    arguments: Sequence[str],
    length_s: float,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> None:
    """Run ffmpeg; `progress` gets 0 … 1 of `length_s`.

    Raises RenderCancelled once `cancelled` says so (ffmpeg is killed within 0.2 s), RenderFailed when
    ffmpeg ends with an error.
    """
    command = ["-y", "-nostats", "-stats_period", "0.25", "-progress", "pipe:1", *arguments]
    with _started(command) as (process, errors), _watched(process, cancelled):
        assert process.stdout is not None  # noqa: S101 - asked for above; tells the type checker
        for line in process.stdout:
            name, _, value = line.decode("ascii", "replace").strip().partition("=")
            if name == "out_time_us" and value.isdigit():
                progress(min(1.0, int(value) / 1e6 / max(length_s, 0.001)))
        code = process.wait()
        if cancelled():
            raise RenderCancelled("the render was cancelled")
        if code != 0:
            raise RenderFailed(f"ffmpeg could not make the film: {_last_line(errors)}")


@contextmanager
def sound_of(path: Path, offset_s: float, length_s: float) -> Iterator[Callable[[int], Samples]]:
    """Open the sound of `path`; yields a function that reads the next n samples, (up to n, 2), at 48 kHz."""
    arguments = [
        "-ss", f"{offset_s:.6f}", "-t", f"{length_s:.6f}", "-i", str(path), "-vn", "-map", "0:a:0",
        "-af", f"aresample={RATE}:async=1:first_pts=0", "-ac", "2", "-f", "f32le", "pipe:1",
    ]  # fmt: skip
    with _started(arguments) as (process, _):
        stream = process.stdout
        assert stream is not None  # noqa: S101 - asked for above; tells the type checker

        def read(samples: int) -> Samples:
            data = stream.read(samples * _FRAME_BYTES)
            whole = data[: len(data) - len(data) % _FRAME_BYTES]
            return np.frombuffer(whole, dtype=np.float32).reshape(-1, 2)

        yield read


@contextmanager
def sound_into(path: Path) -> Iterator[Callable[[Samples], None]]:
    """Open an AAC file to write to; yields a function that takes blocks, (n, 2), at 48 kHz.

    Raises RenderFailed when ffmpeg ends with an error.
    """
    # The fast coder is closer to the original here, and adds less to its peaks, than the default one.
    arguments = [
        "-y", "-f", "f32le", "-ar", str(RATE), "-ac", "2", "-i", "pipe:0",
        "-c:a", "aac", "-aac_coder", "fast", "-b:a", "192k", "-f", "ipod", str(path),
    ]  # fmt: skip
    with _started(arguments, stdin=subprocess.PIPE) as (process, errors):
        stream = process.stdin
        assert stream is not None  # noqa: S101 - asked for above; tells the type checker
        try:
            yield lambda block: _write(stream, block)
            stream.close()
        except OSError as exc:
            raise RenderFailed(f"ffmpeg could not write the sound: {_last_line(errors)}") from exc
        if process.wait() != 0:
            raise RenderFailed(f"ffmpeg could not write the sound: {_last_line(errors)}")


def _write(stream: IO[bytes], block: Samples) -> None:
    stream.write(np.ascontiguousarray(block, dtype=np.float32).tobytes())


@contextmanager
def _started(
    arguments: Sequence[str], stdin: int = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    quiet = ["-hide_banner", "-loglevel", "error", *(["-nostdin"] if stdin == subprocess.DEVNULL else [])]
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                [program, *quiet, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=errors
            )
        except OSError as exc:
            raise RenderFailed(f"ffmpeg could not be started: {exc.strerror or exc}") from exc
        try:
            yield process, errors
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing behind: the child is dead, waited for, and its pipes are closed."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # a broken pipe has nothing more to say
                pipe.close()


@contextmanager
def _watched(process: subprocess.Popen[bytes], cancelled: Callable[[], bool]) -> Iterator[None]:
    """Kill `process` as soon as `cancelled` says so, also while it is silent."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH_S):
            if cancelled():
                process.kill()
                return

    watcher = threading.Thread(target=watch, name="render-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0, 2)
    errors.seek(max(0, errors.tell() - 4000))
    lines = [line for line in errors.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return _ADDRESS.sub("", lines[-1]).strip() if lines else "no reason given"
