"""Drums, cymbals and hand percussion: skins and plates as modes, wires and shells as shaped noise.

Every drum has three forces and three takes of each, which differ a little as two strokes of a hand do. The
modes of a skin follow those of a round membrane (1, 1.59, 2.14, 2.30 …), of a cymbal a dense row of plate
modes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from studio.music.modes import RATE, Floats, Sound, dying, noise, ring, soften_edges
from studio.music.tones import one_side

TAKES = 3

Random = np.random.Generator
_SKIN = np.array((1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.5))


def _sweep(length_s: float, from_hz: float, to_hz: float, bend_s: float, decay_s: float) -> Sound:
    """Return a sine that falls from one frequency to another, as a skin does when it is struck hard."""
    seconds = np.arange(int(length_s * RATE), dtype=np.float32) / np.float32(RATE)
    turns = to_hz * seconds + (from_hz - to_hz) * bend_s * (1.0 - np.exp(-seconds / bend_s))
    return np.asarray(np.sin(2 * math.pi * turns) * np.exp(-seconds / decay_s), dtype=np.float32)


def _burst(length_s: float, low_hz: float, high_hz: float, decay_s: float, rng: Random) -> Sound:
    """Return noise that dies away."""
    wave = noise(length_s, low_hz, high_hz, rng)
    return np.asarray(wave * dying(len(wave), decay_s), dtype=np.float32)


def _sum(*parts: tuple[float, Sound]) -> Sound:
    """Add sounds that begin together, each with its level."""
    whole = np.zeros(max(len(sound) for _, sound in parts), dtype=np.float32)
    for level, sound in parts:
        whole[: len(sound)] += sound * np.float32(level)
    return whole


def _skin(hz: float, decay_s: float, force: float, rng: Random, *, length_s: float) -> Sound:
    """Return a struck skin: its upper modes die first, and are the louder the harder the stroke."""
    count = len(_SKIN)
    strength = np.exp(-np.arange(count) * (1.3 - 0.9 * force)) * rng.uniform(0.8, 1.2, count)
    decay = decay_s / (1.0 + 0.55 * np.arange(count))
    return ring(hz * _SKIN * rng.uniform(0.995, 1.005), decay, strength, length_s)


def _plate(
    low_hz: float, high_hz: float, count: int, decay_s: float, tilt: float, length_s: float, rng: Random
) -> Sound:
    """Return a struck cymbal: a dense row of modes, the higher the shorter."""
    hz: Floats = np.sort(low_hz * (high_hz / low_hz) ** rng.random(count))
    strength = rng.normal(0.0, 1.0, count) * (hz / 3000.0) ** tilt
    decay = decay_s * (3000.0 / hz) ** 0.5
    wave = ring(hz, decay, strength, length_s, rng.random(count))
    return np.asarray(wave / (np.abs(wave[: RATE // 4]).max() + 1e-9), dtype=np.float32)


def _kick(force: float, rng: Random) -> Sound:
    body = _sweep(0.45, 130.0 + 50.0 * force, 63.0, 0.02, 0.085)
    shell = _skin(98.0, 0.06, 0.6, rng, length_s=0.3)
    return _sum(
        (0.7, body),
        (0.25, shell),
        (0.10 + 0.16 * force, _burst(0.03, 1800, 6500, 0.005, rng)),
        (0.10, _burst(0.09, 150, 700, 0.02, rng)),
    )


def _sub_drop(force: float, rng: Random) -> Sound:
    return _sum((0.9, _sweep(2.6, 90.0, 32.0, 0.5, 0.8)), (0.05, _burst(0.2, 200, 1500, 0.04, rng)))


def _snare(force: float, rng: Random) -> Sound:
    head = _skin(188.0 + 8.0 * force, 0.075, force, rng, length_s=0.35)
    wires = _burst(0.38, 1300, 6000 + 5000 * force, 0.055 + 0.05 * force, rng)
    stick = _burst(0.02, 2500, 9000, 0.003, rng)
    return _sum((0.42, head), (0.17, wires), (0.10 * force, stick))


def _rim(force: float, rng: Random) -> Sound:
    hz = np.array((480.0, 1680.0, 2510.0, 3900.0)) * rng.uniform(0.99, 1.01)
    wood = ring(hz, np.array((0.03, 0.016, 0.012, 0.007)), np.array((0.5, 1.0, 0.6, 0.3 * force)), 0.15)
    return _sum((0.45, wood), (0.05, _burst(0.03, 1500, 8000, 0.004, rng)))


def _clap(force: float, rng: Random) -> Sound:
    wave = np.zeros(int(0.4 * RATE), dtype=np.float32)
    for delay_s, decay_s, level in (
        (0.0, 0.004, 0.7),
        (0.009, 0.004, 0.8),
        (0.019, 0.005, 0.9),
        (0.028, 0.07, 1.0),
    ):
        at = int((delay_s * rng.uniform(0.9, 1.1)) * RATE)
        burst = _burst(0.3, 850, 3500 + 3500 * force, decay_s, rng)
        wave[at : at + len(burst)] += burst * np.float32(0.16 * level)
    return wave


def _hat_of(decay_s: float, length_s: float) -> Callable[[float, Random], Sound]:
    def hat(force: float, rng: Random) -> Sound:
        plate = _plate(3200, 15_500, 110, decay_s, 0.25, length_s, rng)
        air = _burst(length_s, 6000, 14_000, 0.7 * decay_s, rng)
        tip = _burst(0.01, 4000, 12_000, 0.002, rng)
        return _sum((0.22, plate), (0.05 + 0.04 * force, air), (0.08 * force, tip))

    return hat


def _pedal_hat(force: float, rng: Random) -> Sound:
    return _sum(
        (0.16, _plate(2500, 12_000, 80, 0.03, 0.0, 0.15, rng)), (0.04, _burst(0.08, 400, 3000, 0.01, rng))
    )


def _ride(force: float, rng: Random) -> Sound:
    ping = np.array((1120.0, 1890.0, 2950.0, 4020.0, 5170.0, 6800.0, 8300.0)) * rng.uniform(0.998, 1.002)
    bell = ring(ping, 0.5 * (3000.0 / ping) ** 0.4, np.array((0.3, 0.5, 0.8, 1.0, 0.8, 0.6, 0.4)), 2.2)
    wash = _plate(700, 14_500, 180, 0.55, 0.05, 1.8, rng)
    return _sum(
        (0.05, bell),
        (0.12 + 0.06 * force, wash),
        (0.05 + 0.05 * force, _burst(0.02, 4000, 13_000, 0.003, rng)),
    )


def _crash(force: float, rng: Random) -> Sound:
    plate = _plate(330, 15_000, 240, 0.9, 0.1, 2.8, rng)
    seconds = np.arange(len(plate), dtype=np.float32) / np.float32(RATE)
    plate *= 0.45 + 0.55 * np.minimum(seconds / 0.05, 1.0)  # a plate takes time to fill with high modes
    return _sum(
        (0.42, plate), (0.10, _burst(1.2, 3500, 13_000, 0.22, rng)), (0.1, _burst(0.05, 300, 2500, 0.01, rng))
    )


def _cymbal_swell(force: float, rng: Random) -> Sound:
    plate = _plate(500, 14_000, 160, 1.4, 0.0, 4.0, rng)
    rolled = noise(4.0, 300, 9000, rng)
    seconds = np.arange(len(plate), dtype=np.float32) / np.float32(RATE)
    swell = np.where(seconds < 2.0, (seconds / 2.0) ** 2.4, np.exp(-(seconds - 2.0) / 0.55))
    return np.asarray((0.03 * plate + 0.13 * rolled[: len(plate)]) * swell, dtype=np.float32)


def _riser(force: float, rng: Random) -> Sound:
    samples = int(4.0 * RATE)
    seconds = np.arange(samples, dtype=np.float32) / np.float32(RATE)
    share = seconds / 4.0
    low, high = noise(4.0, 300, 1500, rng), noise(4.0, 2500, 11_000, rng)
    wave = (low * (1.0 - share) + high * share) * share**2
    wave[-int(0.06 * RATE) :] *= np.linspace(1.0, 0.0, int(0.06 * RATE), dtype=np.float32)
    return np.asarray(0.16 * wave, dtype=np.float32)


def _tom_of(hz: float) -> Callable[[float, Random], Sound]:
    def tom(force: float, rng: Random) -> Sound:
        body = _sweep(0.9, hz * (1.15 + 0.2 * force), hz, 0.035, 0.19 * (110.0 / hz) ** 0.3)
        return _sum(
            (0.6, body),
            (0.25, _skin(hz * 1.02, 0.12, force, rng, length_s=0.6)),
            (0.06 + 0.08 * force, _burst(0.05, 800, 4500, 0.007, rng)),
        )

    return tom


def _brush(force: float, rng: Random) -> Sound:
    wave = noise(0.4, 1800, 7500 + 3000 * force, rng)
    seconds = np.arange(len(wave), dtype=np.float32) / np.float32(RATE)
    stroke = np.minimum(seconds / 0.035, 1.0) * np.exp(-seconds / np.float32(0.07))
    head = _skin(180.0, 0.05, 0.2, rng, length_s=0.2)
    return _sum((0.22, wave * stroke), (0.08, head))


def _shaker(force: float, rng: Random) -> Sound:
    wave = noise(0.16, 4500, 12_500, rng)
    seconds = np.arange(len(wave), dtype=np.float32) / np.float32(RATE)
    grains = 0.75 + 0.25 * np.repeat(rng.random(len(wave) // 64 + 1), 64)[: len(wave)]
    return np.asarray(
        0.2 * wave * grains * np.minimum(seconds / 0.022, 1.0) * np.exp(-seconds / 0.03), dtype=np.float32
    )


def _jingles(hz: tuple[float, ...], decay_s: float, length_s: float, rng: Random) -> Sound:
    """Return small metal plates that strike each other within some 30 ms."""
    whole = np.zeros(int(length_s * RATE), dtype=np.float32)
    for _ in range(7):
        modes = np.array(hz) * rng.uniform(0.97, 1.03, len(hz))
        wave = ring(
            modes, np.full(len(hz), decay_s), rng.random(len(hz)), length_s - 0.04, rng.random(len(hz))
        )
        at = int(rng.random() ** 2 * 0.03 * RATE)
        whole[at : at + len(wave)] += wave
    return whole / np.float32(np.abs(whole).max() + 1e-9)


def _tambourine(force: float, rng: Random) -> Sound:
    jingles = _jingles((4100.0, 5900.0, 7300.0, 9100.0, 11_300.0, 13_000.0), 0.07, 0.4, rng)
    return _sum(
        (0.4, jingles),
        (0.06, _burst(0.12, 5000, 13_000, 0.03, rng)),
        (0.05 * force, _burst(0.04, 300, 1800, 0.01, rng)),
    )


def _sleigh(force: float, rng: Random) -> Sound:
    return 0.4 * _jingles((3300.0, 4700.0, 5600.0, 7900.0, 9800.0, 12_100.0), 0.12, 0.6, rng)


def _cowbell(force: float, rng: Random) -> Sound:
    hz = np.array((562.0, 845.0, 1430.0, 2210.0, 3500.0)) * rng.uniform(0.997, 1.003, 5)
    return 0.3 * ring(
        hz, np.array((0.12, 0.16, 0.07, 0.05, 0.03)), np.array((0.8, 1.0, 0.5, 0.4, 0.3 * force)), 0.7
    )


def _conga_of(hz: float) -> Callable[[float, Random], Sound]:
    def conga(force: float, rng: Random) -> Sound:
        return _sum(
            (0.6, _skin(hz, 0.16, 0.35 + 0.3 * force, rng, length_s=0.7)),
            (0.08 + 0.12 * force, _burst(0.03, 900, 4500, 0.006, rng)),
        )

    return conga


def _taiko(force: float, rng: Random) -> Sound:
    body = _sweep(1.6, 104.0 + 30.0 * force, 68.0, 0.05, 0.3)
    skin = _skin(88.0, 0.3, 0.5 + 0.4 * force, rng, length_s=1.4)
    return _sum(
        (0.36, body),
        (0.32, skin),
        (0.16 + 0.2 * force, _burst(0.12, 250, 2600, 0.018, rng)),
        (0.05 + 0.08 * force, _burst(0.03, 2000, 7000, 0.006, rng)),
    )


def _timpani(force: float, rng: Random) -> Sound:
    # Its kettle brings the modes close to 1 : 1.5 : 2 : 2.5, so that it has a pitch.
    hz = 87.3 * np.array((1.0, 1.5, 1.98, 2.44, 2.9, 0.85))
    tone = ring(
        hz, np.array((0.9, 0.8, 0.5, 0.35, 0.25, 0.12)), np.array((1.0, 0.7, 0.4, 0.25, 0.15, 0.5)), 2.8
    )
    return _sum((0.45, tone), (0.06 + 0.1 * force, _burst(0.08, 150, 1400, 0.02, rng)))


_MAKERS: dict[str, Callable[[float, Random], Sound]] = {
    "kick": _kick, "sub_drop": _sub_drop, "snare": _snare,
    "rim": _rim, "clap": _clap, "hat": _hat_of(0.035, 0.3), "open_hat": _hat_of(0.28, 1.1),
    "pedal_hat": _pedal_hat, "ride": _ride, "crash": _crash, "cymbal_swell": _cymbal_swell,
    "riser": _riser, "tom_low": _tom_of(82.0), "tom_mid": _tom_of(116.0), "tom_high": _tom_of(158.0),
    "brush": _brush, "shaker": _shaker, "tambourine": _tambourine, "sleigh_bells": _sleigh,
    "cowbell": _cowbell, "conga_low": _conga_of(175.0), "conga_high": _conga_of(262.0), "taiko": _taiko,
    "timpani": _timpani,
}  # fmt: skip

DRUMS = frozenset(_MAKERS)
# A kit as it is mixed: how much each stands above or below how it was made, in dB.
_LEVELS_DB = {
    "kick": -4, "snare": -3, "tom_low": -6, "tom_mid": -6, "tom_high": -5, "taiko": -4,
    "timpani": -8, "hat": 3, "shaker": 3, "pedal_hat": 4, "open_hat": 1, "crash": 1,
    "brush": 2, "rim": 2,
}  # fmt: skip
_WIDE = frozenset(
    {"crash", "ride", "cymbal_swell", "riser", "open_hat", "clap", "tambourine", "sleigh_bells"}
)


def strike(name: str, force: float, take: int) -> Sound:
    """Return one stroke, of one or two sides by samples, of a force (0 … 1); takes differ a little."""
    seed = sum(name.encode()) * 31 + take
    sides = 2 if name in _WIDE else 1
    waves = [_MAKERS[name](force, np.random.default_rng(seed + 97 * side)) for side in range(sides)]
    wave = one_side(waves[0]) if sides == 1 else np.stack(waves)
    if sides == 2:  # not two cymbals: what is common stays in the middle
        middle = wave.mean(axis=0, keepdims=True)
        wave = np.float32(0.75) * middle + np.float32(0.5) * wave
    return soften_edges(wave * np.float32(10.0 ** (_LEVELS_DB.get(name, 0) / 20.0)), 0.0006)
