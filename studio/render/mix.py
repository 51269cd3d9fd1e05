"""Mix the original sound and the music into one track of float samples on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from studio.analyse.findings import Spans
from studio.analyse.loudness import HOPS_PER_S, Meter, Samples, true_peaks
from studio.errors import RenderCancelled, RenderFailed
from studio.render.ahead import ahead
from studio.render.ffmpeg import RATE, sound_into, sound_of
from studio.render.master import master
from studio.render.plan import Bed, Clip, Plan

_BLOCK = 4 * RATE
_FRAME_BYTES = 8
_COMMON_LUFS = -16.0  # original and music are brought here, so that 35% means the same for every clip
_SILENCE_LUFS = -60.0
_CEILING_DBTP, _PROMISED_DBTP = -1.5, -1.05
_ROUNDS = 4
_MOST_DB = 24.0
_DUCK_DB = 12.0
_DUCK_IN_S, _DUCK_OUT_S = 0.25, 0.6
_DUCK_EARLY_S, _DUCK_HOLD_S = 0.1, 0.3  # soft first and last syllables are heard late, and lost early
_DUCK_GAP_S = 1.3  # a shorter pause stays ducked

Report = Callable[[float], None]
Cancelled = Callable[[], bool]
Mono = NDArray[np.float32]


class Track:
    """A stereo track in a file: reads and writes samples anywhere, silent where nothing was written."""

    def __init__(self, path: Path, samples: int) -> None:
        """Make the file, `samples` long."""
        self.path, self.samples = path, samples
        with path.open("wb") as file:
            file.truncate(samples * _FRAME_BYTES)

    def read(self, at: int, samples: int) -> Samples:
        """Return up to `samples` samples from `at`."""
        with self.path.open("rb") as file:
            file.seek(at * _FRAME_BYTES)
            data = file.read(samples * _FRAME_BYTES)
        return np.frombuffer(data, dtype=np.float32).reshape(-1, 2)

    def write(self, at: int, block: Samples) -> None:
        """Put `block` at sample `at`, within the track's length."""
        with self.path.open("r+b") as file:
            file.seek(at * _FRAME_BYTES)
            file.write(np.ascontiguousarray(block[: self.samples - at], dtype=np.float32).tobytes())


class _Sound:
    """The own sound of a clip, decoded as it is needed."""

    def __init__(self, clip: Clip, files: ExitStack) -> None:
        self._clip, self._files = clip, files
        self._first = round(clip.start_s * RATE)
        self._last = self._first + round(clip.length_s * RATE)
        self._gain = np.float32(clip.volume * _to_common(clip.source.findings.loudness_lufs))
        self._read: Callable[[int], Samples] | None = None

    def add_to(self, block: Samples, at: int) -> None:
        begin, end = max(at, self._first), min(at + len(block), self._last)
        if begin >= end:
            return
        if self._read is None:
            clip = self._clip
            opened = sound_of(clip.source.path, clip.offset_s, clip.length_s)
            self._read = self._files.enter_context(opened)
        samples = self._read(end - begin)
        block[begin - at : begin - at + len(samples)] += samples * self._gain


class _Music:
    """A bed of music, written to disk once, then laid under the original with volume, fades and ducks."""

    def __init__(self, bed: Bed, speech_s: Spans, path: Path, cancelled: Cancelled) -> None:
        self._bed = bed
        self._first = round(bed.start_s * RATE)
        self._track = Track(path, round(bed.length_s * RATE))
        self._ducks = _duck_points(speech_s, _duck_db(bed)) if bed.duck else None
        try:
            self._gain = bed.volume * _to_common(self._written_lufs(cancelled))
        except av.FFmpegError as exc:
            raise RenderFailed("the song cannot be read any more; ask for another one") from exc

    def _written_lufs(self, cancelled: Cancelled) -> float:
        meter, at = Meter(RATE, with_peaks=False), 0
        for block in ahead(self._bed.piece.blocks(self._bed.length_s)):
            _go_on(cancelled)
            meter.take(block)
            self._track.write(at, block)
            at += len(block)
        return meter.lufs()

    def add_to(self, block: Samples, at: int) -> None:
        begin = max(at, self._first)
        end = min(at + len(block), self._first + self._track.samples)
        if begin < end:
            samples = self._track.read(begin - self._first, end - begin)
            block[begin - at : end - at] += samples * self._curve(begin, end)[:, None]

    def forget(self) -> None:
        """Give the room on the disk back; what was added is in the mix."""
        self._track.path.unlink(missing_ok=True)

    def _curve(self, begin: int, end: int) -> Mono:
        seconds = np.arange(begin, end) / RATE
        gain = np.full(len(seconds), self._gain)
        if self._ducks is not None:
            gain *= 10.0 ** (np.interp(seconds, *self._ducks) / 20.0)
        played_s = seconds - self._bed.start_s
        for fade_s, from_edge_s in (
            (self._bed.fade_in_s, played_s),
            (self._bed.fade_out_s, self._bed.length_s - played_s),
        ):
            if fade_s > 0:
                gain *= np.sin(
                    0.5 * math.pi * np.clip(from_edge_s / min(fade_s, self._bed.length_s), 0.0, 1.0)
                )
        return gain.astype(np.float32)


