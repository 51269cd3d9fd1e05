"""The sound of a file as samples, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def blocks_of(path: Path, rate: int, block: int) -> Iterator[Samples]:
    """Yield the sound of `path` as (samples, 2) at `rate` Hz, in blocks of `block` samples at most.

    What follows damage is left out. Raises av.FFmpegError when `path` cannot be opened.
    """
    resampler = AudioResampler(format="flt", layout="stereo", rate=rate)
    waiting: list[Samples] = []
    size = 0
    with av.open(str(path)) as container:
        for chunk in _chunks(container, resampler):
            waiting.append(chunk)
            size += len(chunk)
            while size >= block:
                joined = np.concatenate(waiting)
                yield joined[:block]
                waiting, size = [joined[block:]], size - block
    if size:
        yield np.concatenate(waiting)


def _chunks(container: av.container.InputContainer, resampler: AudioResampler) -> Iterator[Samples]:
    try:
        for frame in container.decode(container.streams.audio[0]):
            for piece in resampler.resample(frame):
                yield piece.to_ndarray().reshape(-1, 2).astype(np.float32, copy=False)
    except av.FFmpegError:
        return  # a damaged rest: what was heard up to here counts
