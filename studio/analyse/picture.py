"""Look at a clip: brightness, colour, motion and cuts, with as little decoding as its size allows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.container import InputContainer
from av.video.plane import VideoPlane
from av.video.stream import VideoStream
from numpy.typing import NDArray

from studio.media import MediaInfo, picture_stream

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
            stream.codec_context.thread_count = 1
            stream.codec_context.skip_frame = skip
            stream.codec_context.options = {"skip_loop_filter": "all", "flags2": "+fast"}
        begin_s = (container.start_time or 0) / 1e6
        if from_s > 0:
            container.seek(round((from_s + begin_s) * 1e6))
        for glance in _decode(container, stream, begin_s):
            if glance.at_s > until_s:
                return
            yield glance


def _decode(container: InputContainer, stream: VideoStream, begin_s: float) -> Iterator[Glance]:
    try:
        for frame in container.decode(stream):
            if frame.time is not None:
                yield Glance(frame.time - begin_s, _small(frame))
    except av.FFmpegError:
        return


def _small(frame: av.VideoFrame) -> tuple[Plane, Plane, Plane]:
    if frame.format.name not in _PLANAR:
        frame = frame.reformat(width=_GRID[1] * 2, height=_GRID[0] * 2, format="yuv444p")
    luma, blue, red = (_thin(plane) for plane in frame.planes[:3])
    return luma, blue, red


def _thin(plane: VideoPlane) -> Plane:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
        : plane.height, : plane.width
    ]
    down = np.linspace(0, plane.height - 1, _GRID[0]).astype(int)
    across = np.linspace(0, plane.width - 1, _GRID[1]).astype(int)
    thinned: Plane = rows[down][:, across].astype(np.float32)
    return thinned


_INTRA_SHARE = 0.6  # of a keyframe's size: a picture between keyframes that is coded (nearly) anew
_SMALL_SHARE = 0.12  # enough for a plain scene, when it stands out among the pictures around it


@dataclass(frozen=True, slots=True)
class Packet:
    """One coded picture: when it is shown (s), its size, whether it stands alone."""

    at_s: float
    size_bytes: int
    key: bool


def read_packets(path: Path) -> list[Packet]:
    """Return the coded pictures of `path` in the order they are shown."""
    found: list[Packet] = []
    with av.open(str(path)) as container:
        stream = picture_stream(container)
        begin_s = (container.start_time or 0) / 1e6
        try:
            for packet in container.demux(stream) if stream else ():
                if packet.pts is not None and packet.time_base is not None:
                    at_s = float(packet.pts * packet.time_base) - begin_s
                    found.append(Packet(at_s, packet.size, packet.is_keyframe))
        except av.FFmpegError:
            pass  # a damaged rest: what was read up to here counts
    return sorted(found, key=lambda p: p.at_s)


def cuts_by_size(packets: list[Packet], from_s: float, to_s: float) -> list[float]:
    """Return the likely cuts (s) between two times: pictures coded anew, and far larger than their like.

    Where there is none, a keyframe at the end of the stretch is taken to be the cut if it came early:
    an encoder free to choose puts one on every cut, and else only when its longest interval is over.
    """
    keys = [p for p in packets if p.key]
    usual = float(np.median([p.size_bytes for p in keys])) if keys else 0.0
    between = [p for p in packets if from_s < p.at_s < to_s and not p.key]
    like = float(np.median([p.size_bytes for p in between])) if between else 0.0
    large_bytes = min(max(_INTRA_SHARE * usual, 2.0 * like), max(_SMALL_SHARE * usual, 8.0 * like))
    anew = [round(p.at_s, 3) for p in between if p.size_bytes > large_bytes]
    return anew or ([round(to_s, 3)] if _came_early(keys, from_s, to_s) else [])


def _came_early(keys: list[Packet], from_s: float, to_s: float) -> bool:
    """Say whether the keyframe at `to_s` came before an interval that the encoder keeps to was over."""
    lengths_s = [b.at_s - a.at_s for a, b in pairwise(keys)]
    longest_s = max(lengths_s, default=0.0)
    kept = sum(length_s > 0.95 * longest_s for length_s in lengths_s) > 1
    return any(p.at_s == to_s for p in keys) and (not kept or to_s - from_s < 0.9 * longest_s)


def busy(packets: list[Packet]) -> float:
    """Return motion 0 … 1 from how large the pictures between keyframes are beside the keyframes."""
    keys = [p.size_bytes for p in packets if p.key]
    others = [p.size_bytes for p in packets if not p.key]
    if not keys or not others:
        return 0.2
    return min(1.0, 2.0 * float(np.mean(others)) / float(np.mean(keys)))


# Pixels a second that one core decodes within a twentieth of the clip's length (H.264, measured).
_ALL_FRAMES_PX_S = 14e6
_NO_B_FRAMES_PX_S = 24e6
_DETAIL_PX_S = 8e6
_MOST_DETAIL_S = 10.0  # of one clip, however long it is: the sizes of the coded pictures tell of the rest
_HEAVY_CODECS = frozenset({"hevc", "vp9", "av1", "libdav1d"})
_CUT_SCORE = 12.0  # mean change, of 255
_CUT_FACTOR = 2.8  # times the change around it
_CUT_GAP_S = 0.25
_BUSY_SCORE = 16.0  # a mean change from frame to frame that counts as motion 1


Step = tuple[float, float, float]  # from one frame (s) to the next (s): the change between them


@dataclass(frozen=True, slots=True)
class Seen:
    """What the picture shows: shares are 0 … 1, cuts in s from the clip's start."""

    brightness: float
    saturation: float
    motion: float
    cuts_s: tuple[float, ...]


