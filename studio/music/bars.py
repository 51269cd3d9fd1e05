"""Struck bars, tubes and tines: marimba to music box, and the electric piano."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from studio.music.modes import RATE, dying, frequency_hz, longest_s, noise, ring, soften_edges
from studio.music.tones import Tone, one_side

_MIDDLE_HZ = 440.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A struck bar: its modes as (multiple of the lowest, strength, share of the lowest one's decay).

    `ring_s` is the decay of the lowest mode to 1/e at 440 Hz. A soft mallet leaves out what is above
    `soft_hz`, a hard one what is above `hard_hz`. `tremolo` turns at 5 Hz, as the discs of a vibraphone.
    """

    modes: tuple[tuple[float, float, float], ...]
    ring_s: float
    soft_hz: float
    hard_hz: float
    click: float = 0.05
    tremolo: float = 0.0
    release_s: float = 0.4
    longest_s: float = 5.0
    slope: float = 0.6

    def tone(self, pitch: int, force: float, length_s: float = math.inf) -> Tone:
        """Return at most `length_s` of the tone of a MIDI note, struck with `force` (0 … 1)."""
        base_hz = frequency_hz(pitch)
        ratio, strength, share = (np.array(column) for column in zip(*self.modes, strict=True))
        rng = np.random.default_rng(pitch)
        hz = base_hz * ratio * (1.0 + rng.normal(0.0, 0.0006, len(ratio)) * (ratio > 1.0))
        edge_hz = self.soft_hz * (self.hard_hz / self.soft_hz) ** force
        strength = strength / (1.0 + (hz / edge_hz) ** 2)
        decay_s = self.ring_s * share * (_MIDDLE_HZ / base_hz) ** self.slope
        # Two ends of a bar are never alike: a slow beat between them, and some width.
        hz = np.concatenate((hz, hz * 1.0005))
        strength = np.concatenate((0.7 * strength, 0.3 * strength))
        decay_s = np.concatenate((decay_s, decay_s))
        mono = ring(hz, decay_s, strength, longest_s(decay_s, strength, min(length_s, self.longest_s)))
        click = noise(0.02, 0.4 * edge_hz, 2.0 * edge_hz, rng)
        end = min(len(click), len(mono))
        level = self.click * (0.4 + 0.6 * force) * float(np.abs(mono).max())
        mono[:end] += click[:end] * dying(end, 0.003) * np.float32(level)
        sound = one_side(soften_edges(mono, 0.0007))
        if self.tremolo:
            sound = np.concatenate((sound, sound))
            turn = np.sin(np.arange(sound.shape[1], dtype=np.float32) * np.float32(2 * math.pi * 5.0 / RATE))
            sound[0] *= 1.0 + np.float32(self.tremolo) * turn
            sound[1] *= 1.0 - np.float32(self.tremolo) * turn
        return Tone(sound, self.release_s)


@dataclass(frozen=True, slots=True)
class Tine:
    """An electric piano: a struck tine before a pickup, which answers the more unevenly the harder it is."""

    ring_s: float = 1.7
    bell: float = 0.16
    longest_s: float = 4.5
    release_s: float = 0.18

    def tone(self, pitch: int, force: float, length_s: float = math.inf) -> Tone:
        """Return at most `length_s` of the tone of a MIDI note, struck with `force` (0 … 1)."""
        base_hz = frequency_hz(pitch)
        decay_s = self.ring_s * (220.0 / base_hz) ** 0.5
        hz = base_hz * np.array((1.0, 1.0012, 7.11, 20.2))
        decays = np.array((decay_s, 0.6 * decay_s, 0.22 * decay_s**0.5, 0.03))
        strength = np.array((0.8, 0.2, self.bell * (0.35 + force), 0.05 * force))
        length_s = longest_s(decays, strength, min(length_s, self.longest_s))
        tine = ring(hz[:2], decays[:2], strength[:2], length_s)
        # The field of a magnet beside the tip: uneven, so that every harmonic comes in with the force.
        swing = tine * np.float32(0.35 + 0.65 * force)
        heard = swing / (1.0 + 0.55 * swing) ** 2
        bell = ring(hz[2:], decays[2:], strength[2:], length_s)
        knock = noise(0.05, 150.0, 1500.0, np.random.default_rng(pitch))
        sound = heard - heard.mean() + bell
        end = min(len(knock), len(sound))
        sound[:end] += knock[:end] * dying(end, 0.008) * np.float32(0.03 * (0.5 + force))
        stereo = np.stack([soften_edges(sound, 0.002)] * 2)
        turn = np.sin(np.arange(stereo.shape[1], dtype=np.float32) * np.float32(2 * math.pi * 4.1 / RATE))
        stereo[0] *= 1.0 + np.float32(0.18) * turn
        stereo[1] *= 1.0 - np.float32(0.18) * turn
        return Tone(stereo, self.release_s)
