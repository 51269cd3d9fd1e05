"""A small picture of a media file, and how loud its sound is along its length."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from web.models import Pictures, Waveform

WIDTH_PX, QUALITY = 320, 6  # as FFmpeg counts: 2 is best, 31 worst
PEAKS = 240
LISTEN_S = 120.0
"""Of longer files the first two minutes are heard: a report is made in seconds."""
TEMPO_SLACK = 0.06  # music is stretched a little to meet the cuts
CLEAR_BEAT, AUDIBLE_RISE = 3.0, 0.01  # times the mean rise; of full scale
# What odd media makes PyAV and numpy raise; a report without a picture is still a report.
_ODD_MEDIA = (av.FFmpegError, ValueError, IndexError, OSError, MemoryError)


def take_pictures(source: Path | None, output: Path | None) -> Pictures:
    """Take what can be shown of a source and its output; None where there is no file."""
    shown = output or source
    return Pictures(
        poster=take_poster(shown) if shown else b"",
        before=measure_loudness(source) if source else None,
        after=measure_loudness(output) if output else None,
    )


def take_poster(path: Path) -> bytes:
    """One key frame from the first third as a JPEG; empty when there is none."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return b""
            stream = container.streams.video[0]
            stream.codec_context.skip_frame = "NONKEY"
            stream.thread_type = "AUTO"
            begin_s = (container.start_time or 0) / av.time_base
            at_s = begin_s + (container.duration or 0) / av.time_base / 3
            container.seek(round(at_s * av.time_base))
            for frame in container.decode(stream):
                return _encode_jpeg(frame)
    except _ODD_MEDIA:
        pass
    return b""


def _encode_jpeg(frame: av.VideoFrame) -> bytes:
    """Encode a frame as a small JPEG, upright, by FFmpeg's own encoder."""
    if frame.rotation:
        turned = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(turned, dtype=np.uint8), format="rgb24")
    scale = min(1.0, WIDTH_PX / max(frame.width, frame.height))
    width, height = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 1)
    encoder.options = {"q:v": str(QUALITY), "flags": "+qscale"}
    small = frame.reformat(width=width, height=height, format="yuvj420p")
    small.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(small), *encoder.encode(None)))


def measure_loudness(path: Path) -> Waveform | None:
    """Measure how loud the sound of a file is along its length; None where there is none."""
    levels, heard_s = _read_levels(path)
    if not levels.size:
        return None
    stretches = np.array_split(levels, min(PEAKS, len(levels)))
    return Waveform(tuple(round(min(1.0, float(part.max())), 3) for part in stretches), heard_s)


def find_beats(path: Path, bpm: float) -> tuple[float, ...]:
    """Find the beats of a piece whose tempo is about ``bpm``, in seconds; empty where they are not clear.

    Of all grids near that tempo, the one on which the sound rises most.
    """
    levels, heard_s = _read_levels(path)
    if len(levels) < 8 or heard_s <= 0:
        return ()
    rises = np.maximum(0.0, np.diff(levels, prepend=levels[0]))
    rises = np.convolve(rises, (0.5, 1.0, 0.5), "same")  # a beat may fall between two frames
    a_frame_s = heard_s / len(levels)
    best_rise, best = 0.0, np.empty(0)
    for period_s in 60.0 / (bpm * np.linspace(1 - TEMPO_SLACK, 1 + TEMPO_SLACK, 33)):
        for begin_s in np.arange(0.0, period_s, a_frame_s):
            beats = np.arange(begin_s, heard_s, period_s)
            at = np.minimum((beats / a_frame_s).astype(int), len(rises) - 1)
            if (rise := float(rises[at].mean())) > best_rise:
                best_rise, best = rise, beats
    if best_rise < max(AUDIBLE_RISE, CLEAR_BEAT * float(rises.mean())):
        return ()
    return tuple(round(float(beat), 3) for beat in best)


def _read_levels(path: Path) -> tuple["np.ndarray[tuple[int], np.dtype[np.float64]]", float]:
    """The loudest sample of each decoded frame (about 20 ms); what follows damage is left out."""
    levels: list[float] = []
    heard_s = 0.0
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return np.empty(0), 0.0
            for frame in container.decode(container.streams.audio[0]):
                samples = frame.to_ndarray()
                full = 1.0 if samples.dtype.kind == "f" else float(2 ** (8 * samples.dtype.itemsize - 1))
                levels.append(float(np.abs(samples.astype(np.float32)).max()) / full)
                heard_s += frame.samples / (frame.sample_rate or 1)
                if heard_s >= LISTEN_S:
                    break
    except _ODD_MEDIA:
        pass
    return np.array(levels), heard_s