def watch(path: Path, info: MediaInfo) -> Seen:
    """Return what is seen in `path`. Raises av.FFmpegError when it cannot be opened."""
    heavy = 2.0 if info.video_codec in _HEAVY_CODECS else 1.0
    work_px_s = info.width * info.height * max(info.fps, 1.0) * heavy
    if work_px_s > _NO_B_FRAMES_PX_S and info.kind == "video":
        return _by_keyframes(path, work_px_s)
    trace = _Trace(glances_of(path, "NONREF" if work_px_s > _ALL_FRAMES_PX_S else "DEFAULT"))
    changes = [change for _, _, change in trace.steps]
    motion = min(1.0, float(np.median(changes)) / _BUSY_SCORE) if changes else 0.0
    return trace.seen(motion, _cuts(trace.steps))


class _Trace:
    """Goes through frames once and keeps numbers alone, so that an hour of them fits in memory."""

    def __init__(self, glances: Iterable[Glance]) -> None:
        """Take the frames in order."""
        self.steps: list[Step] = []
        self.last_s = 0.0
        self._luma: list[float] = []
        self._colour: list[float] = []
        before: Glance | None = None
        for glance in glances:
            if before is not None:
                self.steps.append((before.at_s, glance.at_s, before.change(glance)))
            before, self.last_s = glance, glance.at_s
            self._luma.append(glance.luma)
            self._colour.append(glance.colour)

    def seen(self, motion: float, cuts_s: tuple[float, ...]) -> Seen:
        """Return the light and colour of all frames, with what is told of motion and cuts."""
        if not self._luma:
            return Seen(0.5, 0.3, round(motion, 3), cuts_s)
        brightness, saturation = float(np.mean(self._luma)), min(1.0, float(np.mean(self._colour)))
        return Seen(round(brightness, 3), round(saturation, 3), round(motion, 3), cuts_s)


def _by_keyframes(path: Path, work_px_s: float) -> Seen:
    """Decode the keyframes, and between them only where the scene seems to change, the clearest first."""
    packets = read_packets(path)
    trace = _Trace(glances_of(path, "NONKEY"))
    length_s = packets[-1].at_s if packets else 0.0
    affordable_s = min(_MOST_DETAIL_S, min(0.4, _DETAIL_PX_S / work_px_s) * length_s)
    cuts: set[float] = set()
    changed = [(change, a_s, b_s) for a_s, b_s, change in trace.steps if change >= 1.5 * _CUT_SCORE]
    stretches = [(a_s, b_s) for _, a_s, b_s in sorted(changed, reverse=True)]
    doubtful = [*stretches, (trace.last_s, length_s)] if length_s - trace.last_s > 0.5 else stretches
    for from_s, to_s in doubtful:
        if to_s - from_s > affordable_s:
            cuts.update(cuts_by_size(packets, from_s, to_s))
            continue
        affordable_s -= to_s - from_s
        near = _Trace(g for g in glances_of(path, "NONREF", from_s, to_s + 0.3) if g.at_s >= from_s)
        cuts.update(cut_s for cut_s in _cuts(near.steps) if cut_s <= to_s)
    return trace.seen(busy(packets), tuple(sorted(cuts)))


def _cuts(steps: list[Step]) -> tuple[float, ...]:
    """Return the times where the picture changes far more than just before and after."""
    # Frames further apart differ more; what moves evenly differs by about the root of the distance.
    pace = [change / math.sqrt(max(1e-3, b_s - a_s)) for a_s, b_s, change in steps]
    cuts: list[float] = []
    for n, (_, at_s, change) in enumerate(steps):
        around = pace[max(0, n - 3) : n] + pace[n + 1 : n + 4]
        calm = sum(around) / len(around) if around else 0.0
        stands_out = change >= _CUT_SCORE and pace[n] >= _CUT_FACTOR * calm
        if stands_out and at_s >= _CUT_GAP_S and (not cuts or at_s - cuts[-1] >= _CUT_GAP_S):
            cuts.append(round(at_s, 3))
    return tuple(cuts)
