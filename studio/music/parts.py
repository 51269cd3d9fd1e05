"""Who plays what in a bar: chords, pad, bass, lead and drums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from studio.music import drums
from studio.music.grid import Seconds
from studio.music.moods import Mood
from studio.music.score import BAR, Bar, Hit, Note
from studio.music.theory import SCALES, nearest

_STRUM_S = 0.013


@dataclass(frozen=True, slots=True)
class Touch:
    """One touch of a pattern: its beat in the bar, length in beats, strength, chord tones (none: all)."""

    beat: float
    length: float
    velocity: float
    tones: tuple[int, ...] = ()


def _row(step: float, length: float, velocity: float, order: str) -> tuple[Touch, ...]:
    """Write `order` (digits are chord tones) as even notes `step` beats apart, stressed on the beat."""
    return tuple(
        Touch(n * step, length, velocity * (1.0 if (n * step) % 1 == 0 else 0.78), (int(tone),))
        for n, tone in enumerate(order)
    )


CHORDS: dict[str, tuple[Touch, ...]] = {
    "lazy": (Touch(0, 1.6, 0.8), Touch(1.75, 0.5, 0.45), Touch(2.5, 1.4, 0.6)),
    "strum": tuple(
        Touch(beat, 0.45, force)
        for beat, force in ((0, 0.9), (1, 0.65), (1.5, 0.5), (2.5, 0.6), (3, 0.7), (3.5, 0.5))
    ),
    "ostinato": _row(0.5, 0.4, 0.85, "02120312") + _row(0.5, 0.3, 0.4, "20212021"),
    "arpeggio": _row(0.5, 1.3, 0.7, "01232123"),
    "offbeat": (Touch(0, 0.3, 0.5), *(Touch(n + 0.5, 0.3, 0.7) for n in range(BAR))),
    "roll": _row(0.5, 0.9, 0.7, "02132312"),
    "swell": (Touch(0, 3.6, 0.8),),
    "cascade": _row(0.5, 1.4, 0.6, "32103120"),
    "drive": tuple(Touch(n / 2, 0.42, 0.85 if n % 2 == 0 else 0.6) for n in range(2 * BAR)),
}

BASSES: dict[str, tuple[Touch, ...]] = {
    "walk": (Touch(0, 1.3, 0.9, (0,)), Touch(2, 0.8, 0.7, (7,)), Touch(3.5, 0.4, 0.5, (0,))),
    "bounce": (
        Touch(0, 0.7, 0.9, (0,)), Touch(1.5, 0.4, 0.6, (0,)),
        Touch(2, 0.7, 0.8, (7,)), Touch(3.5, 0.4, 0.6, (0,)),
    ),
    "pulse": tuple(Touch(n / 2, 0.42, 0.8 if n % 2 == 0 else 0.55, (0,)) for n in range(2 * BAR)),
    "long": (Touch(0, 3.8, 0.8, (0,)),),
    "walking": tuple(Touch(n, 0.9, 0.8, (step,)) for n, step in enumerate((0, 4, 7, 9))),
    "eighths": tuple(
        Touch(n / 2, 0.4, 0.5 if n % 2 == 0 else 0.9, (0 if n != 7 else 12,)) for n in range(2 * BAR)
    ),
}  # fmt: skip

_LEVELS = {"chords": 0.15, "pad": 0.075, "bass": 0.26, "lead": 0.15, "drums": 0.42}


class Band:
    """The players of one piece; every method yields what its player does in one bar."""

    def __init__(self, mood: Mood, tonic: int, grid: Seconds, rng: np.random.Generator) -> None:
        """Take the mood, the pitch of its tonic, the times of the beats and the source of all chance."""
        self._mood, self._grid, self._rng = mood, grid, rng
        self._scale = tuple(tonic + step for step in SCALES[mood.scale])
        self._beats = np.arange(len(grid), dtype=np.float64)
        self._motif = self._new_motif()
        self._melody = 0

    def chords(self, bar: Bar) -> Iterator[Note]:
        """Play the chord pattern, or the last chord held to the end."""
        touches = (Touch(0, bar.beats, 0.8),) if bar.final else CHORDS[self._mood.chord_pattern]
        for touch in touches:
            tones = touch.tones or range(len(bar.pitches))
            for string, tone in enumerate(tones):
                pitch = bar.pitches[tone % len(bar.pitches)] + 12 * (tone // len(bar.pitches))
                note = self._note(
                    bar, touch, pitch, self._mood.chord_voice, _LEVELS["chords"], 0.3 * (-1) ** tone
                )
                if note is not None:
                    yield _later(note, string * _STRUM_S)

    def pad(self, bar: Bar) -> Iterator[Note]:
        """Hold the chord softly, spread wide, for the whole bar."""
        if not self._mood.pad_voice or (bar.intensity < 0.5 and bar.beat == 0):
            return
        for tone, pitch in enumerate(bar.pitches):
            whole = Touch(0, bar.beats - 0.05, 0.4 + 0.6 * bar.intensity)
            note = self._note(bar, whole, pitch, self._mood.pad_voice, _LEVELS["pad"], 0.5 * (-1) ** tone)
            if note is not None:
                yield note

    def bass(self, bar: Bar) -> Iterator[Note]:
        """Play the root, and what the pattern adds to it."""
        touches = (Touch(0, bar.beats, 0.8, (0,)),) if bar.final else BASSES[self._mood.bass_pattern]
        low = bar.root - 12 if bar.root >= 40 else bar.root
        for touch in touches:
            note = self._note(bar, touch, low + touch.tones[0], self._mood.bass_voice, _LEVELS["bass"])
            if note is not None:
                yield note

    def lead(self, bar: Bar) -> Iterator[Note]:
        """Play the motif over the chord: chord tones on the beat, steps of the scale between."""
        if bar.intensity < 0.55 or (bar.final and bar.beats < 3):
            return
        if bar.beat % (8 * BAR) == 0:
            self._motif = self._new_motif()
        touches = (Touch(0, bar.beats - 0.2, 0.6),) if bar.final else self._motif[(bar.beat // BAR) % 2]
        for touch in touches:
            pitch = self._next_pitch(bar, strong=touch.beat % 1 == 0)
            note = self._note(bar, touch, pitch, self._mood.lead_voice, _LEVELS["lead"], 0.12)
            if note is not None:
                yield note

    def drums(self, bar: Bar) -> Iterator[Hit]:
        """Play the drum pattern: thinner in the intro, one stroke at the end."""
        strokes = drums.PATTERNS[self._mood.drum_pattern]
        if not strokes:
            return
        if bar.final:
            strokes = (strokes[0],)
        quiet = bar.intensity < 0.5
        for stroke in strokes:
            loud = stroke.velocity > 0.35 or not quiet
            if loud and stroke.beat < bar.beats:
                human = 1.0 + 0.08 * float(self._rng.standard_normal())
                strength = _LEVELS["drums"] * stroke.velocity * human * (0.6 + 0.4 * bar.intensity)
                yield Hit(
                    self._time_s(bar.beat + self._swung(stroke.beat)),
                    stroke.drum,
                    strength,
                    _side(stroke.drum),
                )

    def accents(self, cuts_s: tuple[float, ...]) -> Iterator[Hit]:
        """Mark the cuts that a beat meets with a soft cymbal."""
        for cut_s in cuts_s:
            nearest_s = float(self._grid[np.abs(self._grid - cut_s).argmin()])
            if abs(nearest_s - cut_s) < 0.05:
                yield Hit(nearest_s, "crash", 0.07, 0.2)

    def _note(
        self, bar: Bar, touch: Touch, pitch: int, voice: str, level: float, pan: float = 0.0
    ) -> Note | None:
        if touch.beat >= bar.beats:
            return None
        start = bar.beat + self._swung(touch.beat)
        end = min(bar.beat + touch.beat + touch.length, bar.beat + bar.beats)
        start_s = self._time_s(start)
        hold_s = max(0.05, self._time_s(end) - start_s)
        human = 1.0 + 0.06 * float(self._rng.standard_normal())
        strength = level * touch.velocity * human * (0.65 + 0.35 * bar.intensity)
        return Note(start_s, hold_s, pitch, max(0.0, strength), voice, pan)

    def _swung(self, beat: float) -> float:
        return beat + self._mood.swing if beat % 1 == 0.5 else beat

    def _time_s(self, beat: float) -> float:
        return float(np.interp(beat, self._beats, self._grid))

    def _new_motif(self) -> tuple[tuple[Touch, ...], tuple[Touch, ...]]:
        return self._motif_bar(), self._motif_bar()

    def _motif_bar(self) -> tuple[Touch, ...]:
        density = self._mood.lead_density
        beats = [n / 2 for n in range(2 * BAR) if self._rng.random() < density * (1.4 if n % 2 == 0 else 0.6)]
        beats = beats or [float(self._rng.integers(0, 3))]
        ends = [*beats[1:], float(BAR)]
        return tuple(
            Touch(b, min(e - b, 2.5) * 0.9, 0.85 if b % 1 == 0 else 0.65)
            for b, e in zip(beats, ends, strict=True)
        )

    def _next_pitch(self, bar: Bar, *, strong: bool) -> int:
        """Go on by a small step: to a tone of the chord on the beat, of the scale between."""
        centre = bar.pitches[-1] + 7
        wanted = (self._melody or centre) + int(self._rng.choice((-4, -2, -1, 1, 2, 4)))
        wanted += 5 if wanted < centre - 7 else -5 if wanted > centre + 7 else 0
        self._melody = nearest(wanted, bar.pitches if strong else self._scale)
        return self._melody


def _later(note: Note, delay_s: float) -> Note:
    return Note(note.start_s + delay_s, note.hold_s, note.pitch, note.velocity, note.voice, note.pan)


def _side(drum: str) -> float:
    return {"hat": 0.3, "tick": 0.3, "shaker": -0.35, "tom": -0.25, "rim": 0.15, "brush": -0.15}.get(
        drum, 0.0
    )
