"""Modes: the dying sines that strings, bars, plates and skins ring with, summed by one matrix product."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
HIGHEST_HZ = 16_000.0

Sound = NDArray[np.float32]  # (samples,), or both sides: (2, samples)
Floats = NDArray[np.floating[Any]]
Complex = NDArray[np.complexfloating[Any, Any]]

_COLUMNS = 512
_SILENT = 6.5  # time constants until a mode has fallen by 56 dB


@dataclass(frozen=True, slots=True)
class Resonance:
    """A peak of a body or a mouth: where (Hz), how narrow (Q), how much it adds to the plain level 1."""

    hz: float
    q: float
    gain: float


Body = tuple[Resonance, ...]


def resonate(body: Body, hz: Floats) -> Floats:
    """Return the gain of a body at each frequency: 1 plus what its resonances add."""
    gain = np.ones(len(hz))
    for peak in body:
        off = peak.q * (hz / peak.hz - peak.hz / np.maximum(hz, 1.0))
        gain += peak.gain / np.sqrt(1.0 + off * off)
    return gain


def ring(
    hz: Floats, decay_s: Floats, strength: Floats, length_s: float, turns: Floats | None = None
) -> Sound:
    """Return the sum of dying sines, (samples,): frequency, time to 1/e (s), strength, phase in turns."""
    phase = np.zeros(len(hz)) if turns is None else turns
    loudest = float(np.abs(strength).max(initial=1e-9))
    heard = (hz > 15.0) & (hz < HIGHEST_HZ) & (np.abs(strength) > 1e-5 * loudest)
    samples = max(1, int(length_s * RATE))
    # High modes die first: the rest of the sound is made without them.
    needed_s = decay_s * np.maximum(0.0, np.log(np.maximum(np.abs(strength) / loudest, 1e-9)) + _SILENT)
    sound = np.zeros(samples, dtype=np.float32)
    longer_s = length_s
    for shorter_s in (0.35 * length_s, 0.12 * length_s, 0.0):
        of_these = heard & (needed_s > shorter_s) & ((needed_s <= longer_s) | (longer_s == length_s))
        if of_these.any():
            end = min(samples, int(longer_s * RATE))
            speed = (2j * math.pi * hz[of_these] - 1.0 / decay_s[of_these]) / RATE
            start = strength[of_these] * np.exp(2j * math.pi * (phase[of_these] - 0.25))
            sound[:end] += _powers(speed, start, end)
        longer_s = shorter_s
    return sound


def _powers(speed: Complex, start: Complex, samples: int) -> Sound:
    """Return the real part of the sum of `start` · e^(`speed` n) for each sample n.

    Sample n = 512 r + c is e^(512 r) · e^c: all of them are one matrix product.
    """
    rows = -(-samples // _COLUMNS)
    down = np.exp(np.outer(np.arange(rows) * _COLUMNS, speed)) * start
    across = np.exp(np.outer(speed, np.arange(_COLUMNS)))
    left = np.concatenate((down.real, -down.imag), axis=1).astype(np.float32)
    right = np.concatenate((across.real, across.imag)).astype(np.float32)
    return np.asarray((left @ right).reshape(-1)[:samples], dtype=np.float32)


def longest_s(decay_s: Floats, strength: Floats, limit_s: float) -> float:
    """Return after how many seconds all modes have died away, `limit_s` at most."""
    loud = np.abs(strength) / max(1e-9, float(np.abs(strength).max(initial=0.0)))
    needed = decay_s * np.maximum(0.0, np.log(np.maximum(loud, 1e-9)) + _SILENT)
    return float(min(limit_s, max(0.05, needed.max(initial=0.0))))


def soften_edges(sound: Sound, rise_s: float = 0.001, fall_s: float = 0.03) -> Sound:
    """Let a sound begin and end at zero, in place."""
    samples = sound.shape[-1]
    rise, fall = min(int(rise_s * RATE), samples), min(int(fall_s * RATE), samples // 2)
    sound[..., :rise] *= 0.5 - 0.5 * np.cos(np.linspace(0, math.pi, rise, dtype=np.float32))
    sound[..., samples - fall :] *= 0.5 + 0.5 * np.cos(np.linspace(0, math.pi, fall, dtype=np.float32))
    return sound


def noise(length_s: float, low_hz: float, high_hz: float, rng: np.random.Generator) -> Sound:
    """Return noise between two frequencies (12 dB an octave outside), of RMS 1."""
    samples = max(2, int(length_s * RATE))
    size = quick_size(samples)
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hz = np.fft.rfftfreq(size, 1.0 / RATE)
    spectrum /= np.sqrt((1.0 + (low_hz / np.maximum(hz, 1.0)) ** 4) * (1.0 + (hz / high_hz) ** 4))
    wave = np.fft.irfft(spectrum, size)[:samples]
    return np.asarray(wave / (np.sqrt(np.mean(wave**2)) + 1e-9), dtype=np.float32)


def quick_size(samples: int) -> int:
    """Return how many samples to transform instead: prime numbers of them take a hundred times as long."""
    return -(-samples // 2048) * 2048


def dying(samples: int, decay_s: float) -> Sound:
    """Return an envelope that falls to 1/e within `decay_s`."""
    return np.asarray(np.exp(np.arange(samples, dtype=np.float32) * np.float32(-1.0 / (decay_s * RATE))))


def frequency_hz(pitch: float) -> float:
    """Return the frequency of a MIDI note number."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))
