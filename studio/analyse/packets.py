"""What the coded pictures tell without being decoded."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from studio.media import picture_stream

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
