"""Who plays what in a bar: chords, pad, bass, and the lead with its answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from studio.music.form import Bar
from studio.music.harmony import Chord, lead_voices, read_bars
from studio.music.melody import PERIOD, Theme, Tone, answer, fit_tone, pitch_of, vary, write_theme
from studio.music.moods import Mood
from studio.music.patterns import STRENGTHS, load_patterns
from studio.music.performance import Stroke
from studio.music.score import BAR, SCALES

_LEVELS = {"chords": 0.15, "pad": 0.075, "bass": 0.26, "lead": 0.15}
_STRUM_S = 0.012
# The middle of the range in which a voice carries a melody; 72 for those that are not named.
_CENTRES = {
    "cello": 57, "horn": 62, "trumpet": 69, "brass": 67, "violin": 76, "flute": 79, "clarinet": 69,
    "viola": 66, "nylon": 67, "guitar": 67, "crunch": 64, "electric_guitar": 67, "bells": 82,
    "glockenspiel": 86, "celesta": 84, "music_box": 84, "choir": 66, "hollow": 67, "kalimba": 76,
    "glass": 77, "strings": 72, "organ": 69,
}  # fmt: skip
_HIGHEST_CENTRE, _HIGHEST = 84, 96
_FLOORS = {"cello": 36, "piano": 33, "contrabass": 28, "drone": 31}  # lowest roots; 29 for others


@dataclass(frozen=True, slots=True)
class Harmony:
    """The chords of a bar with their voicings: one, or as many as divide it evenly."""

    chords: tuple[Chord, ...]
    voicings: tuple[tuple[int, ...], ...]

    def at(self, beat: float) -> int:
        """Return the number of the chord that sounds at a beat."""
        return min(len(self.chords) - 1, int(beat * len(self.chords) / BAR))


class Band:
    """The players of one piece. The same seed gives the same notes, whoever is left out."""

    def __init__(self, mood: Mood, tonic: int, bars: Sequence[Bar], seed: int) -> None:
        """Take the mood, the pitch of its tonic, the form, and where all chance begins."""
        self._mood, self._tonic, self._bars, self._seed = mood, tonic, bars, seed
        draw = Random(f"{seed}/harmony")
        minor = 3 in SCALES[mood.scale]
        progressions = draw.sample(mood.minor if minor else mood.major, 2)
        self._verse, self._bridge = (read_bars(progression) for progression in progressions)
        self._close = read_bars(mood.close[1 if minor else 0])
        self.harmonies = self._harmonise()
        patterns = load_patterns()
        cells = draw.sample(patterns["lead"][mood.lead_rhythm]["cells"], 2)
        chords = [[bar[0] for bar in progression] for progression in (self._verse, self._bridge)]
        self._themes: tuple[Theme, ...] = tuple(
            write_theme(cell, over, mood.scale, draw, start=start)
            for cell, over, start in zip(cells, chords, (2, 4), strict=True)
        )
        self._chord_rows = patterns["chords"][mood.chord_pattern]
        self._bass_rows = patterns["bass"][mood.bass_pattern]

    def play(self, part: str) -> Iterator[Stroke]:
        """Yield all that one part (`chords`, `pad`, `bass`, `lead`) plays, in order of bars."""
        players = {"chords": self._chords, "pad": self._pad, "bass": self._bass, "lead": self._lead}
        draw = Random(f"{self._seed}/{part}")
        for number, bar in enumerate(self._bars):
            level = _LEVELS[part] * bar.level
            for stroke in players[part](number, bar, draw):
                yield stroke._replace(beat=bar.beat + stroke.beat, velocity=stroke.velocity * level)

    def _harmonise(self) -> list[Harmony]:
        harmonies: list[Harmony] = []
        voicing: tuple[int, ...] = ()
        for number, bar in enumerate(self._bars):
            following = self._bars[number + 1].kind if number + 1 < len(self._bars) else ""
            rows = self._bridge if bar.shape.bridge else self._verse
            chords = rows[bar.place % len(rows)]
            if bar.kind == "end":
                chords = self._close[-1]
            elif (following == "end" and number) or (bar.kind == "build" and bar.last):
                chords = self._close[0]
            elif bar.kind == "build":
                chords = self._bridge[(bar.place - bar.of) % len(self._bridge)]
            voicings: list[tuple[int, ...]] = []
            for chord in chords:
                voicing = lead_voices(voicing, chord, self._tonic, _chord_centre(self._mood.chord_voice))
                voicings.append(voicing)
            harmonies.append(Harmony(chords, tuple(voicings)))
        return harmonies

    def _chords(self, number: int, bar: Bar, draw: Random) -> Iterator[Stroke]:
        harmony, voice = self.harmonies[number], self._mood.chord_voice
        if bar.kind == "end":
            for order, pitch in enumerate(harmony.voicings[-1]):
                yield Stroke(0, bar.beats, pitch, 0.85, voice, _side(order), 2.5 * order * _STRUM_S)
            return
        row, hold = _choose_row(self._chord_rows, bar, draw), self._chord_rows["hold"]
        steps = [at for at in range(bar.beats * BAR) if row[at % len(row)] != "."]
        for n, at in enumerate(steps):
            beat, sign = at / BAR, row[at % len(row)]
            until = steps[n + 1] / BAR if n + 1 < len(steps) else float(bar.beats)
            length = min(hold or until - beat, bar.beats - beat)
            voicing = harmony.voicings[harmony.at(beat)]
            if sign.isdigit():
                order = int(sign)
                pitch = voicing[order % len(voicing)] + 12 * (order // len(voicing))
                accent = 0.85 if at % BAR == 0 else 0.68
                yield Stroke(beat, length, pitch, accent, voice, _side(order))
                continue
            up = sign in "uU"
            strummed = voicing[::-1][:3] if up else voicing
            delay_s = _STRUM_S * (0.7 if up else 1.0) if sign in "DdUu" else 0.004
            for order, pitch in enumerate(strummed):
                yield Stroke(beat, length, pitch, STRENGTHS[sign], voice, _side(order), order * delay_s)

    def _pad(self, number: int, bar: Bar, draw: Random) -> Iterator[Stroke]:
        if not self._mood.pad_voice or not (bar.shape.pad or bar.kind == "end"):
            return
        harmony = self.harmonies[number]
        share = bar.beats / len(harmony.chords)
        for n, voicing in enumerate(harmony.voicings):
            for order, pitch in enumerate(voicing):
                yield Stroke(n * share, share - 0.05, pitch, 0.9, self._mood.pad_voice, 1.6 * _side(order))

    def _bass(self, number: int, bar: Bar, draw: Random) -> Iterator[Stroke]:
        voice, harmony = self._mood.bass_voice, self.harmonies[number]
        if bar.kind == "end":
            yield Stroke(0, bar.beats, self._low(harmony.chords[-1]), 0.85, voice)
            return
        if not bar.shape.bass:
            return
        if bar.shape.bass == "pedal":
            row, hold = self._bass_rows.get("pedal", "R.r.r.r.R.r.r.r."), 0.45
        else:
            row, hold = _choose_row(self._bass_rows, bar, draw), self._bass_rows["hold"]
        steps = [at for at in range(bar.beats * BAR) if row[at % len(row)] != "."]
        last = self._low(harmony.chords[0])
        for n, at in enumerate(steps):
            beat, sign = at / BAR, row[at % len(row)]
            until = steps[n + 1] / BAR if n + 1 < len(steps) else float(bar.beats)
            chord = harmony.chords[harmony.at(beat)]
            changes = harmony.at(beat) != harmony.at(beat - 0.25) if beat else True
            pitch = (
                self._low(chord)
                if changes and beat % 1 == 0
                else self._bass_pitch(sign, chord, number, beat, last)
            )
            last = pitch
            yield Stroke(beat, min(hold or until - beat, until - beat), pitch, STRENGTHS[sign], voice)

    def _bass_pitch(self, sign: str, chord: Chord, number: int, beat: float, last: int) -> int:
        low = self._low(chord)
        if sign in "Rrg":
            return low
        if sign in "3578":
            third = {"3": 1, "5": 2, "7": 3, "8": 0}[sign]
            root = low - (chord.bass - chord.root) % 12
            pitch = root + (12 if sign == "8" else chord.tone(third))
            return pitch + 12 if pitch < low - 7 else pitch
        target = self._low(self.harmonies[min(number + 1, len(self.harmonies) - 1)].chords[0])
        if sign == "a" or beat >= BAR - 1:
            return _approach(target, last, chord, self._tonic, strong=beat % 1 == 0)
        inside = [low + step for step in range(-5, 15) if (low + step - self._tonic) % 12 in chord.classes]
        way = 1 if last <= low + 4 else -1
        return min(inside, key=lambda pitch: abs(pitch - (last + 3.5 * way)) + (9 if pitch == last else 0))

    def _low(self, chord: Chord) -> int:
        floor = _FLOORS.get(self._mood.bass_voice, 29)
        return floor + (self._tonic + chord.bass - floor) % 12

    def _lead(self, number: int, bar: Bar, draw: Random) -> Iterator[Stroke]:
        mood, shape, harmony = self._mood, bar.shape, self.harmonies[number]
        voices = (mood.lead_voice, mood.answer_voice)
        lead, other = voices if bar.cycle % 2 == 0 else voices[::-1]
        if bar.kind == "end":
            if bar.beats >= BAR:
                yield self._sing(Tone(0.0, bar.beats, 0, 0.7), harmony, lead, 0)
            return
        if not shape.theme or (shape.theme == "fragment" and bar.place % 2):
            return
        theme = self._themes[1 if shape.theme == "second" else 0]
        tones = theme[bar.place % PERIOD]
        if shape.theme == "varied":
            tones = vary(tones, draw)
        if shape.theme == "fragment":
            tones = tones[:3]
        tones = tuple(tone for tone in tones if tone.beat < bar.beats)
        phrase = 0.92 + 0.12 * (bar.place % 4) / 3
        for tone in tones:
            fitted = fit_tone(tone, harmony.chords[harmony.at(tone.beat)], mood.scale)
            fitted = Tone(
                fitted.beat,
                min(fitted.length, bar.beats - fitted.beat),
                fitted.degree,
                fitted.strength * phrase,
            )
            yield self._sing(fitted, harmony, lead, shape.lift)
            if shape.theme == "high" and tone.weighty:
                yield self._sing(fitted, harmony, other, 0, softer=0.55)
        if shape.answers and bar.place % 2 == 1:
            for tone in answer(tones, bar.beats, draw):
                yield self._sing(tone, harmony, other, 0, softer=0.8)

    def _sing(self, tone: Tone, harmony: Harmony, voice: str, lift: int, *, softer: float = 1.0) -> Stroke:
        centre = _CENTRES.get(voice, 72)
        if centre + 12 * lift > _HIGHEST_CENTRE:
            lift = 0
        tonic = self._tonic + 12 * round((centre - 5 + 12 * lift - self._tonic) / 12)
        pitch = pitch_of(tone.degree, tonic, harmony.chords[harmony.at(tone.beat)], self._mood.scale)
        pitch -= 12 if pitch > _HIGHEST else 0
        pan = 0.12 if voice == self._mood.lead_voice else -0.25
        return Stroke(tone.beat, 0.93 * tone.length, pitch, tone.strength * softer, voice, pan)


def _choose_row(rows: dict[str, Any], bar: Bar, draw: Random) -> str:
    """Return the row of a bar: they take turns, and now and then another one than that is played."""
    level = {"light": "thin", "pedal": "main"}.get(bar.shape.chords, bar.shape.chords or "thin")
    choices: list[str] = rows[level]
    return choices[bar.place % len(choices)] if draw.random() < 0.7 else draw.choice(choices)


def _approach(target: int, last: int, chord: Chord, tonic: int, *, strong: bool) -> int:
    """Return a tone beside the next root, from the side the bass comes from; on a beat none that rubs."""
    sides = (-1, 2, -2, 1) if last <= target else (1, -2, 2, -1)
    for move in sides:
        step = (target + move - tonic) % 12
        rubs = step not in chord.classes and any((step + off) % 12 in chord.classes for off in (-1, 1))
        if not (strong and rubs):
            return target + move
    near = [target + move for move in range(-7, 8) if move and (target + move - tonic) % 12 in chord.classes]
    return min(near, key=lambda pitch: abs(pitch - target))


def _side(order: int) -> float:
    return 0.3 * (-1.0) ** order


def _chord_centre(voice: str) -> int:
    return {"ukulele": 67, "crunch": 55, "choir": 60, "viola": 60, "guitar": 59, "nylon": 59}.get(voice, 62)
