"""The sound of a file as samples, and how loud they are (ITU-R BS.1770-4), block by block."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.stream import Discard
from numpy.typing import NDArray

Samples = NDArray[np.float32]
T = TypeVar("T")

_MOST_DAMAGED = 50  # packets in a row, then what follows is given up
_PULL_EVERY, _PIECE = 16, 16_384  # frames, samples: fewer and larger steps through Python
_END = object()


def blocks_of(
    path: Path, rate: int, block: int, *, offset_s: float = 0.0, length_s: float | None = None
) -> Iterator[Samples]:
    """Yield the sound of `path` as (samples, 2) at `rate` Hz, in blocks of `block` samples at most.

    Sample 0 is what is heard at `offset_s` of the film; where the sound begins late or has gaps, there is
    silence. Damaged pieces are left out. Raises av.FFmpegError when `path` cannot be opened.
    """
    waiting: list[Samples] = []
    size = 0
    with av.open(str(path)) as container:
        for piece in _resample(container, rate, offset_s, length_s):
            waiting.append(piece)
            size += len(piece)
            while size >= block:
                joined = np.concatenate(waiting)
                yield joined[:block]
                waiting, size = [joined[block:]], size - block
    if size:
        yield np.concatenate(waiting)


def _resample(
    container: InputContainer, rate: int, offset_s: float, length_s: float | None
) -> Iterator[Samples]:
    """Decode and resample; a filter graph puts every frame where its time stamp says."""
    begin_s = (container.start_time or 0) / 1e6 + offset_s
    if offset_s > 1.0:
        container.seek(round((begin_s - 0.5) * 1e6))
    graph: Graph | None = None
    form: tuple[object, ...] = ()
    next_at = pushed = 0
    for frame in _decode(container):
        if graph is None or form != (frame.format.name, frame.layout.name, frame.sample_rate):
            if graph is not None:
                yield from _flush(graph)
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            graph = _graph(frame, rate, length_s, fresh=next_at == 0)
        at = next_at if frame.time is None else round((frame.time - begin_s) * frame.sample_rate)
        frame.pts, frame.time_base = at, Fraction(1, frame.sample_rate)
        next_at = at + frame.samples
        if next_at <= 0:
            continue
        graph.push(frame)
        pushed += 1
        if pushed % _PULL_EVERY == 0:
            yield from _pull(graph)
        if length_s is not None and at > length_s * frame.sample_rate:
            break
    if graph is not None:
        yield from _flush(graph)


def _graph(frame: av.AudioFrame, rate: int, length_s: float | None, *, fresh: bool) -> Graph:
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=Fraction(1, frame.sample_rate),
    )
    end = "" if length_s is None else f":end={length_s:.6f}"
    chain = (
        graph.add("atrim", f"start=0{end}"),
        graph.add("aresample", f"{rate}:async=1" + (":first_pts=0" if fresh else "")),
        graph.add("aformat", "sample_fmts=flt:channel_layouts=stereo"),
        graph.add("asetnsamples", f"n={_PIECE}:p=0"),
        graph.add("abuffersink"),
    )
    graph.link_nodes(source, *chain).configure()
    return graph


def _pull(graph: Graph) -> Iterator[Samples]:
    with suppress(av.BlockingIOError, av.EOFError):
        while True:
            frame = graph.pull()
            assert isinstance(frame, av.AudioFrame)  # noqa: S101 - the sink is one for sound; tells the type checker
            yield frame.to_ndarray().reshape(-1, 2).astype(np.float32, copy=False)


def _flush(graph: Graph) -> Iterator[Samples]:
    with suppress(av.EOFError):  # atrim has ended already
        graph.push(None)
    yield from _pull(graph)


def _decode(container: InputContainer) -> Iterator[av.AudioFrame]:
    damaged = 0
    sound = container.streams.audio[0]
    for stream in container.streams:
        if stream is not sound:
            stream.discard = Discard.all  # a picture need not be read to be passed over
    packets = container.demux(sound)
    while damaged < _MOST_DAMAGED:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
            damaged = 0
        except av.FFmpegError:
            damaged += 1


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield `items`, each made in a thread while the one before it is used; what that raises comes out here.

    numpy and PyAV let go of the interpreter meanwhile.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = thread.submit(next, source, _END)
        while (item := coming.result()) is not _END:
            coming = thread.submit(next, source, _END)
            yield item  # type: ignore[misc]  # the mark of the end is no item


Levels = NDArray[np.float64]

SILENT_LUFS = -70.0
HOPS_PER_S = 500  # one level every 2 ms

_STEPS_PER_S = 10  # the K weight of the hops is found in steps of 100 ms, from their spectrum
_OFFSET = -0.691
# BS.1770-4, tables 1 and 2, at 48 kHz: the head's shelf, then the high-pass.
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
_REFERENCE_HZ = 48_000
_PHASES = 4
_TAPS = 24
_NEAR = 0.5  # of the highest sample: what lies between smaller ones does not reach it


class Meter:
    """Takes stereo blocks in order; keeps the K-weighted energy and the true peak of every 2 ms.

    The weight is that of the spectrum of each 100 ms, which is all that the gated loudness looks at; within
    them it is shared out by the plain energy of the hops.
    """

    def __init__(self, rate: int, *, with_peaks: bool = True) -> None:
        """Take the sample rate (Hz), a multiple of 500; peaks cost as much again and may be left out."""
        self._with_peaks = with_peaks
        self._rate, self._hop, self._step = rate, rate // HOPS_PER_S, rate // _STEPS_PER_S
        self._before = np.zeros((_TAPS, 2), dtype=np.float32)
        self._rest = np.zeros((0, 2), dtype=np.float32)
        self._energies: list[Levels] = []
        self._peaks: list[Levels] = []

    def take(self, block: Samples) -> None:
        """Measure one more block, (samples, 2)."""
        block = np.concatenate((self._rest, block)) if len(self._rest) else block
        whole = len(block) - len(block) % self._step
        self._rest = block[whole:]
        if whole:
            self._measure(block[:whole])

    def levels(self) -> tuple[Levels, Levels]:
        """Return energy (sum of squares over both channels) and true peak of every hop so far."""
        if len(self._rest):
            padding = np.zeros((self._step - len(self._rest), 2), dtype=np.float32)
            hops = -(-len(self._rest) // self._hop)
            self._measure(np.concatenate((self._rest, padding)), hops)
            self._rest = self._rest[:0]
        if not self._energies:
            return np.zeros(0), np.zeros(0)
        peaks = np.concatenate(self._peaks) if self._peaks else np.zeros(0)
        return np.concatenate(self._energies), peaks

    def lufs(self) -> float:
        """Return the integrated loudness so far, in LUFS; SILENT_LUFS at the least."""
        return measure_lufs(self.levels()[0], self._hop)

    def _measure(self, block: Samples, hops: int | None = None) -> None:
        """Measure whole steps; of the last one keep its first `hops` alone."""
        plain = (block**2).reshape(-1, self._hop * 2).sum(axis=1, dtype=np.float64)
        steps = np.ascontiguousarray(block.reshape(-1, self._step, 2).transpose(0, 2, 1))
        spectrum = np.fft.rfft(steps, axis=2)
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
        whole = power.sum(axis=1, dtype=np.float64)
        share = np.divide(power @ _k_powers(self._rate, self._step), whole, where=whole > 0, out=whole * 0.0)
        self._energies.append((plain * np.repeat(share, len(plain) // len(share)))[:hops])
        if self._with_peaks:
            joined = np.concatenate((self._before, block))
            peaks = true_peaks(joined)[: len(block)].reshape(-1, self._hop).max(axis=1)
            self._peaks.append(peaks.astype(np.float64)[:hops])
        self._before = block[-_TAPS:]


def measure_lufs(energies: Levels, hop: int) -> float:
    """Return the gated loudness (LUFS) of hop energies; a clip under 0.4 s counts as one block."""
    per_step = HOPS_PER_S // 10
    steps = len(energies) // per_step
    if steps < 4:
        return _lufs(float(energies.mean()) / hop) if len(energies) else SILENT_LUFS
    tenths = energies[: steps * per_step].reshape(steps, per_step).sum(axis=1)
    sums = np.convolve(tenths, np.ones(4), mode="valid")
    powers = sums / (4 * per_step * hop)
    heard = powers[powers > float(10.0 ** ((SILENT_LUFS - _OFFSET) / 10.0))]
    if not len(heard):
        return SILENT_LUFS
    return _lufs(float(heard[heard > 0.1 * heard.mean()].mean()))


def _lufs(power: float) -> float:
    return max(SILENT_LUFS, _OFFSET + 10.0 * math.log10(power)) if power > 0 else SILENT_LUFS


@lru_cache(maxsize=4)
def _k_powers(rate: int, samples: int) -> Samples:
    """Return the K filter's gain of power at each frequency of a spectrum of `samples`."""
    turn = np.exp(-2j * math.pi * np.fft.rfftfreq(samples, 1.0 / rate) / _REFERENCE_HZ)
    answer = np.ones(len(turn), dtype=np.complex128)
    for upper, lower in (_SHELF, _HIGH_PASS):
        answer *= np.polyval(upper[::-1], turn) / np.polyval(lower[::-1], turn)
    return (np.abs(answer) ** 2).astype(np.float32)


def _phase_filters() -> Samples:
    """Return one column of taps for each point between two samples, in the order of the samples."""
    at = np.arange(_TAPS) - _TAPS / 2
    window = np.hanning(_TAPS + 2)[1:-1]
    columns = [np.sinc(at + phase / _PHASES) * window for phase in range(1, _PHASES)]
    return np.stack([taps[::-1] / taps.sum() for taps in columns], axis=1).astype(np.float32)


_FILTERS = _phase_filters()


def true_peaks(samples: Samples) -> Samples:
    """Return the highest level of both channels from each sample to the next, at four times the rate.

    Only what is near the highest sample is looked at between the samples: the rest cannot be the peak.
    """
    peaks: Samples = np.maximum(np.abs(samples[:, 0]), np.abs(samples[:, 1]))
    near = np.flatnonzero(peaks >= _NEAR * peaks.max(initial=0.0))
    before = _TAPS // 2
    for channel in range(samples.shape[1] if peaks.any() else 0):
        padded = np.pad(samples[:, channel], (before, before))
        around = np.lib.stride_tricks.sliding_window_view(padded, _TAPS)[near]
        peaks[near] = np.maximum(peaks[near], np.abs(around @ _FILTERS).max(axis=1))
    return peaks
