"""Drum sounds made from sine sweeps and shaped noise, and the patterns that play them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from studio.music.voices import RATE, Mono

_EDGE = 96  # samples of fade-in: 2 ms, so that no stroke begins with a step


@dataclass(frozen=True, slots=True)
class Stroke:
    """One stroke of a bar: which drum, at which beat (0 … 4), how hard (0 … 1)."""

    drum: str
    beat: float
    velocity: float


def _strokes(drum: str, velocity: float, *beats: float) -> tuple[Stroke, ...]:
    return tuple(Stroke(drum, beat, velocity) for beat in beats)


_EIGHTHS = tuple(n / 2 for n in range(8))
_SIXTEENTHS = tuple(n / 4 for n in range(16))

PATTERNS: dict[str, tuple[Stroke, ...]] = {
    "": (),
    "dusty": _strokes("soft_kick", 0.8, 0, 2.5)
    + _strokes("rim", 0.5, 1, 3) + _strokes("shaker", 0.22, *_EIGHTHS),
    "claps": _strokes("kick", 0.7, 0, 2) + _strokes("clap", 0.55, 1, 3)
    + _strokes("shaker", 0.3, *_SIXTEENTHS[2::4], *_EIGHTHS),
    "taiko": _strokes("taiko", 0.9, 0, 1.5, 2) + _strokes("tom", 0.5, 3, 3.5)
    + _strokes("tom", 0.35, 2.75, 3.25, 3.75),
    "four": _strokes("kick", 0.95, 0, 1, 2, 3) + _strokes("snare", 0.55, 1, 3)
    + _strokes("hat", 0.4, 0.5, 1.5, 2.5, 3.5) + _strokes("tick", 0.22, *_SIXTEENTHS),
    "brushes": _strokes("brush", 0.3, 1, 3) + _strokes("soft_kick", 0.4, 0),
    "heartbeat": _strokes("deep", 0.9, 0, 0.5) + _strokes("deep", 0.5, 2.5),
    "shimmer": _strokes("soft_kick", 0.5, 0) + _strokes("tick", 0.16, 0.5, 1.5, 2.5, 3.5)
    + _strokes("brush", 0.3, 2),
    "backbeat": _strokes("kick", 0.95, 0, 1.5, 2) + _strokes("snare", 0.7, 1, 3)
    + _strokes("hat", 0.38, *_EIGHTHS),
    "boom_bap": _strokes("kick", 0.95, 0, 0.75, 2.5) + _strokes("snare", 0.6, 1, 3)
    + _strokes("tick", 0.3, *_EIGHTHS),
    "ride": _strokes("soft_kick", 0.4, 0, 2) + _strokes("rim", 0.4, 1, 3)
    + _strokes("hat", 0.36, 0, 1, 1.5, 2, 3, 3.5),
}  # fmt: skip


def _seconds(length_s: float) -> Mono:
    return np.arange(int(length_s * RATE), dtype=np.float32) / np.float32(RATE)


def _decay(seconds: Mono, decay_s: float) -> Mono:
    return np.asarray(np.exp(-seconds / np.float32(decay_s)), dtype=np.float32)


def _sweep(length_s: float, from_hz: float, to_hz: float, bend_s: float, decay_s: float) -> Mono:
    seconds = _seconds(length_s)
    turns = to_hz * seconds + (from_hz - to_hz) * bend_s * (1.0 - np.exp(-seconds / bend_s))
    return np.asarray(np.sin(2 * math.pi * turns) * _decay(seconds, decay_s), dtype=np.float32)


def _noise(length_s: float, low_hz: float, high_hz: float, decay_s: float, salt: int) -> Mono:
    samples = int(length_s * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(salt).standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1.0 / RATE)
    spectrum *= 1.0 / (1.0 + (low_hz / np.maximum(hz, 1.0)) ** 4) / (1.0 + (hz / high_hz) ** 4)
    wave = np.fft.irfft(spectrum, samples)
    wave /= np.abs(wave).max() + 1e-9
    return (wave * _decay(_seconds(length_s)[:samples], decay_s)).astype(np.float32)


def _clap() -> Mono:
    wave = np.zeros(int(0.3 * RATE), dtype=np.float32)
    for number, delay_s in enumerate((0.0, 0.011, 0.023)):
        burst = _noise(0.2, 900, 6000, 0.012 if delay_s < 0.02 else 0.07, 40 + number)
        at = int(delay_s * RATE)
        wave[at : at + len(burst)] += burst * np.float32(0.6)
    return wave


def _snare() -> Mono:
    return _noise(0.3, 1200, 9000, 0.07, 50) * np.float32(0.7) + _sweep(
        0.3, 260, 180, 0.02, 0.06
    ) * np.float32(0.5)


def _taiko() -> Mono:
    return _sweep(1.2, 130, 62, 0.05, 0.35) + _noise(1.2, 80, 900, 0.03, 51) * np.float32(0.5)


_MAKERS: dict[str, Callable[[], Mono]] = {
    "kick": lambda: _sweep(0.4, 170, 50, 0.028, 0.13),
    "soft_kick": lambda: _sweep(0.4, 110, 52, 0.03, 0.11),
    "deep": lambda: _sweep(0.8, 75, 42, 0.06, 0.2),
    "taiko": _taiko,
    "tom": lambda: _sweep(0.6, 170, 95, 0.05, 0.16),
    "snare": _snare,
    "clap": _clap,
    "rim": lambda: _noise(0.12, 900, 4000, 0.02, 52) + _sweep(0.12, 900, 780, 0.01, 0.015) * np.float32(0.3),
    "brush": lambda: _noise(0.45, 1500, 7000, 0.12, 53),
    "shaker": lambda: _noise(0.12, 5000, 11000, 0.025, 54),
    "hat": lambda: _noise(0.25, 6500, 14000, 0.06, 55),
    "tick": lambda: _noise(0.08, 7000, 14000, 0.018, 56),
    "crash": lambda: _noise(2.2, 2500, 12000, 0.6, 57),
}


@lru_cache(maxsize=32)
def drum(name: str) -> Mono:
    """Return one stroke of the named drum at full strength; it begins and ends at zero."""
    wave = _MAKERS[name]()
    wave[:_EDGE] *= np.linspace(0.0, 1.0, _EDGE, dtype=np.float32)
    tail = min(len(wave) // 4, 2400)
    wave[-tail:] *= np.linspace(1.0, 0.0, tail, dtype=np.float32)
    return wave
