"""How a mood and a genre sound, and which mood suits what was seen and heard."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.analyse.findings import Findings


@dataclass(frozen=True, slots=True)
class Mood:
    """One way to sound: tempo, scale, harmony, groove, and who plays which part (see `styles.toml`).

    `major` and `minor` are progressions for either mode, `close` the last two bars in both. Voices name
    entries of `studio.music.voices.VOICES`, patterns those of `patterns.toml`. `wet`, `room_s`, `bass_db`
    and `high_db` are how it is mixed (`studio.music.mixer.Desk`).
    """

    name: str
    title: str
    genre: str
    bpm: int
    scale: str
    tonic: int
    major: tuple[str, ...]
    minor: tuple[str, ...]
    close: tuple[str, str]
    chord_voice: str
    chord_pattern: str
    bass_voice: str
    bass_pattern: str
    lead_voice: str
    answer_voice: str
    lead_rhythm: str
    drum_pattern: str
    pad_voice: str = ""
    swing: float = 0.5
    unit: float = 0.5
    late_ms: tuple[tuple[str, float], ...] = ()
    loose_ms: float = 6.0
    wet: float = 0.2
    room_s: float = 1.4
    bass_db: float = 0.0
    high_db: float = 0.0

    @property
    def instruments(self) -> tuple[str, ...]:
        """Return the names of what plays, drums last."""
        voices = (self.chord_voice, self.pad_voice, self.bass_voice, self.lead_voice, self.answer_voice)
        drums = ("drums",) if self.drum_pattern else ()
        return tuple(dict.fromkeys(v for v in voices if v)) + drums

    def late_s(self, part: str) -> float:
        """Return how far behind the beat a part is played, in s; negative is before it."""
        return next((ms / 1000.0 for name, ms in self.late_ms if name == part), 0.0)


def _load_styles() -> tuple[dict[str, Mood], dict[str, dict[str, Any]]]:
    """Return the moods, and what each genre changes of them."""
    loaded = tomllib.loads(Path(__file__).with_name("styles.toml").read_text("utf-8"))
    genres = {name: _freeze(values) for name, values in loaded["genre"].items()}
    moods = {
        name: Mood(**{**genres.get(values["genre"], {}), "name": name, **_freeze(values)})
        for name, values in loaded["mood"].items()
    }
    return moods, genres


def _freeze(values: dict[str, Any]) -> dict[str, Any]:
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return plain | {"late_ms": tuple(dict(values.get("late_ms", {})).items())}


MOODS, _CHANGES = _load_styles()
GENRES = tuple(_CHANGES)


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


def style_mood(mood: str, genre: str = "") -> Mood:
    """Return a mood of MOODS as a genre plays it; its own genre, or an unknown one, changes nothing."""
    plain = MOODS[mood]
    changes = _CHANGES.get(genre.lower(), {})
    return plain if genre.lower() == plain.genre or not changes else replace(plain, **changes)
