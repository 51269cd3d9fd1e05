"""Look at a clip: brightness, colour, motion and cuts, with as little decoding as its size allows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.analyse.glance import Glance, glances_of
from studio.analyse.packets import busy, cuts_by_size, read_packets
from studio.media import MediaInfo

# Pixels a second that one core decodes within a twentieth of the clip's length (H.264, measured).
_ALL_FRAMES_PX_S = 14e6
_NO_B_FRAMES_PX_S = 24e6
_DETAIL_PX_S = 25e6
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
    affordable_s = min(0.4, _DETAIL_PX_S / work_px_s) * length_s
    cuts: set[float] = set()
    for from_s, to_s in _doubtful(trace, length_s):
        if to_s - from_s > affordable_s:
            cuts.update(cuts_by_size(packets, from_s, to_s))
            continue
        affordable_s -= to_s - from_s
        near = _Trace(g for g in glances_of(path, "NONREF", from_s, to_s + 0.3) if g.at_s >= from_s)
        cuts.update(cut_s for cut_s in _cuts(near.steps) if cut_s <= to_s)
    return trace.seen(busy(packets), tuple(sorted(cuts)))


def _doubtful(trace: _Trace, length_s: float) -> list[tuple[float, float]]:
    """Return the stretches between keyframes that differ, most first, and what follows the last keyframe."""
    changed = [(change, a_s, b_s) for a_s, b_s, change in trace.steps if change >= 1.5 * _CUT_SCORE]
    stretches = [(a_s, b_s) for _, a_s, b_s in sorted(changed, reverse=True)]
    return [*stretches, (trace.last_s, length_s)] if length_s - trace.last_s > 0.5 else stretches


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
