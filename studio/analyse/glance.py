"""Frames made small, read with as little decoding as asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.container import InputContainer
from av.video.plane import VideoPlane
from av.video.stream import VideoStream
from numpy.typing import NDArray

from studio.media import picture_stream

Plane = NDArray[np.float32]
Skip = Literal["DEFAULT", "NONREF", "NONKEY"]

_GRID = (36, 64)
_PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})


@dataclass(frozen=True, slots=True)
class Glance:
    """One frame, made small: its time (s) and its luma and chroma on a grid, 0 … 255."""

    at_s: float
    planes: tuple[Plane, Plane, Plane]

    @property
    def luma(self) -> float:
        """Return the brightness, 0 … 1."""
        return float(self.planes[0].mean()) / 255.0

    @property
    def colour(self) -> float:
        """Return how far the colours are from grey: 0 none, about 1 for full ones."""
        return float(np.hypot(self.planes[1] - 128.0, self.planes[2] - 128.0).mean()) / 64.0

    def change(self, other: Glance) -> float:
        """Return the mean change to another frame, colour counting half."""
        luma, blue, red = (
            float(np.abs(mine - theirs).mean())
            for mine, theirs in zip(self.planes, other.planes, strict=True)
        )
        return luma + 0.5 * (blue + red)


def glances_of(
    path: Path, skip: Skip = "DEFAULT", from_s: float = 0.0, until_s: float = float("inf")
) -> Iterator[Glance]:
    """Yield frames from the keyframe at or before `from_s` on, leaving out those that `skip` names.

    What follows damage is left out. Raises av.FFmpegError when `path` cannot be opened.
    """
    with av.open(str(path)) as container:
        stream = picture_stream(container)
        if stream is None:
            return
        if skip != "DEFAULT":
            _spare(stream, skip)
        begin_s = (container.start_time or 0) / 1e6
        if from_s > 0:
            container.seek(round((from_s + begin_s) * 1e6))
        for glance in _decoded(container, stream, begin_s):
            if glance.at_s > until_s:
                return
            yield glance


def _spare(stream: VideoStream, skip: Skip) -> None:
    stream.codec_context.thread_count = 1
    stream.codec_context.skip_frame = skip
    stream.codec_context.options = {"skip_loop_filter": "all", "flags2": "+fast"}


def _decoded(container: InputContainer, stream: VideoStream, begin_s: float) -> Iterator[Glance]:
    try:
        for frame in container.decode(stream):
            if frame.time is not None:
                yield Glance(frame.time - begin_s, _small(frame))
    except av.FFmpegError:
        return


def _small(frame: av.VideoFrame) -> tuple[Plane, Plane, Plane]:
    if frame.format.name not in _PLANAR:
        frame = frame.reformat(width=_GRID[1] * 2, height=_GRID[0] * 2, format="yuv444p")
    luma, blue, red = (_thinned(plane) for plane in frame.planes[:3])
    return luma, blue, red


def _thinned(plane: VideoPlane) -> Plane:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
        : plane.height, : plane.width
    ]
    down = np.linspace(0, plane.height - 1, _GRID[0]).astype(int)
    across = np.linspace(0, plane.width - 1, _GRID[1]).astype(int)
    thinned: Plane = rows[down][:, across].astype(np.float32)
    return thinned
