"""The eight moods, and which one suits a clip."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.analyse.findings import Findings

Progressions = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Mood:
    """One way to sound: tempo, scale, harmony, and who plays which part.

    A progression lists scale degrees (0 = tonic), one chord a bar. `swing` delays the second eighth of a
    beat by that share of a beat. `wet` is the share of sound that goes through the room. Voices name
    entries of `studio.music.voices.VOICES`, patterns those of `studio.music.parts` and `drums`.
    """

    name: str
    title: str
    genre: str
    bpm: int
    scale: str
    progressions: Progressions
    chord_voice: str
    chord_pattern: str
    bass_voice: str
    bass_pattern: str
    lead_voice: str
    lead_density: float
    drum_pattern: str
    pad_voice: str = ""
    sevenths: bool = False
    swing: float = 0.0
    wet: float = 0.2
    room_s: float = 1.4
    tonic: int = 48

    @property
    def instruments(self) -> tuple[str, ...]:
        """Return the names of what plays, drums last."""
        voices = (self.chord_voice, self.pad_voice, self.bass_voice, self.lead_voice)
        drums = ("drums",) if self.drum_pattern else ()
        return tuple(dict.fromkeys(v for v in voices if v)) + drums


_CALM = Mood(
    "calm", "Lo-fi", "lo-fi", 84, "major",
    ((0, 5, 1, 4), (3, 2, 1, 0), (0, 2, 3, 4), (1, 4, 0, 5)),
    "rhodes", "lazy", "upright", "walk", "vibes", 0.3, "dusty",
    sevenths=True, swing=0.12, wet=0.18, room_s=1.0, tonic=51,
)  # fmt: skip
_HAPPY = Mood(
    "happy", "Sunny Pop", "pop", 116, "major",
    ((0, 4, 5, 3), (0, 3, 4, 3), (0, 5, 3, 4), (3, 0, 4, 5)),
    "ukulele", "strum", "round", "bounce", "bells", 0.55, "claps",
    wet=0.14, room_s=0.9, tonic=55,
)  # fmt: skip
_EPIC = Mood(
    "epic", "Cinematic", "orchestral", 100, "minor",
    ((0, 5, 2, 6), (0, 6, 5, 6), (0, 3, 5, 4), (5, 6, 0, 0)),
    "spiccato", "ostinato", "low_strings", "pulse", "horn", 0.4, "taiko",
    pad_voice="strings", wet=0.34, room_s=2.4, tonic=50,
)  # fmt: skip
_SAD = Mood(
    "sad", "Piano Ballad", "piano", 64, "minor",
    ((0, 5, 2, 6), (0, 3, 0, 4), (5, 2, 6, 0), (0, 6, 5, 3)),
    "piano", "arpeggio", "piano", "long", "piano", 0.28, "",
    pad_voice="strings", wet=0.3, room_s=2.0, tonic=45,
)  # fmt: skip
_ENERGETIC = Mood(
    "energetic", "Electro", "electronic", 128, "minor",
    ((0, 5, 2, 6), (0, 0, 5, 6), (5, 6, 0, 2), (0, 3, 5, 6)),
    "stab", "offbeat", "saw_bass", "eighths", "saw_lead", 0.7, "four",
    pad_voice="saw_pad", wet=0.16, room_s=1.1, tonic=45,
)  # fmt: skip
_ROMANTIC = Mood(
    "romantic", "Love Strings", "acoustic", 74, "major",
    ((0, 4, 5, 3), (0, 2, 3, 4), (3, 4, 2, 5), (0, 5, 3, 4)),
    "guitar", "roll", "upright", "long", "flute", 0.38, "brushes",
    pad_voice="strings", wet=0.26, room_s=1.7, tonic=50,
)  # fmt: skip
_DARK = Mood(
    "dark", "Suspense", "ambient", 80, "phrygian",
    ((0, 1, 0, 6), (0, 0, 1, 0), (0, 5, 1, 0), (0, 3, 1, 1)),
    "choir", "swell", "drone", "pulse", "hollow", 0.15, "heartbeat",
    wet=0.4, room_s=2.8, tonic=38,
)  # fmt: skip
_DREAMY = Mood(
    "dreamy", "Dream Pop", "dream pop", 92, "lydian",
    ((0, 1, 0, 4), (0, 4, 1, 5), (3, 4, 0, 1), (0, 2, 1, 4)),
    "harp", "cascade", "sub", "long", "glass", 0.3, "shimmer",
    pad_voice="glass_pad", sevenths=True, wet=0.42, room_s=2.6, tonic=53,
)  # fmt: skip

MOODS: dict[str, Mood] = {
    m.name: m for m in (_CALM, _HAPPY, _EPIC, _SAD, _ENERGETIC, _ROMANTIC, _DARK, _DREAMY)
}


def mood_for(findings: Findings) -> str:
    """Return the name of the mood that suits what was seen (brightness, saturation, motion, pace of cuts)."""
    lively = findings.motion + min(0.5, 2.0 * findings.cuts_per_s)
    bright, colourful = findings.brightness, findings.saturation
    if lively > 0.55:
        return "epic" if bright < 0.3 else "energetic"
    if lively > 0.3:
        return "dark" if bright < 0.22 else "happy" if bright > 0.4 else "epic"
    if bright < 0.18:
        return "dark"
    if colourful < 0.12:
        return "sad" if bright < 0.55 else "dreamy"
    return "romantic" if colourful > 0.45 and bright > 0.45 else "calm"


def seed_for(text: str) -> int:
    """Return a seed (0 … 2**31 - 1) that is always the same for the same text, and differs between texts."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF
