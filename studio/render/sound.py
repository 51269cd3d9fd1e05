"""The sound of a film: the original and the music laid over each other, at -14 LUFS, as AAC.

It is made in three rounds over blocks of 4 s, and each reports how far it is: compose the music and measure
it; lay it under the original and measure the mix; encode the mix at its final gain. What a round leaves for
the next is kept in 16 bits, in memory while it is short.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

from studio.analyse.findings import Spans
from studio.analyse.samples import (
    HOPS_PER_S,
    SILENT_LUFS,
    Levels,
    Meter,
    Samples,
    ahead,
    blocks_of,
    measure_lufs,
    true_peaks,
)
from studio.errors import RenderCancelled, RenderFailed
from studio.render.export import export_music
from studio.render.plan import Bed, Clip, Plan

RATE = 48_000
TARGET_LUFS = -14.0

_BLOCK = 4 * RATE
_MEMORY_BYTES = 48 * 1024 * 1024  # four minutes of sound; what is longer goes to a file
_LOUDEST = 32_767
_COMMON_LUFS = -16.0  # original and music are brought here, so that 35% means the same for every clip
_SILENCE_LUFS = -60.0
_USUAL_VOLUME, _USUAL_DB = 0.35, -0.8
_CEILING_DBTP, _PROMISED_DBTP = -2.1, -1.05  # AAC adds up to 1 dB to the peaks of drums
_SAFE_DBTP = -3.5  # a peak so low before AAC is below what was promised after it, unheard
_ENCODE_ROUNDS = 4
_MOST_DB = 24.0
_DUCK_DB = 12.0
_DUCK_IN_S, _DUCK_OUT_S = 0.25, 0.6
_DUCK_EARLY_S, _DUCK_HOLD_S = 0.1, 0.3  # soft first and last syllables are heard late, and lost early
_DUCK_GAP_S = 1.3  # a shorter pause stays ducked
_BED_METER_STEP = 3  # every third sample tells the loudness of a bed well enough to balance it

_GAIN_ROUNDS = 6
_MOST_GAIN_DB = 45.0
_HALF = 6  # hops of 2 ms on either side that the smoothing takes in
_AHEAD, _HOLD = _HALF + 1, 30  # one more, as the gain is drawn between hops

_COMPOSED, _LAID = 0.45, 0.7  # shares of the work that are done after the first and the second round
_MIXED = 0.6  # the share of it that is done when what is exported beside it begins

Report = Callable[[float], None]
Cancelled = Callable[[], bool]
Mono = NDArray[np.float32]


@dataclass(slots=True)
class Memory:
    """How many bytes of sound may still be kept in memory, by all buffers of one render."""

    left_bytes: int = _MEMORY_BYTES


class SampleBuffer:
    """Stereo sound in the order it was added, each block in 16 bits below its own peak."""

    def __init__(self, spill: Path, memory: Memory) -> None:
        """Keep blocks within `memory`, and those beyond it in the file `spill`."""
        self._memory = memory
        self._starts: list[int] = []
        self._scales: list[float] = []
        self._blocks: list[NDArray[np.int16] | int | None] = []
        self._dropped = 0
        self._spill = spill
        self.samples = 0

    def __enter__(self) -> Self:
        """Return the buffer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give memory and disk back."""
        self.drop_before(self.samples)
        self._spill.unlink(missing_ok=True)

    def append(self, block: Samples) -> None:
        """Add `block`, (samples, 2)."""
        peak = float(np.abs(block).max(initial=0.0)) or 1.0
        coded = np.rint(block * np.float32(_LOUDEST / peak)).astype(np.int16)
        self._starts.append(self.samples)
        self._scales.append(peak / _LOUDEST)
        self.samples += len(block)
        if coded.nbytes <= self._memory.left_bytes:
            self._memory.left_bytes -= coded.nbytes
            self._blocks.append(coded)
            return
        with self._spill.open("ab") as file:
            self._blocks.append(file.tell())
            file.write(coded.tobytes())

    def read(self, at: int, samples: int) -> Samples:
        """Return the samples from `at` on, as many as asked for or as there are."""
        end = min(self.samples, at + samples)
        pieces: list[Samples] = []
        while at < end:
            number = bisect_right(self._starts, at) - 1
            first = at - self._starts[number]
            piece = self._block(number)[first : first + end - at]
            pieces.append(piece * np.float32(self._scales[number]))
            at += len(piece)
        return np.concatenate(pieces) if pieces else np.zeros((0, 2), np.float32)

    def drop_before(self, at: int) -> None:
        """Give back the memory of blocks that end at or before sample `at`."""
        while self._dropped < len(self._blocks):
            following = self._dropped + 1
            end = self._starts[following] if following < len(self._starts) else self.samples
            if end > at:
                return
            block = self._blocks[self._dropped]
            if isinstance(block, np.ndarray):
                self._memory.left_bytes += block.nbytes
            self._blocks[self._dropped] = None
            self._dropped = following

    def _block(self, number: int) -> NDArray[np.int16]:
        block = self._blocks[number]
        if isinstance(block, np.ndarray):
            return block
        assert block is not None, "a block that was dropped is read"  # noqa: S101 - a fault of ours
        following = number + 1
        end = self._starts[following] if following < len(self._starts) else self.samples
        with self._spill.open("rb") as file:
            file.seek(block)
            return np.frombuffer(file.read((end - self._starts[number]) * 4), np.int16).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Master:
    """A gain for every hop of 2 ms."""

    gains: Levels
    hop: int

    def apply(self, block: Samples, at: int) -> Samples:
        """Return `block`, which begins at sample `at`, with the gain drawn smoothly between the hops."""
        first = max(0, at // self.hop - 1)
        near = self.gains[first : (at + len(block)) // self.hop + 2]
        if len(near) and (near == near[0]).all():
            return block * np.float32(near[0])
        centres = (np.arange(len(block)) + at) / self.hop - 0.5
        gain = np.interp(centres, np.arange(first, first + len(near)), near)
        return block * gain.astype(np.float32)[:, None]


def target_lufs(plan: Plan) -> float:
    """Return how loud the whole becomes: -14 LUFS, and less where soft music is all there is to hear.

    Beside other sound the volume of music is its share. Alone, 100 % is -14 LUFS, the usual 35 % is 0.8 dB
    less, and below it is as much softer as the number says: 10 % is -25.7 LUFS.
    """
    own = (clip.source.findings.loudness_lufs for clip in plan.sounds)
    volume = max((bed.volume for bed in plan.beds), default=1.0)
    if volume <= 0 or any(lufs is not None and lufs >= _SILENCE_LUFS for lufs in own):
        return TARGET_LUFS
    full = min(1.0, max(_USUAL_VOLUME, volume))
    softer_db = _USUAL_DB * math.log(full) / math.log(_USUAL_VOLUME)
    return TARGET_LUFS + softer_db + 20.0 * math.log10(min(1.0, volume / _USUAL_VOLUME))


def master(
    energies: Levels, peaks: Levels, *, hop: int, ceiling_db: float, lufs: float = TARGET_LUFS
) -> Master:
    """Find the gain that brings the levels of a mix to `lufs`, with no true peak above `ceiling_db`."""
    ceiling = 10.0 ** (ceiling_db / 20.0)
    gain_db, total = 0.0, np.ones(len(energies))
    if not len(energies) or measure_lufs(energies, hop) <= SILENT_LUFS:
        return Master(np.ones(max(1, len(energies))), hop)
    for _ in range(_GAIN_ROUNDS):
        gain = 10.0 ** (gain_db / 20.0)
        total = gain * _limit(peaks * gain, ceiling)
        missing_db = lufs - measure_lufs(energies * total**2, hop)
        if abs(missing_db) < 0.05:
            break
        gain_db = min(_MOST_GAIN_DB, gain_db + missing_db)
    return Master(total, hop)


def _limit(peaks: Levels, ceiling: float) -> Levels:
    """Return gains of at most 1 that keep `peaks` under the ceiling: quick down, slow up, no corners."""
    if peaks.max(initial=0.0) <= ceiling:
        return np.ones(len(peaks))
    wanted = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    padded = np.pad(wanted, (_HOLD, _AHEAD), constant_values=1.0)
    lowest = np.lib.stride_tricks.sliding_window_view(padded, _HOLD + _AHEAD + 1).min(axis=1)
    window = np.hanning(2 * _HALF + 3)[1:-1]
    smooth: Levels = np.convolve(np.pad(lowest, _HALF, mode="edge"), window / window.sum(), mode="valid")
    return np.minimum(smooth, 1.0)


class _Original:
    """The own sound of a clip, decoded as it is needed."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._first = round(clip.start_s * RATE)
        self._last = self._first + round(clip.length_s * RATE)
        self._gain = np.float32(clip.volume * _to_common(clip.source.findings.loudness_lufs))
        self._blocks: Iterator[Samples] | None = None
        self._left = np.zeros((0, 2), np.float32)

    def add_to(self, block: Samples, at: int) -> None:
        begin, end = max(at, self._first), min(at + len(block), self._last)
        if begin >= end:
            return
        if self._blocks is None:
            clip = self._clip
            self._blocks = blocks_of(
                clip.source.path, RATE, _BLOCK, offset_s=clip.offset_s, length_s=clip.length_s
            )
        while len(self._left) < end - begin:
            following = self._next()
            if following is None:
                break
            self._left = np.concatenate((self._left, following)) if len(self._left) else following
        samples, self._left = self._left[: end - begin], self._left[end - begin :]
        block[begin - at : begin - at + len(samples)] += samples * self._gain

    def _next(self) -> Samples | None:
        try:
            return next(self._blocks, None) if self._blocks is not None else None
        except av.FFmpegError:
            return None  # it was readable when it came in; what is left of it counts


