"""Small pictures of media files: a strip of frames, and how loud the sound is along its length."""

import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from cli.report.model import Pictures, Wave

FRAMES, HEIGHT_PX, QUALITY = 6, 90, 60
PEAKS = 240
LISTEN_S = 600.0
"""Of longer files the first ten minutes are heard."""
_RATE_HZ = 8_000
_PATIENCE = 150  # pictures decoded in search of one moment
# What odd media makes PyAV, numpy and Pillow raise; a report without a picture is still a report.
_ODD_MEDIA = (av.FFmpegError, ValueError, IndexError, OSError, MemoryError)
Samples = NDArray[np.float32]


def pictures(source: Path | None, output: Path | None) -> Pictures:
    """What can be shown of a source and its output; None where there is no file."""
    shown = output or source
    return Pictures(
        frames=_frames(shown) if shown else (),
        before=_wave(source) if source else None,
        after=_wave(output) if output else None,
    )


def _frames(path: Path) -> tuple[bytes, ...]:
    found: list[bytes] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return ()
            length_s = (container.duration or 0) / av.time_base
            for index in range(FRAMES):
                frame = _frame_at(container, length_s * (index + 0.5) / FRAMES)
                if frame is not None:
                    found.append(_jpeg(frame))
    except _ODD_MEDIA:
        pass  # what was read up to here is shown
    return tuple(dict.fromkeys(found))  # a still picture once


def _frame_at(container: "av.container.InputContainer", at_s: float) -> av.VideoFrame | None:
    begin_s = (container.start_time or 0) / av.time_base
    container.seek(round((at_s + begin_s) * av.time_base))
    last: av.VideoFrame | None = None
    for count, frame in enumerate(container.decode(container.streams.video[0])):
        last = frame
        if count >= _PATIENCE or (frame.time or 0.0) - begin_s >= at_s:
            break
    return last


def _jpeg(frame: av.VideoFrame) -> bytes:
    image = frame.to_image()  # type: ignore[no-untyped-call]  # PyAV says no type for it
    if frame.rotation:
        image = image.rotate(frame.rotation, expand=True)
    image.thumbnail((HEIGHT_PX * 3, HEIGHT_PX))
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def _wave(path: Path) -> Wave | None:
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return None
            blocks = list(_blocks(container))
    except _ODD_MEDIA:
        return None
    if not blocks:
        return None
    levels = np.concatenate(blocks)
    stretches = np.array_split(levels, min(PEAKS, len(levels)))
    peaks = tuple(round(min(1.0, float(part.max())), 3) for part in stretches)
    return Wave(peaks, len(levels) / _LEVELS_PER_S)


_LEVELS_PER_S = 100


def _blocks(container: "av.container.InputContainer") -> Iterator[Samples]:
    """The loudest sample of every 10 ms; what follows damage is left out."""
    resampler = AudioResampler(format="flt", layout="mono", rate=_RATE_HZ)
    step = _RATE_HZ // _LEVELS_PER_S
    rest: Samples = np.zeros(0, dtype=np.float32)
    heard_s = 0.0
    try:
        for frame in container.decode(container.streams.audio[0]):
            chunks = [np.abs(piece.to_ndarray().reshape(-1)) for piece in resampler.resample(frame)]
            rest = np.concatenate((rest, *chunks)).astype(np.float32)
            whole = len(rest) - len(rest) % step
            if whole:
                yield rest[:whole].reshape(-1, step).max(axis=1)
            rest = rest[whole:]
            heard_s += frame.samples / (frame.sample_rate or _RATE_HZ)
            if heard_s >= LISTEN_S:
                return
    except av.FFmpegError:
        return
