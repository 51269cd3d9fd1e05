"""Plucked and struck strings, as the modes of a stiff, lossy string on a body.

A string plucked at a point has no mode with a node there; what its body answers weighs each mode; each mode
moves in two directions that die away at different speeds (Fletcher and Rossing, The Physics of Musical
Instruments, chapters 2, 9 and 12; Weinreich 1977 for the piano's coupled strings).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from studio.music.modes import (
    HIGHEST_HZ,
    RATE,
    Body,
    Floats,
    Resonance,
    Sound,
    dying,
    frequency_hz,
    longest_s,
    noise,
    quick_size,
    resonate,
    ring,
    soften_edges,
)
from studio.music.tones import Tone, one_side

_MIDDLE_HZ = 220.0

GUITAR_BODY = (
    Resonance(104, 7, 1.6), Resonance(207, 9, 1.8), Resonance(395, 10, 1.2), Resonance(620, 8, 0.7),
    Resonance(1150, 4, 0.7), Resonance(2600, 2, 0.9),
)  # fmt: skip
UKULELE_BODY = (
    Resonance(255, 7, 1.6), Resonance(410, 9, 1.8), Resonance(790, 8, 1.0), Resonance(1500, 3, 0.8),
    Resonance(2900, 2, 0.8),
)  # fmt: skip
VIOLIN_BODY = (
    Resonance(275, 12, 1.4), Resonance(460, 12, 1.6), Resonance(545, 12, 1.4), Resonance(1100, 4, 0.6),
    Resonance(2500, 2, 1.6),
)  # fmt: skip
BASS_BODY = (Resonance(62, 4, 0.5), Resonance(110, 6, 1.0), Resonance(220, 6, 0.8), Resonance(750, 2, 0.8))
HARP_BODY = (Resonance(170, 4, 0.8), Resonance(340, 5, 0.7), Resonance(1800, 2, 0.5))


@dataclass(frozen=True, slots=True)
class Plucked:
    """A plucked string: its body, how long it rings at 220 Hz (s), where it is plucked, how bright.

    `loss` is how much faster a mode at 1 kHz dies than the lowest (1/s). `soft_hz` and `hard_hz` are where
    the spectrum of the softest and of the hardest stroke falls off. `pickup` is the place of an electric
    one's pickup (0: none). `drive` above 0 overdrives an amplifier. `knock` is the body, `scrape` the nail.
    """

    body: Body
    ring_s: float
    loss: float
    place: float
    soft_hz: float
    hard_hz: float
    stiffness: float = 0.0001
    knock: float = 0.12
    scrape: float = 0.04
    pickup: float = 0.0
    drive: float = 0.0
    release_s: float = 0.12
    longest_s: float = 5.0

    def tone(self, pitch: int, force: float, length_s: float = math.inf) -> Tone:
        """Return at most `length_s` of the tone of a MIDI note, plucked with `force` (0 … 1)."""
        base_hz = frequency_hz(pitch)
        rng = np.random.default_rng(pitch)
        number = np.arange(1, max(2, min(90, int(HIGHEST_HZ / base_hz))) + 1, dtype=np.float64)
        hz = base_hz * number * np.sqrt((1.0 + self.stiffness * number**2) / (1.0 + self.stiffness))
        edge_hz = self.soft_hz * (self.hard_hz / self.soft_hz) ** force
        strength = np.abs(np.sin(math.pi * number * self.place)) / number
        strength *= 1.0 / (1.0 + (hz / edge_hz) ** 2) * resonate(self.body, hz)
        if self.pickup:
            strength *= 0.15 + np.abs(np.sin(math.pi * number * self.pickup))
        strength /= np.sqrt(1.0 + (58.0 / hz) ** 4)  # no body answers below
        decay_s = 1.0 / (1.0 / self._decay_s(base_hz) + self.loss * (hz / 1000.0) ** 1.5 * 0.25)
        hz = np.concatenate((hz, hz * (1.0 + 0.0006 * rng.uniform(0.3, 1.0, len(hz)))))
        strength = np.concatenate((strength, 0.35 * strength))
        decay_s = np.concatenate((decay_s, 1.9 * decay_s))
        length_s = longest_s(decay_s, strength, min(length_s, self.longest_s))
        sound = ring(hz, decay_s, strength, length_s)
        sound += self._strike(len(sound), force, edge_hz, rng) * np.float32(np.abs(sound[:4800]).max())
        if self.drive:
            sound = _overdrive(sound, self.drive * (0.5 + 0.5 * force))
        return Tone(one_side(soften_edges(sound, 0.0015)), self.release_s)

    def _decay_s(self, base_hz: float) -> float:
        return float(self.ring_s * (_MIDDLE_HZ / base_hz) ** 0.45)

    def _strike(self, samples: int, force: float, edge_hz: float, rng: np.random.Generator) -> Sound:
        """Return the knock on the body and the scrape of what plucks."""
        whole = np.zeros(samples, dtype=np.float32)
        at = min(samples, int(0.09 * RATE))
        if self.knock and self.body:
            hz = np.array([peak.hz for peak in self.body])
            knock = ring(hz, 6.0 / (math.pi * hz) + 0.012, 1.0 / np.sqrt(hz), at / RATE + 0.001)[:at]
            whole[:at] += knock * np.float32(self.knock * (0.5 + force) / (np.abs(knock).max() + 1e-9))
        scrape = noise(0.03, 0.5 * edge_hz, 3.0 * edge_hz, rng)[:at]
        end = min(len(scrape), samples)
        whole[:end] += scrape[:end] * dying(end, 0.004) * np.float32(self.scrape * (0.3 + force))
        return whole


def _overdrive(sound: Sound, drive: float) -> Sound:
    """Return what a valve amplifier and its loudspeaker make of a sound: squashed, no bass, no hiss."""
    level = np.abs(sound).max() + 1e-9
    driven = np.tanh(sound / level * np.float32(1.0 + 11.0 * drive) + np.float32(0.15))
    size = quick_size(len(driven))
    spectrum = np.fft.rfft(driven - driven.mean(), size)
    hz = np.fft.rfftfreq(size, 1.0 / RATE)
    cabinet = 1.0 / (1.0 + (90.0 / np.maximum(hz, 1.0)) ** 4) / np.sqrt(1.0 + (hz / 4200.0) ** 8)
    cabinet *= resonate((Resonance(120, 2, 0.5), Resonance(2700, 1.5, 1.0)), hz)
    return np.asarray(np.fft.irfft(spectrum * cabinet, size)[: len(driven)], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Piano:
    """Struck strings, one to three a note, coupled by the bridge; the soft pedal is no part of it."""

    release_s: float = 0.22
    longest_s: float = 6.0

    def tone(self, pitch: int, force: float, length_s: float = math.inf) -> Tone:
        """Return at most `length_s` of the tone of a MIDI note, struck with `force` (0 … 1)."""
        base_hz = frequency_hz(pitch)
        rng = np.random.default_rng(1000 + pitch)
        stiffness = 1e-4 * math.exp(0.085 * max(0, pitch - 45)) if pitch > 45 else 1.6e-4
        number = np.arange(1, max(2, min(70, int(12_000 / base_hz))) + 1, dtype=np.float64)
        hz = base_hz * number * np.sqrt((1.0 + stiffness * number**2) / (1.0 + stiffness))
        hz = hz[hz < HIGHEST_HZ]
        number = number[: len(hz)]
        # A harder felt is a brighter one; high notes have harder and lighter hammers.
        edge_hz = (520.0 + 2.2 * base_hz) * 2.6**force
        strength = (0.12 + np.abs(np.sin(math.pi * number / 7.7))) / number**0.6
        strength *= np.exp(-((hz / edge_hz) ** 0.85)) * _soundboard(hz)
        decay_s = 1.0 / (0.28 * (base_hz / 261.6) ** 0.85 + 0.33 * (hz / 1000.0) ** 1.2)
        length_s = longest_s(decay_s * 1.7, strength, min(length_s, self.longest_s))
        left, right = (
            self._side(hz, strength, decay_s, force, pitch, side, length_s, rng) for side in (-1.0, 1.0)
        )
        return Tone(soften_edges(np.stack((left, right)), 0.0012), self.release_s)

    def _side(
        self, hz: Floats, strength: Floats, decay_s: Floats, force: float, pitch: int, side: float,
        length_s: float, rng: np.random.Generator,
    ) -> Sound:  # fmt: skip
        """Return what is heard on one side: all strings of the note, and the hammer."""
        strings = 1 if pitch < 36 else 2 if pitch < 48 else 3
        cents = np.array(((0.0,), (-0.5, 0.6), (-0.9, 0.1, 0.8))[strings - 1]) * 0.9
        # Together they give their energy to the bridge quickly; what is out of step rings on (Weinreich).
        lasting = np.array(((0.35,), (0.35, 0.3), (0.45, 0.2, 0.25))[strings - 1])
        tilt = 10.0 ** (side * rng.normal(0.0, 0.05, len(hz)) + side * (pitch - 62) * 0.003)
        hz_all, strength_all, decay_all = [hz], [strength * tilt], [decay_s * 0.55]
        for cent, share in zip(cents, lasting, strict=True):
            hz_all.append(hz * 2.0 ** (cent / 1200.0))
            strength_all.append(strength * tilt * share)
            decay_all.append(decay_s * 1.7)
        all_hz, all_strength = np.concatenate(hz_all), np.concatenate(strength_all)
        all_decay = np.concatenate(decay_all)
        sound = ring(all_hz, all_decay, all_strength, length_s)
        knock = noise(0.12, 90.0, 900.0 + 1500.0 * force, np.random.default_rng(pitch % 5 + 7))
        end = min(len(knock), len(sound))
        level = np.abs(sound[: RATE // 10]).max() * (0.035 + 0.05 * force)
        sound[:end] += knock[:end] * dying(end, 0.018) * np.float32(level)
        return sound


def _soundboard(hz: Floats) -> Floats:
    """Return how well the board radiates: little below 90 Hz, uneven above, always the same."""
    waves = np.sin(hz / 37.0) + np.sin(hz / 91.0 + 1.0) + np.sin(hz / 233.0 + 2.0)
    return np.asarray(10.0 ** (0.06 * waves) / (1.0 + (75.0 / np.maximum(hz, 1.0)) ** 2))
