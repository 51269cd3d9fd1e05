"""Reads General MIDI soundfonts (SF2, and SF3 with its Vorbis samples) and plays single tones of them.

After the SoundFont 2.04 specification: a preset's zones point to instruments, whose zones point to samples;
what a preset's zone says is added to what the instrument's zone says. Played are: key and velocity ranges,
tuning, loops, attenuation, pan, the first filter's cutoff, and the volume envelope. Left out are modulators,
low-frequency oscillators and the modulation envelope.
"""

from __future__ import annotations

import io
import math
import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from studio.music.modes import RATE, Sound, quick_size, soften_edges
from studio.music.tones import Tone

USUAL_PLACES = (
    Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"), Path("/usr/share/soundfonts"),
    Path("/usr/local/share/soundfonts"), Path("/opt/homebrew/share/soundfonts"),
    Path.home() / ".local/share/soundfonts", Path.home() / "Library/Audio/Sounds/Banks",
)  # fmt: skip
NONE = "none"
DRUM_BANK = 128
_LONGEST_S = 6.0
_LOOP_AT_LEAST_S = 0.6
LONGEST_RELEASE_S = 0.7
_VORBIS = 0x10
_DIES_CENTIBELS = 400
_OPEN = 6.0  # times a tone's frequency: no filter closes further, as what would open it is left out

# Generators, by their numbers in chapter 8.1.2 of the specification.
_START, _END, _START_LOOP, _END_LOOP, _START_FAR, _END_FAR = 0, 1, 2, 3, 4, 12
_CUTOFF, _PAN, _ATTACK, _HOLD, _DECAY, _SUSTAIN, _RELEASE = 8, 17, 34, 35, 36, 37, 38
_INSTRUMENT, _KEYS, _VELOCITIES, _START_LOOP_FAR, _KEY, _VELOCITY, _ATTENUATION = 41, 43, 44, 45, 46, 47, 48
_END_LOOP_FAR, _COARSE, _FINE, _SAMPLE, _MODES, _SCALE, _ROOT = 50, 51, 52, 53, 54, 56, 58
_WHOLE = (0, 127)
_DEFAULTS = {
    _CUTOFF: 13_500, _ATTACK: -12_000, _HOLD: -12_000, _DECAY: -12_000, _RELEASE: -12_000,
    _SCALE: 100, _ROOT: -1,
}  # fmt: skip
# What is not added up between preset and instrument.
_OWN = frozenset(
    {_KEYS, _VELOCITIES, _INSTRUMENT, _SAMPLE, _MODES, _ROOT, _KEY, _VELOCITY, *range(5), 12, 45, 50}
)


class NotASoundfont(ValueError):
    """The file is no SF2 or SF3, or is damaged."""


@dataclass(frozen=True, slots=True)
class _Zone:
    """Where a zone is heard, and what it says."""

    keys: tuple[int, int]
    velocities: tuple[int, int]
    says: Mapping[int, int]

    def holds(self, key: int, velocity: int) -> bool:
        return self.keys[0] <= key <= self.keys[1] and self.velocities[0] <= velocity <= self.velocities[1]


@dataclass(frozen=True, slots=True)
class _Sample:
    """One sample's header: where it lies, its loop, its rate and its pitch (a MIDI note and cents)."""

    start: int
    end: int
    loop: tuple[int, int]
    rate: int
    pitch: int
    cents: int
    kind: int


