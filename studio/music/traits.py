"""Measure a song: tempo and bar lines, key, loudness, energy, brightness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.analyse.samples import Meter, Samples, blocks_of

Curve = NDArray[np.float64]

_RATE = 16_000
_BLOCK = 16 * _RATE
_FRAME, _HOP = 2048, 256
_FRAMES_PER_S = _RATE / _HOP
_ONSET_AT_S = (_FRAME * 0.62) / _RATE  # of a frame: where a stroke must lie for the frame to rise most
_SLOWEST, _FASTEST, _USUAL = 60.0, 180.0, 98.0
_LOW_HZ = 160.0
_BAR = 4
_LIVELY = 14.0  # mean rise of a dense, driving piece
_OFF_BEAT = 1.25  # so much more stress of the low notes half a beat later, and the beat is there
_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
# How well each step above the tonic fits a key (Krumhansl and Kessler, 1982).
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


@dataclass(frozen=True, slots=True)
class Traits:
    """What a song sounds like: shares 0 … 1, its first bar line (s); a bar has four beats."""

    duration_s: float
    bpm: float
    first_bar_s: float
    key: str
    lufs: float
    energy: float
    brightness: float

    @property
    def bar_s(self) -> float:
        """Return the length of a bar."""
        return _BAR * 60.0 / self.bpm

    @property
    def minor(self) -> bool:
        """Say whether the key is a minor one."""
        return self.key.endswith("minor")


@dataclass(frozen=True, slots=True)
class _Frames:
    """Curves with a value every 16 ms: onset, onset of low notes, spectral centre (Hz); and the chroma."""

    onset: Curve
    low: Curve
    centre_hz: Curve
    chroma: Curve


def measure(path: Path) -> Traits:
    """Listen to a song once. Raises av.FFmpegError or ValueError when there is nothing to hear in `path`."""
    meter, parts, samples = Meter(_RATE, with_peaks=False), [], 0
    for block in blocks_of(path, _RATE, _BLOCK):
        meter.take(block)
        samples += len(block)
        if len(block) >= _FRAME:
            parts.append(_frames(block))
    if not parts:
        raise ValueError("too short to measure")
    frames = _Frames(
        np.concatenate([p.onset for p in parts]), np.concatenate([p.low for p in parts]),
        np.concatenate([p.centre_hz for p in parts]), np.sum([p.chroma for p in parts], axis=0),
    )  # fmt: skip
    bpm, beat_at_s = _pulse(frames.onset)
    lufs = meter.lufs()
    middle_hz = max(1.0, float(np.median(frames.centre_hz)))
    brightness = min(1.0, max(0.0, math.log(middle_hz / 300.0) / math.log(4000.0 / 300.0)))
    lively = min(1.0, float(frames.onset.mean()) / _LIVELY)
    loud = min(1.0, max(0.0, (lufs + 30.0) / 20.0))
    energy = 0.75 * lively + 0.25 * loud
    return Traits(
        duration_s=round(samples / _RATE, 3),
        bpm=round(bpm, 3),
        first_bar_s=round(_first_bar_s(frames.low, bpm, beat_at_s), 4),
        key=_key(frames.chroma),
        lufs=round(lufs, 2),
        energy=round(energy, 3),
        brightness=round(brightness, 3),
    )


def _frames(block: Samples) -> _Frames:
    mono = np.pad(block.mean(axis=1), (0, _FRAME - _HOP))
    windows = np.lib.stride_tricks.sliding_window_view(mono, _FRAME)[::_HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(_FRAME).astype("f4"), axis=1)) ** 2
    hz = np.fft.rfftfreq(_FRAME, 1.0 / _RATE)
    weight = np.sqrt(power)
    centre_hz = (weight @ hz) / (weight.sum(axis=1) + 1e-9)
    bands = np.log1p(50.0 * power[:, 1:1025].reshape(len(power), 64, 16).sum(axis=2))
    low = np.sqrt(power[:, hz < _LOW_HZ].sum(axis=1, keepdims=True))
    heard = (hz > 110.0) & (hz < 2000.0)
    tones = np.round(12.0 * np.log2(hz[heard] / 440.0)).astype(int) + 9
    chroma = np.bincount(tones % 12, weights=weight[:, heard].sum(axis=0), minlength=12).astype(np.float64)
    return _Frames(_rise(bands), _rise(low), centre_hz.astype(np.float64), chroma)


def _rise(bands: NDArray[np.float32]) -> Curve:
    rise: Curve = np.maximum(np.diff(bands, axis=0, prepend=bands[:1]), 0.0).sum(axis=1, dtype=np.float64)
    return rise


def _pulse(onset: Curve) -> tuple[float, float]:
    """Return the tempo and the time of a beat: the steady pulse that the onsets agree on best."""
    even = onset - onset.mean()
    size = 1 << (8 * len(even) - 1).bit_length()
    spectrum = np.fft.rfft(even, size)
    step_hz = _FRAMES_PER_S / size
    bpm = np.arange(_SLOWEST, _FASTEST, 0.02)
    strength = sum(
        np.abs(spectrum[np.round(bpm * n / 60.0 / step_hz).astype(int)]) / n**0.5 for n in (1, 2, 4)
    )
    best = float(bpm[int(np.argmax(strength * np.exp(-0.5 * (np.log2(bpm / _USUAL) / 0.6) ** 2)))])
    frames = np.arange(len(even)) / _FRAMES_PER_S
    turn = np.angle(np.sum(even * np.exp(-2j * math.pi * best / 60.0 * frames)))
    at_s = -turn / (2 * math.pi) * 60.0 / best + _ONSET_AT_S
    return best, float(at_s % (60.0 / best))


def _first_bar_s(low: Curve, bpm: float, beat_at_s: float) -> float:
    """Return the first bar line: of each four beats, the one that the low notes stress most."""
    beat_s = 60.0 / bpm
    here, later = (_stress(low, bpm, at_s) for at_s in (beat_at_s, (beat_at_s + beat_s / 2) % beat_s))
    if later.mean() > _OFF_BEAT * here.mean():
        here, beat_at_s = later, (beat_at_s + beat_s / 2) % beat_s
    totals = [here[n::_BAR].mean() for n in range(_BAR) if len(here) > n]
    return beat_at_s + int(np.argmax(totals)) * beat_s


def _stress(low: Curve, bpm: float, beat_at_s: float) -> Curve:
    """Return how much the low notes set in on each beat."""
    beats_s = np.arange(beat_at_s, len(low) / _FRAMES_PER_S, 60.0 / bpm)
    at = np.clip(np.round((beats_s - _ONSET_AT_S) * _FRAMES_PER_S).astype(int), 2, len(low) - 3)
    stress: Curve = np.max([low[at + n] for n in range(-2, 3)], axis=0)
    return stress


def _key(chroma: Curve) -> str:
    scores = {
        f"{_NAMES[tonic]} {mode}": float(np.corrcoef(np.roll(chroma, -tonic), profile)[0, 1])
        for tonic in range(12)
        for mode, profile in (("major", _MAJOR), ("minor", _MINOR))
    }
    return max(scores, key=lambda key: scores[key])
