"""Who sounds a note: a soundfont where there is one, else the studio's own models. Tones are kept."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache

import numpy as np

from studio.music.drums import TAKES, strike
from studio.music.modes import RATE, Sound, quick_size
from studio.music.soundfont import DRUM_BANK, LONGEST_RELEASE_S, NotASoundfont, SoundFont, find_soundfont
from studio.music.tones import Tone
from studio.music.voices import VOICES

_log = logging.getLogger("studio.music")

_KEPT_BYTES = 80 * 1024 * 1024
_FORCES = (0.3, 0.6, 0.9)
_LENGTHS_S = (0.35, 0.7, 1.4, 2.8, 5.0, 30.0)  # a short note need not be made in full length
_REFERENCE = 0.16  # what the loudest 0.4 s of a tone measure, weighted: tones of all voices are brought here
_LOUDEST_HZ = 16_000

# General MIDI programs (bank 0) for voices, and (kit, key) for drums. Synthesizers are the studio's own; so
# is what General MIDI has no good sound for.
PROGRAMS = {
    "piano": 0, "rhodes": 4, "celesta": 8, "glockenspiel": 9, "music_box": 10, "vibes": 11, "marimba": 12,
    "bells": 14, "organ": 16, "accordion": 21, "nylon": 24, "guitar": 25, "electric_guitar": 27,
    "crunch": 30, "upright_bass": 32, "bass": 33, "violin": 40, "viola": 41, "cello": 42,
    "contrabass": 43, "pizzicato": 45, "harp": 46, "strings": 48, "choir": 52, "trumpet": 56, "horn": 60,
    "brass": 61, "oboe": 68, "clarinet": 71, "flute": 73, "kalimba": 108, "ukulele": 24,
}  # fmt: skip
KEYS = {
    "kick": (0, 36), "snare": (0, 38), "rim": (0, 37), "clap": (0, 39), "hat": (0, 42),
    "open_hat": (0, 46), "pedal_hat": (0, 44), "ride": (0, 51), "crash": (0, 49), "tom_low": (0, 41),
    "tom_mid": (0, 47), "tom_high": (0, 50), "brush": (40, 38), "tambourine": (0, 54), "cowbell": (0, 56),
    "conga_low": (0, 64), "conga_high": (0, 63), "shaker": (0, 82), "sleigh_bells": (0, 83),
}  # fmt: skip
_LOW_PITCHES = {
    "bass": 38, "upright_bass": 38, "synth_bass": 38, "sub": 36, "drone": 40, "contrabass": 38,
    "cello": 48, "horn": 55,
}  # fmt: skip
_HIGH_PITCHES = {
    "glockenspiel": 79,
    "celesta": 74,
    "music_box": 76,
    "bells": 72,
    "sleigh_bells": 72,
    "flute": 74,
}
_REFERENCE_PITCH = 62
# What each plays below the reference, in dB: what lies under a tune is softer than it.
_TRIM_DB = {
    "bass": -4.0, "upright_bass": -4.0, "synth_bass": -4.5, "sub": -6.0, "drone": -6.0,
    "contrabass": -3.0, "strings": -1.0, "choir": -1.5, "saw_pad": -2.0, "glass_pad": -2.0, "organ": -2.0,
    "crunch": -2.0,
}  # fmt: skip


_Key = tuple[str, int, int, float]  # voice or drum, pitch or take, force, length


class Sampler:
    """Tones and strokes, all of like loudness at a velocity of 1, and those used last kept."""

    def __init__(self, font: SoundFont | None = None, kept_bytes: int = _KEPT_BYTES) -> None:
        """Play `font` for what it has; keep as many bytes of tones."""
        self.font = font
        self._left_bytes = kept_bytes
        self._kept: dict[_Key, Tone] = {}
        self._gains: dict[tuple[str, int], float] = {}

    def tone(self, voice: str, pitch: int, force: float, hold_s: float) -> Tone:
        """Return a tone that can be held for `hold_s`."""
        layer = _layer(force)
        release_s = LONGEST_RELEASE_S if self.font is not None else VOICES[voice].release_s
        needed_s = hold_s + release_s
        length_s = next((length_s for length_s in _LENGTHS_S if length_s >= needed_s), _LENGTHS_S[-1])
        key = (voice, pitch, layer, length_s)
        return self._recall(key) or self._keep(key, self._make_level(voice, pitch, layer, length_s))

    def stroke(self, drum: str, force: float, take: int) -> Sound:
        """Return a stroke on a drum, of one or two sides by samples."""
        layer, take = _layer(force), take % TAKES
        key = ("drum " + drum, take, layer, 0.0)
        kept = self._recall(key)
        if kept is None:
            kept = self._keep(key, Tone(self._strike(drum, _FORCES[layer], take), 0.0))
        return kept.sound

    def _recall(self, key: _Key) -> Tone | None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._kept[key] = kept  # the last one now
        return kept

    def _keep(self, key: _Key, tone: Tone) -> Tone:
        self._kept[key] = tone
        self._left_bytes -= tone.sound.nbytes
        while self._left_bytes < 0 and len(self._kept) > 1:
            self._left_bytes += self._kept.pop(next(iter(self._kept))).sound.nbytes
        return tone

    def _make_level(self, voice: str, pitch: int, layer: int, length_s: float) -> Tone:
        """Make a tone at the reference loudness."""
        tone = self._make(voice, pitch, _FORCES[layer], length_s)
        return replace(tone, sound=tone.sound * np.float32(self._gain(voice, layer)))

    def _make(self, voice: str, pitch: int, force: float, length_s: float) -> Tone:
        if self.font is not None and voice in PROGRAMS:
            tone = self.font.tone(0, PROGRAMS[voice], pitch, round(20 + 107 * force), length_s)
            if tone is not None:
                return tone
        return VOICES[voice].tone(pitch, force, length_s)

    def _gain(self, voice: str, layer: int) -> float:
        """Return what brings a voice's tones to the reference loudness."""
        if (voice, layer) not in self._gains:
            pitch = _LOW_PITCHES.get(voice, _HIGH_PITCHES.get(voice, _REFERENCE_PITCH))
            tone = self._make(voice, pitch, _FORCES[layer], 1.4)
            trim = 10.0 ** (_TRIM_DB.get(voice, 0.0) / 20.0)
            self._gains[(voice, layer)] = trim * _REFERENCE / max(1e-6, _weigh(tone.sound))
        return self._gains[(voice, layer)]

    def _strike(self, drum: str, force: float, take: int) -> Sound:
        if self.font is None or drum not in KEYS:
            return strike(drum, force, take)
        kit, key = KEYS[drum]
        tone = self.font.tone(DRUM_BANK, kit, key, round(20 + 107 * force) - 3 * take, 3.0)
        if tone is None:
            return strike(drum, force, take)
        gain = _weigh(strike(drum, force, 0)) / max(1e-6, _weigh(tone.sound))
        return np.asarray(tone.sound * np.float32(gain), dtype=np.float32)


