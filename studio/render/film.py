"""The render: draft and files in, one MP4 out, whole or not at all.

A picture that fits as it is goes packet by packet beside the new sound; any other is drawn by ffmpeg.
"""

from __future__ import annotations

import heapq
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import av
import imageio_ffmpeg
from av.container import InputContainer
from av.packet import Packet

from studio.errors import RenderCancelled, RenderFailed
from studio.media import MediaInfo, picture_stream
from studio.model import EXPORTS, export_path
from studio.render.picture import can_copy, canvas_of, draw_title, drawn
from studio.render.plan import Plan, read_plan
from studio.render.sound import mix

_MIX_SHARE_COPIED, _MIX_SHARE_DRAWN = 90.0, 20.0  # percent of the work that is done when the sound is
_CLOSE_S = 0.09
_WATCH_S = 0.1
_LOOK_UP_EVERY = 200  # packets
_CONTAINER = ("-movflags", "+faststart", "-map_metadata", "-1", "-map_chapters", "-1", "-f", "mp4")
_ADDRESS = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] ")

Cancelled = Callable[[], bool]
Report = Callable[[float], None]


def render(
    draft: Mapping[str, Any],
    media: Mapping[str, Path],
    out: Path,
    *,
    infos: Mapping[str, MediaInfo] | None = None,
    small: bool = False,
    exports: frozenset[str] = frozenset(),
    progress: Report,
    cancelled: Cancelled,
) -> None:
    """Render `draft` (api-contract 4), whose files are in `media` by id, to the MP4 `out`.

    Files that `infos` tells of are not probed again. A `small` one is a first look: 640x360 at most, unless
    the picture can be copied, which is faster than drawing a small one. `progress` gets 0 … 100, never less
    than before. `out` appears whole, by rename, after the files of `exports` (keys of EXPORTS), which are
    named as it is: `name.drums.wav` beside `name.mp4`. On any error, and when `cancelled` says so, nothing is
    left behind. Raises RenderFailed or RenderCancelled.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".render-", dir=out.parent) as name:
            folder = Path(name)
            plan = replace(read_plan(draft, media, infos or {}), small=small)
            mix_share = _MIX_SHARE_COPIED if can_copy(plan) else _MIX_SHARE_DRAWN
            sound = mix(plan, folder, lambda share: progress(share * mix_share), cancelled, exports)
            film = _film(
                plan, sound, folder, lambda s: progress(mix_share + s * (99.0 - mix_share)), cancelled
            )
            if cancelled():
                raise RenderCancelled("the render was cancelled")
            for made in (folder / name for kind in exports for name in EXPORTS[kind]):
                with suppress(FileNotFoundError):  # without music, and of one's own song, not all are made
                    made.replace(export_path(out, made.name))
            film.replace(out)
    except OSError as exc:
        raise RenderFailed(f"the film could not be written: {exc.strerror or exc}") from exc
    progress(100.0)


def _film(plan: Plan, sound: Path, folder: Path, progress: Report, cancelled: Cancelled) -> Path:
    out = folder / "film.mp4"
    if can_copy(plan):
        with suppress(av.FFmpegError, ValueError):  # odd time stamps: drawn instead
            length_s = _copy_picture(plan.pictures[0].source.path, sound, out, plan.length_s, cancelled)
            if abs(length_s - plan.length_s) <= _CLOSE_S:
                return out
    titles = []
    for number, title in enumerate(plan.titles):
        titles.append(folder / f"title{number}.png")
        draw_title(title.text, *canvas_of(plan), titles[-1])
    picture = drawn(plan, titles)
    arguments = [
        *picture.inputs, "-i", str(sound), *picture.options, "-map", f"{picture.input_count}:a:0",
        "-c:a", "copy", *_CONTAINER, str(out),
    ]  # fmt: skip
    with _start_ffmpeg(arguments) as (process, errors), _kill_when_cancelled(process, cancelled):
        assert process.stdout is not None  # noqa: S101 - asked for below; tells the type checker
        for line in process.stdout:
            name, _, value = line.decode("ascii", "replace").strip().partition("=")
            if name == "out_time_us" and value.isdigit():
                progress(min(1.0, int(value) / 1e6 / max(plan.length_s, 0.001)))
        code = process.wait()
        if cancelled():
            raise RenderCancelled("the render was cancelled")
        if code != 0:
            errors.seek(0, 2)
            errors.seek(max(0, errors.tell() - 4000))
            lines = [line for line in errors.read().decode("utf-8", "replace").splitlines() if line.strip()]
            last_line = _ADDRESS.sub("", lines[-1]).strip() if lines else "no reason given"
            raise RenderFailed(f"ffmpeg could not make the film: {last_line}")
    return out


def _copy_picture(source: Path, sound: Path, out: Path, length_s: float, cancelled: Cancelled) -> float:
    """Write the coded picture of `source` and the coded `sound` into `out`; return the film's length (s)."""
    ends_s = [0.0]
    with (
        av.open(str(source)) as film,
        av.open(str(sound)) as track,
        av.open(str(out), "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        picture = picture_stream(film)
        if picture is None:
            raise ValueError("no picture")
        picture_out = container.add_stream_from_template(picture)
        sound_out = container.add_stream_from_template(track.streams.audio[0])
        pictures = ((at_s, 0, packet) for at_s, packet in _packets(film, picture.index))
        sounds = ((at_s, 1, packet) for at_s, packet in _packets(track, track.streams.audio[0].index))
        for number, (_, kind, packet) in enumerate(heapq.merge(pictures, sounds, key=lambda each: each[0])):
            if number % _LOOK_UP_EVERY == 0 and cancelled():
                raise RenderCancelled("the render was cancelled")
            if packet.pts is not None and packet.time_base is not None:
                ends_s.append(float((packet.pts + (packet.duration or 0)) * packet.time_base))
            packet.stream = sound_out if kind else picture_out
            container.mux_one(packet)
    return max(ends_s)


def _packets(container: InputContainer, index: int) -> Iterator[tuple[float, Packet[Any]]]:
    """Yield the packets of one stream with their decoding time (s); the film begins at 0."""
    stream = container.streams[index]
    begin = round((container.start_time or 0) / 1e6 / float(stream.time_base or 1))
    at_s = 0.0
    for packet in container.demux(stream):
        if packet.size == 0:
            continue  # the flush at the end
        if packet.pts is not None:
            packet.pts -= begin
        if packet.dts is not None:
            packet.dts -= begin
            at_s = float(packet.dts * packet.time_base)
        yield at_s, packet


@contextmanager
def _start_ffmpeg(arguments: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start ffmpeg; at the end the child is dead, waited for, and its pipe is closed."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    quiet = ["-y", "-hide_banner", "-loglevel", "error", "-nostdin", "-nostats", "-stats_period", "0.25"]
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                [program, *quiet, "-progress", "pipe:1", *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        except OSError as exc:
            raise RenderFailed(f"ffmpeg could not be started: {exc.strerror or exc}") from exc
        try:
            yield process, errors
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@contextmanager
def _kill_when_cancelled(process: subprocess.Popen[bytes], cancelled: Cancelled) -> Iterator[None]:
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