def mix(plan: Plan, folder: Path, progress: Report, cancelled: Cancelled) -> Path:
    """Return the finished sound of `plan` at -14 LUFS, AAC, in `folder`; `progress` gets 0 … 1.

    Raises RenderCancelled, and RenderFailed when ffmpeg cannot be started.
    """
    track = Track(folder / "mix.f32", max(1, round(plan.length_s * RATE)))
    speech_s = _speech(plan.sounds)
    music = [_Music(bed, speech_s, folder / f"bed{n}.f32", cancelled) for n, bed in enumerate(plan.beds)]
    progress(0.5)
    meter = Meter(RATE)
    with ExitStack() as files:
        parts: list[_Sound | _Music] = [*(_Sound(clip, files) for clip in plan.sounds), *music]
        for at, block in ahead(_laid(parts, track.samples, cancelled)):
            meter.take(block)
            track.write(at, block)
    for bed in music:
        bed.forget()
    progress(0.7)
    return _mastered(track, meter, folder / "sound.m4a", cancelled)


def _laid(parts: list[_Sound | _Music], samples: int, cancelled: Cancelled) -> Iterator[tuple[int, Samples]]:
    """Yield the parts laid over each other, block by block, with the place of each (samples)."""
    for at in _steps(samples, cancelled):
        block = np.zeros((min(_BLOCK, samples - at), 2), dtype=np.float32)
        for part in parts:
            part.add_to(block, at)
        yield at, block


def _mastered(track: Track, meter: Meter, out: Path, cancelled: Cancelled) -> Path:
    """Encode the mix at its final gain; what AAC adds to a peak is measured and taken off again."""
    ceiling_db = _CEILING_DBTP
    for _ in range(_ROUNDS):
        final = master(*meter.levels(), hop=RATE // HOPS_PER_S, ceiling_db=ceiling_db)
        with sound_into(out) as write:
            gained = (final.apply(track.read(at, _BLOCK), at) for at in _steps(track.samples, cancelled))
            for block in ahead(gained):
                write(block)
        over_db = _peak_db(out, track.samples, cancelled) - _PROMISED_DBTP
        if over_db <= 0:
            break
        ceiling_db -= over_db + 0.1
    return out


def _peak_db(path: Path, samples: int, cancelled: Cancelled) -> float:
    highest = 1e-9
    with sound_of(path, 0.0, samples / RATE) as read:
        for block in ahead(read(_BLOCK) for _ in _steps(samples, cancelled)):
            highest = max(highest, float(true_peaks(block).max(initial=0.0)))
    return 20.0 * math.log10(highest)


def _steps(samples: int, cancelled: Cancelled) -> Iterator[int]:
    for at in range(0, samples, _BLOCK):
        _go_on(cancelled)
        yield at


def _go_on(cancelled: Cancelled) -> None:
    if cancelled():
        raise RenderCancelled("the render was cancelled")


def _to_common(lufs: float | None) -> float:
    """Return the gain that brings a loudness to the common one; near-silence is left as it is."""
    if lufs is None or lufs < _SILENCE_LUFS:
        return 1.0
    return float(10.0 ** (max(-_MOST_DB, min(_MOST_DB, _COMMON_LUFS - lufs)) / 20.0))


def _speech(sounds: Sequence[Clip]) -> Spans:
    """Return the spans of speech on the timeline (s), near ones joined."""
    spans: list[tuple[float, float]] = []
    for clip in sounds:
        moved_s = clip.start_s - clip.offset_s
        last_s = clip.start_s + clip.length_s
        for start_s, end_s in clip.source.findings.speech_s:
            if end_s + moved_s > clip.start_s and start_s + moved_s < last_s:
                spans.append((start_s + moved_s, min(last_s, end_s + moved_s)))
    joined: list[tuple[float, float]] = []
    for start_s, end_s in sorted(spans):
        if joined and start_s - joined[-1][1] < _DUCK_GAP_S:
            joined[-1] = (joined[-1][0], max(end_s, joined[-1][1]))
        else:
            joined.append((start_s, end_s))
    return tuple(joined)


def _duck_db(bed: Bed) -> float:
    """Return how far to go down under speech: more for loud music, so that the words stay clear."""
    return _DUCK_DB + max(0.0, 20.0 * math.log10(max(bed.volume, 1e-3)) + 6.0)


def _duck_points(speech_s: Spans, depth_db: float) -> tuple[list[float], list[float]]:
    """Return times (s) and levels (dB) of the curve: down before the first word, up after the last."""
    times, levels = [-1.0], [0.0]
    for start_s, end_s in speech_s:
        down_s, up_s = start_s - _DUCK_EARLY_S, end_s + _DUCK_HOLD_S
        times += [down_s - _DUCK_IN_S, down_s, up_s, up_s + _DUCK_OUT_S]
        levels += [0.0, -depth_db, -depth_db, 0.0]
    return times, levels