def _layer(force: float) -> int:
    return min(len(_FORCES) - 1, max(0, int(force * len(_FORCES))))


def _weigh(sound: Sound) -> float:
    """Return the level of the loudest of the first tenths of a second, weighted about as ears do."""
    part = sound[:, : int(0.8 * RATE)].mean(axis=0)
    size = quick_size(len(part))
    spectrum = np.fft.rfft(part, size)
    hz = np.fft.rfftfreq(size, 1.0 / RATE)
    # The high-pass and the shelf of BS.1770, and the small loss of a room's air above.
    weight = (1.0 / (1.0 + (60.0 / np.maximum(hz, 1.0)) ** 2)) * np.sqrt(
        1.0 + 1.5 / (1.0 + (1500.0 / np.maximum(hz, 1.0)) ** 4)
    )
    heard = np.fft.irfft(spectrum * weight, size)[: len(part)]
    steps = max(1, len(heard) // (RATE // 10))
    powers = [float(np.mean(step**2)) for step in np.array_split(heard, steps)]
    return float(np.sqrt(np.mean(sorted(powers)[-4:])))


@lru_cache(maxsize=1)
def sampler() -> Sampler:
    """Return this process's sampler, with the soundfont that was found."""
    path = find_soundfont()
    if path is None:
        return Sampler()
    try:
        return Sampler(SoundFont(path))
    except (OSError, NotASoundfont) as exc:
        _log.warning(
            "the soundfont %s cannot be used (%s); the studio's own instruments play", path.name, exc
        )
        return Sampler()
