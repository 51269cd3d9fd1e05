"""What a genre changes in a mood: who plays, in which patterns, how fast."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from studio.music.moods import MOODS, Mood

_CHANGES: dict[str, dict[str, Any]] = {
    "lo-fi": {
        "bpm": 84, "chord_voice": "rhodes", "chord_pattern": "lazy", "bass_voice": "upright",
        "bass_pattern": "walk", "drum_pattern": "dusty", "sevenths": True, "swing": 0.12, "pad_voice": "",
    },
    "synthwave": {
        "bpm": 104, "chord_voice": "stab", "chord_pattern": "cascade", "bass_voice": "saw_bass",
        "bass_pattern": "pulse", "lead_voice": "saw_lead", "drum_pattern": "backbeat", "pad_voice": "saw_pad",
    },
    "electronic": {
        "bpm": 124, "chord_voice": "stab", "chord_pattern": "offbeat", "bass_voice": "saw_bass",
        "bass_pattern": "eighths", "lead_voice": "saw_lead", "drum_pattern": "four", "pad_voice": "saw_pad",
    },
    "rock": {
        "bpm": 132, "chord_voice": "crunch", "chord_pattern": "drive", "bass_voice": "round",
        "bass_pattern": "pulse", "lead_voice": "crunch", "drum_pattern": "backbeat", "pad_voice": "",
        "wet": 0.12, "room_s": 0.9,
    },
    "hip-hop": {
        "bpm": 88, "chord_voice": "rhodes", "chord_pattern": "swell", "bass_voice": "sub",
        "bass_pattern": "walk", "lead_voice": "bells", "lead_density": 0.35, "drum_pattern": "boom_bap",
        "swing": 0.08, "pad_voice": "", "wet": 0.1, "room_s": 0.8,
    },
    "orchestral": {
        "chord_voice": "spiccato", "chord_pattern": "ostinato", "bass_voice": "low_strings",
        "lead_voice": "horn", "drum_pattern": "taiko", "pad_voice": "strings", "wet": 0.34, "room_s": 2.4,
    },
    "piano": {
        "chord_voice": "piano", "chord_pattern": "arpeggio", "bass_voice": "piano", "bass_pattern": "long",
        "lead_voice": "piano", "drum_pattern": "", "pad_voice": "", "wet": 0.26, "room_s": 1.8,
    },
    "acoustic": {
        "chord_voice": "guitar", "chord_pattern": "strum", "bass_voice": "upright", "bass_pattern": "bounce",
        "lead_voice": "flute", "drum_pattern": "brushes", "pad_voice": "", "wet": 0.16, "room_s": 1.2,
    },
    "jazz": {
        "bpm": 112, "chord_voice": "rhodes", "chord_pattern": "lazy", "bass_voice": "upright",
        "bass_pattern": "walking", "lead_voice": "vibes", "lead_density": 0.45, "drum_pattern": "ride",
        "sevenths": True, "swing": 0.16, "pad_voice": "", "wet": 0.18, "room_s": 1.2,
    },
    "pop": {
        "bpm": 116, "chord_voice": "ukulele", "chord_pattern": "strum", "bass_voice": "round",
        "bass_pattern": "bounce", "lead_voice": "bells", "drum_pattern": "claps", "pad_voice": "",
    },
    "ambient": {
        "bpm": 70, "chord_voice": "choir", "chord_pattern": "swell", "bass_voice": "drone",
        "bass_pattern": "long", "lead_density": 0.15, "drum_pattern": "", "pad_voice": "glass_pad",
        "wet": 0.42, "room_s": 2.8,
    },
}  # fmt: skip

GENRES = tuple(_CHANGES)


def styled(mood: str, genre: str = "") -> Mood:
    """Return a mood of MOODS as a genre plays it; its own genre, or an unknown one, changes nothing."""
    plain = MOODS[mood]
    changes = _CHANGES.get(genre.lower(), {})
    return plain if genre.lower() == plain.genre or not changes else replace(plain, **changes)