def find_soundfont(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the soundfont to play: `DROPSCORE_SOUNDFONT` (`none`: no one), else one in the usual places."""
    named = environment.get("DROPSCORE_SOUNDFONT", "").strip()
    if named:
        return None if named.lower() == NONE else Path(named).expanduser()
    for folder in USUAL_PLACES:
        if folder.is_dir():
            fonts = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".sf2", ".sf3"})
            # Distributions link the one that was chosen as the default.
            fonts.sort(key=lambda path: not path.name.startswith("default-GM"))
            if fonts:
                return fonts[0]
    return None


class SoundFont:
    """A soundfont on disk; samples are read as they are played."""

    def __init__(self, path: Path) -> None:
        """Read the headers. Raises NotASoundfont, and OSError when the file cannot be read."""
        self.path = path
        with path.open("rb") as file:
            try:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                self._chunks = dict(_read_chunks(self._data))
                self._presets = self._read_presets()
                self._samples = self._read_samples()
            except (struct.error, KeyError, IndexError, ValueError) as exc:
                raise NotASoundfont(f"{path.name} is not a soundfont (SF2 or SF3)") from exc

    @cached_property
    def name(self) -> str:
        """Return the name that the soundfont gives itself."""
        begin, end = self._chunks.get("INAM", (0, 0))
        return self._data[begin:end].split(b"\0")[0].decode("latin-1").strip() or self.path.stem

    def has(self, bank: int, program: int, key: int = 60) -> bool:
        """Say whether there is a preset that sounds at `key`."""
        return any(self._zones(bank, program, key, 100))

    def tone(
        self, bank: int, program: int, key: int, velocity: int, length_s: float = _LONGEST_S
    ) -> Tone | None:
        """Return the tone of a preset, or None where it has none for this key and velocity (1 … 127).

        Of a tone that dies away no more than `length_s` is made.
        """
        zones = self._zones(bank, program, key, velocity)
        layers = [self._sound(sample, says, key, min(length_s, _LONGEST_S)) for sample, says in zones]
        layers = [layer for layer in layers if layer[0].size]
        if not layers:
            return None
        loops = [loop for _, loop, _ in layers if loop]
        longest = max(sound.shape[1] for sound, _, _ in layers)
        if loops and len(layers) > 1:  # layers of unlike loops go round together
            begin, end = max(loop[0] for loop in loops), min(loop[1] for loop in loops)
            longest = end
            loops = [(begin, end)] if end - begin > RATE // 8 else []
        same = all(np.array_equal(sound[0], sound[1]) for sound, _, _ in layers)
        whole = np.zeros((1 if same else 2, longest), dtype=np.float32)
        for sound, _, _ in layers:
            size = min(longest, sound.shape[1])
            whole[:, :size] += sound[: len(whole), :size]
        release_s = min(max(release_s for *_, release_s in layers), LONGEST_RELEASE_S)
        if not loops:
            soften_edges(whole, 0.0003)
        return Tone(whole, max(0.05, release_s), loops[0] if loops else None)

    def _zones(
        self, bank: int, program: int, key: int, velocity: int
    ) -> Iterator[tuple[_Sample, dict[int, int]]]:
        for zone, added in self._presets.get((bank, program), ()):
            if not zone.holds(key, velocity):
                continue
            for inner, own in self._instrument(zone.says[_INSTRUMENT]):
                if inner.holds(key, velocity):
                    says = {**_DEFAULTS, **own}
                    for number, amount in added.items():
                        if number not in _OWN:
                            says[number] = says.get(number, 0) + amount
                    yield self._samples[inner.says[_SAMPLE]], says

    def _sound(
        self, sample: _Sample, says: dict[int, int], key: int, longest_s: float
    ) -> tuple[Sound, tuple[int, int] | None, float]:
        """Return one zone's sound, (2, samples), its loop and its release (s)."""
        data, loop = self._read(sample, says)
        release_s = _seconds(says[_RELEASE])
        if len(data) < 8:
            return np.zeros((2, 0), np.float32), None, release_s
        root = says[_ROOT] if says[_ROOT] >= 0 else sample.pitch if sample.pitch <= 127 else 60
        cents = (says.get(_KEY, key) - root) * says[_SCALE] + 100 * says.get(_COARSE, 0) + says.get(_FINE, 0)
        speed = 2.0 ** ((cents + sample.cents) / 1200.0) * sample.rate / RATE
        if not says.get(_MODES, 0) & 1:
            loop = None
        # A looped piano dies away all the same: it is played to its end, and not held.
        lasts = loop is not None and says.get(_SUSTAIN, 0) < _DIES_CENTIBELS
        turn = _round_loop(loop, speed) if loop is not None and lasts else None
        if turn is not None:
            samples = turn[1]
        elif loop is not None:
            samples = int(min(longest_s, _seconds(says[_HOLD]) + 0.7 * _seconds(says[_DECAY])) * RATE)
        else:
            samples = int(min(longest_s * RATE, (len(data) - 4) / speed))
        mono = _read_at(data, loop, speed, samples)
        mono *= _envelope(says, samples, turn) * np.float32(
            10.0 ** (-0.4 * says.get(_ATTENUATION, 0) / 200.0)
        )
        tone_hz = 440.0 * 2.0 ** ((key - 69) / 12.0)
        cutoff_hz = max(8.176 * 2.0 ** (says[_CUTOFF] / 1200.0), _OPEN * tone_hz)
        if cutoff_hz < 15_000:
            mono = _low_pass(mono, cutoff_hz)
        pan = max(-0.5, min(0.5, says.get(_PAN, 0) / 1000.0))
        gains = np.array(
            (math.cos((pan + 0.5) * math.pi / 2), math.sin((pan + 0.5) * math.pi / 2)), np.float32
        )
        return gains[:, None] * mono, turn, release_s

    def _read(self, sample: _Sample, says: Mapping[int, int]) -> tuple[Sound, tuple[int, int] | None]:
        """Return the sample as it was recorded and its loop, moved as the zone says."""
        begin, _ = self._chunks["smpl"]
        moved = says.get(_START, 0) + 32_768 * says.get(_START_FAR, 0)
        loop_start = sample.loop[0] + says.get(_START_LOOP, 0) + 32_768 * says.get(_START_LOOP_FAR, 0) - moved
        loop_end = sample.loop[1] + says.get(_END_LOOP, 0) + 32_768 * says.get(_END_LOOP_FAR, 0) - moved
        if sample.kind & _VORBIS:
            data = _decode_vorbis(self._data[begin + sample.start : begin + sample.end])[moved:]
        else:
            first = sample.start + moved
            last = sample.end + says.get(_END, 0) + 32_768 * says.get(_END_FAR, 0)
            raw = np.frombuffer(self._data, np.int16, max(0, last - first), begin + 2 * first)
            data = raw.astype(np.float32) / np.float32(32_768)
            loop_start, loop_end = loop_start - sample.start, loop_end - sample.start
        if not 0 <= loop_start < loop_end - 3 or loop_start >= len(data):
            return data, None
        if 0 < loop_end - len(data) <= loop_end - loop_start:  # a decoder may lose the last samples of a loop
            turn = loop_end - loop_start
            data = np.concatenate((data, data[len(data) - turn : loop_end - turn]))
        return data, (loop_start, loop_end) if loop_end <= len(data) else None

    def _read_presets(self) -> dict[tuple[int, int], list[tuple[_Zone, Mapping[int, int]]]]:
        headers = [struct.unpack_from("<20sHHHIII", self._data, at) for at in self._steps("phdr", 38)]
        found: dict[tuple[int, int], list[tuple[_Zone, Mapping[int, int]]]] = {}
        for this, after in pairwise(headers):
            found[(this[2], this[1])] = self._bag("pbag", "pgen", this[3], after[3], _INSTRUMENT)
        return found

    @lru_cache(maxsize=256)  # noqa: B019 - a soundfont lives as long as the process
    def _instrument(self, number: int) -> list[tuple[_Zone, Mapping[int, int]]]:
        begin, _ = self._chunks["inst"]
        first, last = (
            struct.unpack_from("<20sH", self._data, begin + 22 * n)[1] for n in (number, number + 1)
        )
        return self._bag("ibag", "igen", first, last, _SAMPLE)

    def _bag(
        self, bags: str, generators: str, first: int, last: int, target: int
    ) -> list[tuple[_Zone, Mapping[int, int]]]:
        """Return the zones of a preset or an instrument; the first one without a target speaks for all."""
        begin, spoken = self._chunks[bags][0], self._chunks[generators][0]
        common: dict[int, int] = {}
        found: list[tuple[_Zone, Mapping[int, int]]] = []
        for number in range(first, last):
            start, end = (
                struct.unpack_from("<HH", self._data, begin + 4 * n)[0] for n in (number, number + 1)
            )
            says = dict(common)
            for n in range(start, end):
                kind, amount = struct.unpack_from("<Hh", self._data, spoken + 4 * n)
                says[kind] = amount
            if target not in says:
                if number == first:
                    common = says
                continue
            zone = _Zone(_range(says.get(_KEYS)), _range(says.get(_VELOCITIES)), says)
            found.append((zone, says))
        return found

    def _read_samples(self) -> list[_Sample]:
        found = []
        for at in self._steps("shdr", 46):
            _, start, end, loop, loop_end, rate, pitch, cents, _, kind = struct.unpack_from(
                "<20sIIIIIBbHH", self._data, at
            )
            found.append(_Sample(start, end, (loop, loop_end), rate or 44_100, pitch, cents, kind))
        return found

    def _steps(self, chunk: str, size: int) -> range:
        begin, end = self._chunks[chunk]
        return range(begin, end - size + 1, size)


def _read_chunks(data: mmap.mmap) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the name of each chunk, and where its content begins and ends."""
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise ValueError("no soundfont")
    at, end = 12, min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= end:
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if name == b"LIST":
            at += 12
            continue
        yield name.decode("latin-1"), (at + 8, at + 8 + size)
        at += 8 + size
        at += size % 2 if data[at : at + 1] == b"\0" else 0  # SF3 files are written without the filler


def _range(amount: int | None) -> tuple[int, int]:
    if amount is None:
        return _WHOLE
    unsigned = amount & 0xFFFF
    return unsigned & 0xFF, unsigned >> 8


def _seconds(timecents: int) -> float:
    return float(2.0 ** (max(-12_000, timecents) / 1200.0))


@lru_cache(maxsize=96)
def _decode_vorbis(blob: bytes) -> Sound:
    with av.open(io.BytesIO(blob), "r") as container:
        pieces = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return np.concatenate(pieces).astype(np.float32) if pieces else np.zeros(0, np.float32)


def _round_loop(loop: tuple[int, int], speed: float) -> tuple[int, int]:
    """Return a loop in samples of ours, of as many turns as make it long and even."""
    turn = (loop[1] - loop[0]) / speed
    turns = max(1, math.ceil(_LOOP_AT_LEAST_S * RATE / turn))
    begin = math.ceil(loop[0] / speed)
    return begin, begin + round(turns * turn)


def _read_at(data: Sound, loop: tuple[int, int] | None, speed: float, samples: int) -> Sound:
    """Return the sound read at another speed, by third-order (Hermite) interpolation."""
    at = np.arange(samples, dtype=np.float64) * speed
    if loop is not None:
        over = at >= loop[1]
        at[over] = loop[0] + (at[over] - loop[0]) % (loop[1] - loop[0])
    whole = at.astype(np.int64)
    share = (at - whole).astype(np.float32)
    last = len(data) - 1
    before, here = data.take(np.maximum(whole - 1, 0)), data.take(np.minimum(whole, last))
    after, later = data.take(np.minimum(whole + 1, last)), data.take(np.minimum(whole + 2, last))
    slope = np.float32(0.5) * (after - before)
    bend = np.float32(2.5) * here
    curve = before - bend + np.float32(2.0) * after - np.float32(0.5) * later
    cubic = np.float32(0.5) * (later - before) + np.float32(1.5) * (here - after)
    return np.asarray(((cubic * share + curve) * share + slope) * share + here, dtype=np.float32)


def _envelope(says: Mapping[int, int], samples: int, loop: tuple[int, int] | None) -> Sound:
    """Return the volume envelope; it stays as it is from the begin of the loop on."""
    attack_s, hold_s, decay_s = (_seconds(says[kind]) for kind in (_ATTACK, _HOLD, _DECAY))
    sustain_db = -min(100.0, max(0.0, says.get(_SUSTAIN, 0) / 10.0))
    seconds = np.arange(samples, dtype=np.float32) / np.float32(RATE)
    # A decay falls by 100 dB in its time (specification, 8.1.3), and stops at the sustain level.
    level_db = np.maximum(
        sustain_db, -100.0 * np.maximum(0.0, seconds - (attack_s + hold_s)) / max(decay_s, 1e-3)
    )
    if loop is not None:
        level_db[loop[0] :] = level_db[min(loop[0], samples - 1)]
    envelope = np.asarray(10.0 ** (level_db / 20.0), dtype=np.float32)
    rise = min(samples, max(1, int(attack_s * RATE)))
    envelope[:rise] *= np.linspace(0.0, 1.0, rise, dtype=np.float32)
    return envelope


def _low_pass(mono: Sound, cutoff_hz: float) -> Sound:
    size = quick_size(len(mono))
    spectrum: NDArray[np.complex128] = np.fft.rfft(mono, size)
    hz = np.fft.rfftfreq(size, 1.0 / RATE)
    filtered = np.fft.irfft(spectrum / np.sqrt(1.0 + (hz / cutoff_hz) ** 4), size)
    return np.asarray(filtered[: len(mono)], dtype=np.float32)
