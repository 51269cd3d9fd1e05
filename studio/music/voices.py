"""The instruments: sums of harmonics in bands that fade at their own pace, with soft envelopes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
Mono = NDArray[np.float32]
Stereo = NDArray[np.float32]

_TABLE = 4096
_HIGHEST_HZ = 15_000.0
_HELD = math.inf


@dataclass(frozen=True, slots=True)
class Band:
    """Harmonics (number, strength) that decay together; `decay_s` is the time to fall to 1/e."""

    harmonics: tuple[tuple[int, float], ...]
    decay_s: float = _HELD


@dataclass(frozen=True, slots=True)
class Voice:
    """One instrument: its bands, its envelope (s), its width (cents between left and right), its vibrato."""

    bands: tuple[Band, ...]
    attack_s: float = 0.005
    release_s: float = 0.12
    width_cents: float = 0.0
    vibrato_cents: float = 0.0
    level: float = 1.0


def _saw(first: int, last: int, slope: float = 1.0) -> tuple[tuple[int, float], ...]:
    return tuple((n, 1.0 / n**slope) for n in range(first, last + 1))


def _odd(last: int, slope: float = 1.0) -> tuple[tuple[int, float], ...]:
    return tuple((n, 1.0 / n**slope) for n in range(1, last + 1, 2))


VOICES: dict[str, Voice] = {
    "rhodes": Voice((Band(((1, 1.0), (2, 0.25)), 1.3), Band(((4, 0.14), (7, 0.1)), 0.22)), 0.006, 0.2, 4.0),
    "piano": Voice(
        (
            Band(((1, 1.0), (2, 0.5)), 1.5), Band(((3, 0.3), (4, 0.2), (5, 0.12)), 0.7),
            Band(_saw(6, 12), 0.18),
        ),
        0.004, 0.22, 3.0,
    ),
    "ukulele": Voice((Band(((1, 1.0), (2, 0.6)), 0.38), Band(_saw(3, 9, 1.2), 0.16)), 0.003, 0.08, 5.0),
    "guitar": Voice(
        (Band(((1, 1.0), (2, 0.7), (3, 0.3)), 0.9), Band(_saw(4, 12, 1.3), 0.25)), 0.004, 0.2, 4.0,
    ),
    "harp": Voice((Band(((1, 1.0), (2, 0.3)), 1.1), Band(((3, 0.2), (5, 0.1)), 0.3)), 0.004, 0.4, 6.0),
    "vibes": Voice((Band(((1, 1.0),), 1.4), Band(((4, 0.2), (10, 0.04)), 0.25)), 0.005, 0.3, 3.0, 4.0),
    "bells": Voice((Band(((1, 1.0), (2, 0.1)), 0.7), Band(((4, 0.3), (9, 0.1)), 0.2)), 0.003, 0.2, 4.0),
    "glass": Voice((Band(((1, 1.0), (3, 0.12)), 1.6), Band(((5, 0.1), (8, 0.06)), 0.5)), 0.02, 0.6, 8.0, 5.0),
    "strings": Voice((Band(_saw(1, 9, 1.25)),), 0.35, 0.5, 14.0, 6.0, 0.55),
    "spiccato": Voice((Band(_saw(1, 4), 0.3), Band(_saw(5, 14), 0.14)), 0.012, 0.08, 10.0, 0.0, 0.9),
    "low_strings": Voice((Band(_saw(1, 10, 1.1), 2.5),), 0.03, 0.2, 8.0, 0.0, 0.9),
    "horn": Voice(
        (Band(((1, 1.0), (2, 0.8), (3, 0.6), (4, 0.35), (5, 0.2), (6, 0.1))),), 0.07, 0.25, 6.0, 5.0, 0.6,
    ),
    "flute": Voice((Band(((1, 1.0), (2, 0.22), (3, 0.08), (4, 0.02)),),), 0.06, 0.16, 2.0, 9.0, 0.8),
    "stab": Voice((Band(_saw(1, 5), 0.35), Band(_saw(6, 20), 0.16)), 0.004, 0.08, 18.0, 0.0, 0.8),
    "saw_lead": Voice((Band(_saw(1, 6), 1.2), Band(_saw(7, 22), 0.4)), 0.006, 0.1, 14.0, 5.0, 0.55),
    "crunch": Voice((Band(_saw(1, 8, 0.8), 0.9), Band(_saw(9, 24, 0.9), 0.35)), 0.005, 0.07, 16.0, 0.0, 0.5),
    "saw_pad": Voice((Band(_saw(1, 10, 1.1)),), 0.12, 0.25, 20.0, 0.0, 0.4),
    "choir": Voice((Band(((1, 1.0), (2, 0.7), (3, 0.3), (5, 0.12), (6, 0.08)),),), 0.6, 0.8, 16.0, 9.0, 0.6),
    "hollow": Voice((Band(_odd(9, 1.4)),), 0.3, 0.6, 9.0, 8.0, 0.6),
    "glass_pad": Voice((Band(((1, 1.0), (2, 0.25), (3, 0.2), (5, 0.05)),),), 0.5, 0.9, 18.0, 5.0, 0.6),
    "upright": Voice((Band(((1, 1.0), (2, 0.5), (3, 0.2)), 0.6), Band(_saw(4, 8), 0.08)), 0.006, 0.1),
    "round": Voice((Band(((1, 1.0), (2, 0.6), (3, 0.25), (4, 0.1)), 0.7),), 0.006, 0.07),
    "saw_bass": Voice((Band(((1, 1.0), (2, 0.5)), 1.5), Band(_saw(3, 14, 1.1), 0.2)), 0.005, 0.05),
    "sub": Voice((Band(((1, 1.0), (2, 0.3), (3, 0.08)),),), 0.05, 0.3, 0.0, 0.0, 0.9),
    "drone": Voice((Band(((1, 1.0), (2, 0.6), (3, 0.3), (4, 0.1)),),), 0.15, 0.5, 9.0, 3.0, 0.8),
}  # fmt: skip


@lru_cache(maxsize=512)
def _table(harmonics: tuple[tuple[int, float], ...], highest: int) -> Mono:
    phase = np.arange(_TABLE) * (2 * math.pi / _TABLE)
    wave = np.zeros(_TABLE)
    for number, strength in harmonics:
        if number <= highest:
            wave += strength * np.sin(number * phase)
    return wave.astype(np.float32)


def tone(voice: Voice, frequency_hz: float, hold_s: float) -> Stereo:
    """Return one note, (samples, 2), held for `hold_s` and released; it begins and ends at zero."""
    samples = int((hold_s + voice.release_s) * RATE)
    seconds = np.arange(samples, dtype=np.float32) / np.float32(RATE)
    envelope = _envelope(voice, hold_s, samples)
    sides = (-1.0, 1.0) if voice.width_cents else (0.0,)
    channels = [_channel(voice, frequency_hz, side, seconds) * envelope for side in sides]
    return np.stack((channels[0], channels[-1]), axis=1)


def _channel(voice: Voice, frequency_hz: float, side: float, seconds: Mono) -> Mono:
    detuned_hz = frequency_hz * 2.0 ** (side * voice.width_cents / 2400.0)
    turns = np.arange(len(seconds), dtype=np.float64) * (detuned_hz / RATE)
    if voice.vibrato_cents:
        depth = detuned_hz * (2.0 ** (voice.vibrato_cents / 1200.0) - 1.0) / (2 * math.pi * 5.2)
        turns += depth * np.sin(2 * math.pi * 5.2 * seconds + side) * np.minimum(seconds * 2.5, 1.0)
    # 0.07 of a turn keeps the two sides from summing to a comb in mono.
    index = ((turns + 0.07 * (side + 1.0)) * _TABLE).astype(np.int64) & (_TABLE - 1)
    highest = max(1, int(_HIGHEST_HZ / frequency_hz))
    wave = np.zeros(len(seconds), dtype=np.float32)
    for band in voice.bands:
        part = _table(band.harmonics, highest)[index]
        wave += part if band.decay_s == _HELD else part * np.exp(seconds * np.float32(-1.0 / band.decay_s))
    return wave


def _envelope(voice: Voice, hold_s: float, samples: int) -> Mono:
    attack = min(int(voice.attack_s * RATE), samples // 2)
    release = min(int(voice.release_s * RATE), samples - attack)
    envelope = np.ones(samples, dtype=np.float32)
    envelope[:attack] = 0.5 - 0.5 * np.cos(np.linspace(0, math.pi, attack))
    envelope[samples - release :] *= 0.5 + 0.5 * np.cos(np.linspace(0, math.pi, release))
    return envelope * np.float32(voice.level)
