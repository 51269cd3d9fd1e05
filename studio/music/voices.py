"""The studio's own instruments, and which model plays each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from studio.music.bars import Bar, Tine
from studio.music.modes import RATE, Resonance
from studio.music.modes import Sound as Stereo
from studio.music.strings import BASS_BODY, GUITAR_BODY, HARP_BODY, UKULELE_BODY, VIOLIN_BODY, Piano, Plucked
from studio.music.sustained import Sustained
from studio.music.tones import Tone

__all__ = ["RATE", "VOICES", "Stereo", "Voice"]


class Voice(Protocol):
    """An instrument: it answers a pitch and a force with a tone."""

    @property
    def release_s(self) -> float:
        """Return how long a tone goes on when it is let go, in s."""
        ...

    def tone(self, pitch: int, force: float, length_s: float = math.inf) -> Tone:
        """Return at most `length_s` of the tone of a MIDI note, played with `force` (0 … 1)."""
        ...


_VIOLA_BODY = (
    Resonance(220, 10, 1.4),
    Resonance(360, 10, 1.5),
    Resonance(480, 10, 1.2),
    Resonance(950, 4, 0.7),
    Resonance(2000, 2, 1.3),
)
_CELLO_BODY = (
    Resonance(98, 8, 1.2),
    Resonance(175, 9, 1.5),
    Resonance(250, 9, 1.2),
    Resonance(600, 3, 0.8),
    Resonance(1500, 2, 1.2),
)
_CONTRABASS_BODY = (
    Resonance(62, 6, 0.8),
    Resonance(105, 7, 1.3),
    Resonance(180, 6, 1.1),
    Resonance(900, 2, 1.2),
)
_AH = (Resonance(700, 7, 5.0), Resonance(1120, 9, 3.5), Resonance(2650, 10, 2.2), Resonance(3300, 9, 1.2))
_OBOE_MOUTH = (Resonance(1250, 4, 3.0), Resonance(2950, 4, 2.0))
_TRUMPET_BELL = (Resonance(1300, 2, 1.6), Resonance(2600, 2, 1.0))
_HORN_BELL = (Resonance(420, 2, 1.5), Resonance(900, 2, 0.6))

_METAL = ((1.0, 1.0, 1.0), (2.756, 0.45, 0.45), (5.404, 0.28, 0.22), (8.933, 0.14, 0.1))

_VOICES: dict[str, Voice] = {
    # Struck and plucked strings
    "piano": Piano(),
    "guitar": Plucked(
        GUITAR_BODY, 1.5, 1.7, 0.16, 1300, 4200, 0.00012, knock=0.10, scrape=0.05, release_s=0.14,
    ),
    "nylon": Plucked(
        GUITAR_BODY, 0.8, 5.5, 0.22, 700, 2200, 0.00002, knock=0.16, scrape=0.02, release_s=0.12,
    ),
    "ukulele": Plucked(
        UKULELE_BODY, 0.42, 3.0, 0.24, 900, 3000, 0.00003, knock=0.16, scrape=0.04, release_s=0.08,
    ),
    "electric_guitar": Plucked(
        (Resonance(2600, 1.5, 1.2),), 2.0, 1.2, 0.13, 1100, 3600, 0.0001, knock=0.0, scrape=0.03,
        pickup=0.21, drive=0.03, release_s=0.1,
    ),
    "crunch": Plucked(
        (), 2.6, 0.8, 0.1, 1800, 5200, 0.0001, knock=0.0, scrape=0.03, pickup=0.12, drive=0.9,
        release_s=0.07,
    ),
    "bass": Plucked(
        (Resonance(700, 1.5, 0.7),), 1.1, 4.0, 0.2, 500, 1700, 0.00008, knock=0.0, scrape=0.04,
        pickup=0.17, release_s=0.07, longest_s=4.0,
    ),
    "upright_bass": Plucked(
        BASS_BODY, 0.55, 7.0, 0.28, 380, 1300, 0.00005, knock=0.14, scrape=0.05, release_s=0.09,
        longest_s=3.0,
    ),
    "harp": Plucked(HARP_BODY, 1.3, 2.6, 0.38, 900, 2800, 0.00003, knock=0.05, scrape=0.015, release_s=0.5),
    "pizzicato": Plucked(
        VIOLIN_BODY, 0.14, 9.0, 0.3, 900, 2600, 0.00003, knock=0.2, scrape=0.03, release_s=0.1,
    ),
    # Bars, tubes, tines
    "rhodes": Tine(),
    "marimba": Bar(((1.0, 1.0, 1.0), (3.93, 0.3, 0.25), (9.24, 0.1, 0.1)), 0.22, 900, 3200, 0.1, slope=0.9),
    "vibes": Bar(((1.0, 1.0, 1.0), (3.98, 0.18, 0.3), (10.1, 0.06, 0.1)), 1.6, 1800, 5000, 0.02, 0.22, 0.3),
    "glockenspiel": Bar(_METAL, 1.3, 4500, 11_000, 0.05, release_s=0.8),
    "celesta": Bar(
        ((1.0, 1.0, 1.0), (2.0, 0.10, 0.5), (4.0, 0.22, 0.3), (6.3, 0.06, 0.1)), 0.9, 3000, 7000, 0.03,
    ),
    "bells": Bar(
        ((0.5, 0.25, 1.4), (1.0, 0.8, 1.0), (1.5, 0.1, 0.6), (2.0, 0.6, 0.8), (3.0, 0.3, 0.4), (4.17,
        0.3, 0.3), (5.43, 0.15, 0.2), (6.8, 0.08, 0.15)), 1.7, 2500, 6500, 0.03, release_s=1.2,
    ),
    "music_box": Bar(
        ((1.0, 1.0, 1.0), (2.0, 0.06, 0.6), (6.27, 0.25, 0.12), (17.5, 0.05, 0.03)), 0.9, 4000, 9000,
        0.06,
    ),
    "kalimba": Bar(((1.0, 1.0, 1.0), (5.6, 0.14, 0.1), (9.1, 0.05, 0.05)), 0.5, 1500, 4500, 0.12),
    "sleigh_bells": Bar(
        ((3.1, 0.5, 0.35), (4.7, 0.8, 0.3), (6.1, 1.0, 0.25), (7.9, 0.8, 0.2), (10.3, 0.5, 0.15)),
        0.5, 5000, 12_000, 0.3,
    ),
    "glass": Bar(
        ((1.0, 1.0, 1.0), (2.32, 0.12, 0.5), (4.25, 0.14, 0.3), (6.63, 0.06, 0.2)), 1.5, 1800, 4500,
        0.01, 0.1, 0.7,
    ),
    # Bowed
    "violin": Sustained(
        1.0, 1.0, 2200, 6500, VIOLIN_BODY, vibrato_cents=14, air=0.05, attack_s=0.09, bloom_s=0.12,
        chiff=2.0, release_s=0.14,
    ),
    "viola": Sustained(
        1.0, 1.0, 1700, 5000, _VIOLA_BODY, vibrato_cents=13, vibrato_hz=5.1, air=0.05, attack_s=0.1,
        bloom_s=0.14, chiff=2.0, release_s=0.16,
    ),
    "cello": Sustained(
        1.0, 1.0, 1200, 3800, _CELLO_BODY, vibrato_cents=12, vibrato_hz=4.9, air=0.05, air_hz=(500,
        4000), attack_s=0.1, bloom_s=0.16, chiff=2.0, release_s=0.18,
    ),
    "contrabass": Sustained(
        1.0, 1.0, 800, 2600, _CONTRABASS_BODY, players=3, detune_cents=8, width=0.3, vibrato_cents=7,
        air=0.05, air_hz=(300, 3000), attack_s=0.12, bloom_s=0.16, chiff=1.5, release_s=0.22,
    ),
    "strings": Sustained(
        1.05, 1.0, 1800, 5200, VIOLIN_BODY, players=5, detune_cents=16, width=0.85, vibrato_cents=11,
        air=0.05, attack_s=0.28, bloom_s=0.35, release_s=0.45,
    ),
    "spiccato": Sustained(
        0.95, 1.0, 1800, 6000, _CELLO_BODY, players=4, detune_cents=14, width=0.7, air=0.12,
        attack_s=0.014, bloom_s=-0.12, decay_s=0.17, chiff=5.0, release_s=0.09,
    ),
    # Blown, sung, and with reeds and pipes
    "flute": Sustained(
        dark_hz=2200, bright_hz=6000, harmonics=(1.0, 0.42, 0.22, 0.07, 0.04, 0.02), vibrato_cents=11,
        vibrato_hz=5.0, air=0.10, air_hz=(1200, 7000), attack_s=0.07, bloom_s=0.1, chiff=4.0,
        release_s=0.12,
    ),
    "clarinet": Sustained(
        0.85, 0.18, 1300, 3600, (Resonance(1500, 3, 0.8),), vibrato_cents=3, air=0.025, attack_s=0.05,
        bloom_s=0.08, chiff=2.0, release_s=0.1,
    ),
    "oboe": Sustained(
        0.75, 1.0, 2200, 4800, _OBOE_MOUTH, vibrato_cents=8, air=0.02, attack_s=0.045, bloom_s=0.06,
        chiff=1.5, release_s=0.1,
    ),
    "horn": Sustained(
        0.9, 1.0, 520, 2400, _HORN_BELL, players=2, detune_cents=5, width=0.3, vibrato_cents=3,
        air=0.012, attack_s=0.07, bloom_s=0.14, chiff=2.0, release_s=0.2,
    ),
    "trumpet": Sustained(
        0.55, 1.0, 1300, 5200, _TRUMPET_BELL, vibrato_cents=5, air=0.015, attack_s=0.035,
        bloom_s=0.09, chiff=1.5, release_s=0.12,
    ),
    "brass": Sustained(
        0.65, 1.0, 750, 4200, _TRUMPET_BELL, players=4, detune_cents=9, width=0.7, vibrato_cents=3,
        air=0.015, attack_s=0.055, bloom_s=0.16, chiff=1.5, release_s=0.2,
    ),
    "choir": Sustained(
        0.9, 1.0, 1600, 3800, _AH, players=6, detune_cents=22, width=0.9, vibrato_cents=16,
        vibrato_hz=5.2, air=0.07, air_hz=(1500, 8000), attack_s=0.35, bloom_s=0.4, release_s=0.5,
    ),
    "organ": Sustained(
        harmonics=(1.0, 0.8, 0.55, 0.5, 0.05, 0.3, 0.0, 0.28, 0.0, 0.1, 0.0, 0.1), dark_hz=4000,
        bright_hz=6000, players=3, detune_cents=5, width=0.7, air=0.01, attack_s=0.02, bloom_s=0.02,
        chiff=4.0, release_s=0.12,
    ),
    "accordion": Sustained(
        0.7, 0.8, 2400, 5200, (Resonance(1800, 2, 0.6),), players=2, detune_cents=15, width=0.5,
        air=0.02, attack_s=0.04, bloom_s=0.06, release_s=0.07,
    ),
    # Synthesizers
    "stab": Sustained(
        1.0, 1.0, 900, 9000, players=5, detune_cents=26, width=0.9, attack_s=0.005, bloom_s=-0.16,
        decay_s=0.3, release_s=0.09,
    ),
    "saw_lead": Sustained(
        1.0, 1.0, 2600, 8000, players=3, detune_cents=18, width=0.5, vibrato_cents=5, attack_s=0.008,
        bloom_s=-0.35, release_s=0.12,
    ),
    "saw_pad": Sustained(
        1.05, 1.0, 1200, 3600, players=6, detune_cents=26, width=1.0, attack_s=0.16, bloom_s=0.5,
        release_s=0.4,
    ),
    "hollow": Sustained(
        1.3, 0.06, 900, 2200, players=3, detune_cents=10, width=0.6, vibrato_cents=8, air=0.04,
        attack_s=0.3, bloom_s=0.5, release_s=0.6,
    ),
    "glass_pad": Sustained(
        harmonics=(1.0, 0.3, 0.22, 0.03, 0.1, 0.02, 0.0, 0.05), dark_hz=1800, bright_hz=5000,
        players=5, detune_cents=20, width=1.0, vibrato_cents=5, air=0.03, air_hz=(3000, 9000),
        attack_s=0.5, bloom_s=0.8, release_s=0.9,
    ),
    "synth_bass": Sustained(
        1.0, 1.0, 260, 2600, players=2, detune_cents=7, width=0.1, attack_s=0.004, bloom_s=-0.14,
        release_s=0.05,
    ),
    "sub": Sustained(
        harmonics=(1.0, 0.3, 0.12, 0.04), dark_hz=300, bright_hz=600, attack_s=0.012, bloom_s=0.05,
        release_s=0.12,
    ),
    "drone": Sustained(
        1.1, 1.0, 220, 900, players=4, detune_cents=14, width=0.7, vibrato_cents=3, attack_s=0.25,
        bloom_s=1.0, release_s=0.6,
    ),
}  # fmt: skip

VOICES: Mapping[str, Voice] = MappingProxyType(_VOICES)