class _Music:
    """A bed of music, composed once, then laid under the original with volume, fades and ducks."""

    def __init__(self, bed: Bed, speech_s: Spans, sound: SampleBuffer) -> None:
        self.bed = bed
        self._first = round(bed.start_s * RATE)
        self._sound = sound
        self._ducks = (
            _duck_points(speech_s, (_DUCK_DB + max(0.0, 20.0 * math.log10(max(bed.volume, 1e-3)) + 6.0)))
            if bed.duck
            else None
        )
        self._gain = bed.volume
        self.composition = bed.composition
        self.lufs = SILENT_LUFS

    def compose(self, progress: Report, cancelled: Cancelled) -> None:
        """Fill the buffer; `progress` gets 0 … 1."""
        meter = Meter(RATE // _BED_METER_STEP, with_peaks=False)
        try:
            for block in ahead(self.bed.piece.blocks(self.bed.length_s)):
                _stop_if(cancelled)
                meter.take(block[::_BED_METER_STEP])
                self._sound.append(block)
                progress(self._sound.samples / RATE / max(self.bed.length_s, 0.001))
        except av.FFmpegError as exc:
            raise RenderFailed("the song cannot be read any more; ask for another one") from exc
        self.lufs = meter.lufs()

    def set_level(self, loudest_lufs: float) -> None:
        """Bring the loudest part of the music to the common loudness; this part keeps its distance."""
        self._gain = self.bed.volume * _to_common(loudest_lufs)

    def add_to(self, block: Samples, at: int) -> None:
        begin = max(at, self._first)
        end = min(at + len(block), self._first + self._sound.samples)
        if begin < end:
            samples = self._sound.read(begin - self._first, end - begin)
            block[begin - at : end - at] += samples * self.curve(begin, end)
            self._sound.drop_before(end - self._first)

    def curve(self, begin: int, end: int) -> Mono | np.float32:
        """Return the gain of these samples: one number where it stays the same, else (samples, 1)."""
        bed, from_s, to_s = self.bed, begin / RATE, end / RATE
        ducked = self._ducks is not None and any(
            start_s < to_s and from_s < end_s for start_s, end_s in _pairs(self._ducks[0])
        )
        fades_in = bed.fade_in_s > 0 and from_s - bed.start_s < bed.fade_in_s
        fades_out = bed.fade_out_s > 0 and bed.start_s + bed.length_s - to_s < bed.fade_out_s
        if not (ducked or fades_in or fades_out):
            return np.float32(self._gain)
        seconds = np.arange(begin, end) / RATE
        gain = np.full(len(seconds), self._gain)
        if ducked and self._ducks is not None:
            gain *= 10.0 ** (np.interp(seconds, *self._ducks) / 20.0)
        played_s = seconds - bed.start_s
        for fade_s, from_edge_s in ((bed.fade_in_s, played_s), (bed.fade_out_s, bed.length_s - played_s)):
            if fade_s > 0:
                gain *= np.sin(0.5 * math.pi * np.clip(from_edge_s / min(fade_s, bed.length_s), 0.0, 1.0))
        return gain.astype(np.float32)[:, None]


def mix(
    plan: Plan,
    folder: Path,
    progress: Report,
    cancelled: Cancelled,
    exports: frozenset[str] = frozenset(),
) -> Path:
    """Return the finished sound of `plan` at -14 LUFS, AAC, in `folder`; `progress` gets 0 … 1.

    The files of `exports` (kinds of `render.export`) are put beside it. Raises RenderCancelled, and
    RenderFailed when a song of the library cannot be read.
    """
    whole_progress = progress
    if exports:  # the last share of the work
        progress = lambda share: whole_progress(_MIXED * share)  # noqa: E731 - a function of one line
    samples = max(1, round(plan.length_s * RATE))
    speech_s = _find_speech(plan)
    memory, meter = Memory(), Meter(RATE)
    with ExitStack() as buffers:
        beds = [
            _Music(bed, speech_s, buffers.enter_context(SampleBuffer(folder / f"bed{n}.s16", memory)))
            for n, bed in enumerate(plan.beds)
        ]
        for number, bed in enumerate(beds):
            bed.compose(lambda share, n=number: progress(_COMPOSED * (n + share) / len(beds)), cancelled)  # type: ignore[misc]  # a lambda's default
        for bed in beds:
            bed.set_level(max(other.lufs for other in beds if other.composition == bed.composition))
        parts: list[_Original | _Music] = [*map(_Original, plan.sounds), *beds]
        whole = buffers.enter_context(SampleBuffer(folder / "mix.s16", memory))
        with closing(_lay(parts, samples, cancelled)) as laid:
            for block in ahead(laid):
                meter.take(block)
                whole.append(block)
                progress(_COMPOSED + (_LAID - _COMPOSED) * whole.samples / samples)
        out = folder / "sound.m4a"
        final = _encode(
            whole,
            meter,
            target_lufs(plan),
            out,
            lambda share: progress(_LAID + (1.0 - _LAID) * share),
            cancelled,
        )
    if exports:

        def report_export(share: float) -> None:
            _stop_if(cancelled)
            whole_progress(_MIXED + (1.0 - _MIXED) * share)

        export_music(exports, beds, plan.length_s, final.apply, folder, report_export)
    return out


def _find_speech(plan: Plan) -> Spans:
    """Return where somebody speaks on the timeline; pauses too short to come back in are left out."""
    spans: list[tuple[float, float]] = []
    for clip in plan.sounds:
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


def _lay(parts: list[_Original | _Music], samples: int, cancelled: Cancelled) -> Generator[Samples]:
    """Yield the parts laid over each other, block by block."""
    for at in range(0, samples, _BLOCK):
        _stop_if(cancelled)
        block = np.zeros((min(_BLOCK, samples - at), 2), dtype=np.float32)
        for part in parts:
            part.add_to(block, at)
        yield block


def _encode(
    whole: SampleBuffer, meter: Meter, lufs: float, out: Path, progress: Report, cancelled: Cancelled
) -> Master:
    """Encode the mix at its final gain, and return that; what AAC adds to a peak is taken off again."""
    ceiling_db = _CEILING_DBTP
    energies, peaks = meter.levels()
    for _ in range(_ENCODE_ROUNDS):
        final = master(energies, peaks, hop=RATE // HOPS_PER_S, ceiling_db=ceiling_db, lufs=lufs)
        blocks = (
            final.apply(whole.read(at, _BLOCK), at)
            for at in _steps(whole.samples, cancelled, lambda share: progress(0.9 * share))
        )
        # The fast coder is closer to the original here, and adds less to its peaks, than the default one;
        # without noise shaping in time it is closer still.
        options = {"aac_coder": "fast", "aac_tns": "0"}
        with av.open(str(out), "w", format="ipod") as container:
            stream = container.add_stream("aac", rate=RATE, layout="stereo", options=options)
            stream.bit_rate = 192_000
            at = 0
            for block in ahead(blocks):
                planes = np.ascontiguousarray(block.T, dtype=np.float32)
                frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = RATE, at
                at += len(block)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        highest = float((peaks * final.gains[: len(peaks)]).max(initial=0.0))
        if highest <= 10.0 ** (_SAFE_DBTP / 20.0):
            break
        over_db = _peak_db(out, cancelled) - _PROMISED_DBTP
        if over_db <= 0:
            break
        ceiling_db -= over_db + 0.1
    progress(1.0)
    return final


def _peak_db(path: Path, cancelled: Cancelled) -> float:
    """Return the true peak of a file in dB, or a lower number where it is well below what was promised."""
    highest = 10.0 ** ((_PROMISED_DBTP - 0.5) / 20.0)
    for block in ahead(blocks_of(path, RATE, _BLOCK)):
        _stop_if(cancelled)
        if float(np.abs(block).max(initial=0.0)) > 0.7 * highest:  # between samples it is 3 dB more at most
            highest = max(highest, float(true_peaks(block).max(initial=0.0)))
    return 20.0 * math.log10(highest)


def _steps(samples: int, cancelled: Cancelled, progress: Report) -> Iterator[int]:
    for at in range(0, samples, _BLOCK):
        _stop_if(cancelled)
        yield at
        progress(min(samples, at + _BLOCK) / samples)


def _stop_if(cancelled: Cancelled) -> None:
    if cancelled():
        raise RenderCancelled("the render was cancelled")


def _to_common(lufs: float | None) -> float:
    """Return the gain that brings a loudness to the common one; near-silence is left as it is."""
    if lufs is None or lufs < _SILENCE_LUFS:
        return 1.0
    return float(10.0 ** (max(-_MOST_DB, min(_MOST_DB, _COMMON_LUFS - lufs)) / 20.0))


def _duck_points(speech_s: Spans, depth_db: float) -> tuple[list[float], list[float]]:
    """Return times (s) and levels (dB) of the curve: down before the first word, up after the last."""
    times, levels = [-1.0], [0.0]
    for start_s, end_s in speech_s:
        down_s, up_s = start_s - _DUCK_EARLY_S, end_s + _DUCK_HOLD_S
        times += [down_s - _DUCK_IN_S, down_s, up_s, up_s + _DUCK_OUT_S]
        levels += [0.0, -depth_db, -depth_db, 0.0]
    return times, levels


def _pairs(times: list[float]) -> Iterator[tuple[float, float]]:
    """Yield where each duck begins and ends, of the times of `_duck_points`."""
    yield from zip(times[1::4], times[4::4], strict=True)
