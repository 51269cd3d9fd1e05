"""Tones that last as long as they are held: bowed, blown, sung, of organs and of synthesizers.

Each player is a wave of harmonics, read at a speed that vibrato and an unsteady hand bend; bright and dark
waves are blended while a tone grows; bow, breath or air is noise of the instrument's own colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.music.modes import (
    HIGHEST_HZ,
    RATE,
    Body,
    Floats,
    Sound,
    frequency_hz,
    longest_s,
    resonate,
)
from studio.music.tones import Tone

_TABLE = 4096
_STEP = 64  # samples from one look at vibrato and hand to the next: 1.3 ms
_LOOP_FROM_S, _LOOP_S = 1.3, 2.8


@dataclass(frozen=True, slots=True)
class Sustained:
    """A tone of harmonics that fall off as number^-`slope`, shaped by a body or a mouth.

    `even` is the strength of even harmonics (a clarinet has few). `dark_hz` is where a soft tone and the
    beginning of any tone fall off, `bright_hz` a hard one. With `bloom_s` a tone grows brighter; negative, it
    is bright at first and grows dark, as a filter that closes. `decay_s` 0 lasts for ever. `players` play
    together within `detune_cents`, spread over `width` (0 … 1).
    """

    slope: float = 1.0
    even: float = 1.0
    dark_hz: float = 1500.0
    bright_hz: float = 5000.0
    body: Body = ()
    harmonics: tuple[float, ...] = ()
    players: int = 1
    detune_cents: float = 0.0
    width: float = 0.0
    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.4
    air: float = 0.0
    air_hz: tuple[float, float] = (800.0, 6000.0)
    attack_s: float = 0.06
    bloom_s: float = 0.15
    decay_s: float = 0.0
    release_s: float = 0.15
    chiff: float = 0.0

    def tone(self, pitch: int, force: float, length_s: float = math.inf) -> Tone:
        """Return at most `length_s` of the tone of a MIDI note, played with `force` (0 … 1)."""
        base_hz = frequency_hz(pitch)
        rng = np.random.default_rng(pitch * 7 + self.players)
        edge_hz = self.dark_hz * (self.bright_hz / self.dark_hz) ** (0.25 + 0.75 * force)
        dark = self._table(base_hz, self.dark_hz * (edge_hz / self.dark_hz) ** 0.25)
        bright = self._table(base_hz, edge_hz)
        looped = not self.decay_s and length_s >= _LOOP_FROM_S + _LOOP_S
        if self.decay_s:
            length_s = longest_s(np.array([self.decay_s]), np.ones(1), min(length_s, 6.0))
        length_s = min(length_s, _LOOP_FROM_S + _LOOP_S)
        samples = round(length_s * RATE)
        seconds = np.arange(samples, dtype=np.float32) / np.float32(RATE)
        blend = self._blend(seconds)
        sides = np.zeros((2 if self.width else 1, samples), dtype=np.float32)
        for player in range(self.players):
            wave = self._play(player, base_hz, dark, bright, blend, samples, rng)
            place = self.width * (2.0 * player / max(1, self.players - 1) - 1.0) if self.players > 1 else 0.0
            for side, share in zip(sides, (1.0 - place, 1.0 + place), strict=False):
                side += wave * np.float32(math.sqrt(0.5 * share))  # noqa: PLW2901 - a row of `sides`
        sides *= np.float32(1.0 / math.sqrt(self.players))
        if self.air or self.chiff:
            self._add_air(sides, force, seconds, rng)
        sides *= self._envelope(seconds, force)
        if self.decay_s:
            sides[:, -480:] *= np.linspace(1.0, 0.0, 480, dtype=np.float32)
        return Tone(sides, self.release_s, (round(_LOOP_FROM_S * RATE), samples) if looped else None)

    def _table(self, base_hz: float, edge_hz: float) -> Sound:
        return _table(self.slope, self.even, self.harmonics, self.body, round(base_hz, 3), round(edge_hz, 1))

    def _blend(self, seconds: Sound) -> Sound:
        """Return how bright the tone is at each moment, 0 … 1; it is settled when the loop begins."""
        speed = np.float32(1.0 / max(1e-3, abs(self.bloom_s)))
        gone = np.exp(-np.minimum(seconds, np.float32(_LOOP_FROM_S)) * speed)
        rest = np.exp(np.float32(-_LOOP_FROM_S) * speed)
        gone = (gone - rest) / (1.0 - rest)
        return np.asarray(gone if self.bloom_s < 0 else 1.0 - gone, dtype=np.float32)

    def _play(
        self, player: int, base_hz: float, dark: Sound, bright: Sound, blend: Sound, samples: int,
        rng: np.random.Generator,
    ) -> Sound:  # fmt: skip
        """Return the wave of one player: all that moves in it has gone full circle after the loop."""
        place = 2.0 * player / max(1, self.players - 1) - 1.0 if self.players > 1 else 0.0
        cents = self.detune_cents * 0.5 * (place + 0.25 * float(rng.standard_normal()))
        seconds = np.arange(samples // _STEP + 2) * (_STEP / RATE)
        turns = seconds * _whole_turns(base_hz * 2.0 ** (cents / 1200.0)) + float(rng.random())
        wobble = _unsteady(len(seconds), rng)
        if self.vibrato_cents:
            rate_hz = _whole_turns(self.vibrato_hz * float(rng.uniform(0.92, 1.08)))
            depth = base_hz * (2.0 ** (self.vibrato_cents / 1200.0) - 1.0) / (2 * math.pi * rate_hz)
            onset = np.clip((seconds - 0.12) * 2.2, 0.0, 1.0)
            angle = 2 * math.pi * rate_hz * seconds + rng.uniform(0.0, 6.28)
            turns += depth * onset * np.sin(angle + 0.6 * wobble) * (1.0 + 0.25 * wobble)
        index = _between(turns * _TABLE, samples).astype(np.int32) & (_TABLE - 1)
        settled = min(samples, round(_LOOP_FROM_S * RATE))
        wave = (dark if self.bloom_s < 0 else bright).take(index)
        low = dark.take(index[:settled])
        wave[:settled] = low + (bright.take(index[:settled]) - low) * blend[:settled]
        wave *= _between((1.0 + 0.06 * wobble).astype(np.float32), samples)
        return np.asarray(wave, dtype=np.float32)

    def _add_air(self, sides: Sound, force: float, seconds: Sound, rng: np.random.Generator) -> None:
        """Add the noise of bow or breath, and the burst that a tone begins with."""
        colour = np.tile(_colour(self.air_hz, self.body), -(-len(seconds) // round(_LOOP_S * RATE)))
        level = self.air * (0.6 + 0.4 * force) * float(np.sqrt(np.mean(sides**2)) + 1e-9)
        amount = level * (1.0 + self.chiff * np.exp(-seconds / np.float32(0.03)))
        for side in sides:
            first = int(rng.integers(0, len(colour)))
            np.add(side, np.roll(colour, first)[: len(seconds)] * amount, out=side)

    def _envelope(self, seconds: Sound, force: float) -> Sound:
        attack_s = self.attack_s * (1.25 - 0.5 * force)
        rise = np.clip(seconds / np.float32(attack_s), 0.0, 1.0)
        shape = 0.5 - 0.5 * np.cos(np.float32(math.pi) * rise)
        if self.decay_s:
            shape *= np.exp(-seconds / np.float32(self.decay_s))
        return np.asarray(shape, dtype=np.float32)


@lru_cache(maxsize=512)
def _table(
    slope: float, even: float, harmonics: tuple[float, ...], body: Body, base_hz: float, edge_hz: float
) -> Sound:
    """Return one turn of the wave, of RMS 1."""
    count = max(1, min(len(harmonics) or 120, int(HIGHEST_HZ / base_hz)))
    number = np.arange(1, count + 1, dtype=np.float64)
    strength = np.array(harmonics[:count]) if harmonics else number**-slope
    strength = strength * np.where(number % 2 == 0, even, 1.0)
    hz = number * base_hz
    strength *= resonate(body, hz) / (1.0 + (hz / edge_hz) ** 3) / np.sqrt(1.0 + (52.0 / hz) ** 4)
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex128)
    # Phases that do not line up: no spike in the wave, and a crest like that of real tones.
    spectrum[1 : count + 1] = strength * np.exp(2j * math.pi * (number**2) * 0.137)
    wave = np.fft.irfft(spectrum, _TABLE)
    return np.asarray(wave / (np.sqrt(np.mean(wave**2)) + 1e-12), dtype=np.float32)


@lru_cache(maxsize=24)
def _colour(band_hz: tuple[float, float], body: Body) -> Sound:
    """Return noise of a body's colour that repeats without a seam, of RMS 1."""
    samples = round(_LOOP_S * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1.0 / RATE)
    low, high = (band_hz[0] / np.maximum(hz, 1.0)) ** 4, (hz / band_hz[1]) ** 4
    wave = np.fft.irfft(spectrum * resonate(body, hz) / np.sqrt((1.0 + low) * (1.0 + high)), samples)
    return np.asarray(wave / (np.sqrt(np.mean(wave**2)) + 1e-12), dtype=np.float32)


def _whole_turns(hz: float) -> float:
    """Return the frequency nearest to `hz` that makes whole turns in a loop."""
    return round(hz * _LOOP_S) / _LOOP_S


def _unsteady(points: int, rng: np.random.Generator) -> Floats:
    """Return a slow random curve of about ±1, a value every `_STEP`, that repeats with the loop."""
    values = rng.standard_normal(round(_LOOP_S * 3.0))
    at = np.arange(points) * (len(values) * _STEP / (_LOOP_S * RATE))
    return np.asarray(np.interp(at, np.arange(len(values)), values, period=len(values)))


def _between(values: NDArray[Any], samples: int) -> NDArray[Any]:
    """Return a value for every sample, in straight lines from one of `values` to the next."""
    share = np.arange(_STEP, dtype=values.dtype) / _STEP
    lines = values[:-1, None] + np.diff(values)[:, None] * share[None, :]
    return lines.reshape(-1)[:samples]
