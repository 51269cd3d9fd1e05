"""The drums: grooves whose bars differ, fills at the ends of sections, rolls before the height."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from studio.music.form import Bar
from studio.music.moods import Mood
from studio.music.patterns import STRENGTHS, load_patterns
from studio.music.performance import Stroke
from studio.music.score import BAR

_LEVEL = 0.42
_QUICK = {"four", "retro"}  # kits whose kick goes on below a roll
_MAYBE = 0.45


class Drummer:
    """Plays the kit of a mood through the form of a piece."""

    def __init__(self, mood: Mood, bars: Sequence[Bar], seed: int) -> None:
        """Take whose kit is played, the form, and where all chance begins."""
        self._mood, self._bars, self._seed = mood, bars, seed
        self._kit = load_patterns()["drums"].get(mood.drum_pattern, {})

    def play(self) -> Iterator[Stroke]:
        """Yield all strokes, in order of bars; none without a kit."""
        draw = Random(f"{self._seed}/drums")
        for number, bar in enumerate(self._bars if self._kit else ()):
            for stroke in self._bar(number, draw):
                force = stroke.velocity * _LEVEL * bar.level
                yield stroke._replace(beat=bar.beat + stroke.beat, velocity=force)

    def _bar(self, number: int, draw: Random) -> Iterator[Stroke]:
        bar = self._bars[number]
        before = self._bars[number - 1] if number else bar
        following = self._bars[number + 1] if number + 1 < len(self._bars) else bar
        wanted = bar.shape.drums
        if bar.kind == "intro" and bar.place >= bar.of / 2:
            wanted = "light"
        if bar.place == 0 and bar.kind in {"again", "bridge", "height", "verse", "end"} and number:
            yield from self._crash(bar, before)
        if bar.kind == "end":
            yield Stroke(0, 0, self._kit.get("last", "kick"), 0.9)
            return
        if wanted == "roll":
            yield from self._roll(bar)
            return
        ends = bar.last and following.kind not in {"end", "build", "break", "outro"} and wanted != "light"
        breathes = not ends and bar.place % 4 == 3 and wanted in {"main", "full"} and draw.random() < 0.5
        cut = bar.beats - (2.0 if ends else 1.0 if breathes else 0.0)
        if wanted:
            rows = self._kit[wanted]
            row = rows[(0, 1, 0, 2)[bar.place % 4] % len(rows)] if draw.random() < 0.75 else draw.choice(rows)
            yield from (
                s for s in _strike(row, bar.beats, draw) if s.beat < cut or (s.sound == "kick" and not ends)
            )
        if ends or breathes or (bar.kind == "intro" and bar.last and bar.of > 1):
            length = 1.0 if breathes else 2.0
            fill = draw.choice(self._kit["fills"])
            for stroke in _strike(fill, 2, draw):
                if stroke.beat >= 2.0 - length:
                    yield stroke._replace(beat=bar.beats - 2.0 + stroke.beat)

    def _crash(self, bar: Bar, before: Bar) -> Iterator[Stroke]:
        loud = 0.85 if bar.kind == "height" else 0.5
        yield Stroke(0, 0, self._kit.get("cymbal", "crash"), loud * (0.6 if before.kind == "intro" else 1.0))

    def _roll(self, bar: Bar) -> Iterator[Stroke]:
        """Quicken from eighths to sixteenths towards the height, and breathe before it."""
        drum = self._kit.get("roll", "snare")
        step = 0.25 if bar.last else 0.5
        count = int((bar.beats - (0.5 if bar.last else 0.0)) / step)
        for n in range(count):
            grown = (bar.place + n / count) / bar.of
            yield Stroke(n * step, 0, drum, (0.25 + 0.5 * grown) * (1.15 if n * step % 1 == 0 else 0.9))
        if bar.place == 0 or self._mood.drum_pattern in _QUICK:
            for beat in range(bar.beats - (1 if bar.last else 0)):
                yield Stroke(beat, 0, "kick", 0.7)
        if bar.last:
            yield Stroke(bar.beats, 0, "cymbal_swell", 0.5, after_s=-2.0)
            if self._mood.drum_pattern in _QUICK:
                yield Stroke(bar.beats, 0, "riser", 0.6, after_s=-4.0)


def _strike(rows: dict[str, str], beats: int, draw: Random) -> Iterator[Stroke]:
    """Yield what the rows of a groove or a fill say, begun anew where the bar is longer than they are."""
    for drum, row in rows.items():
        for at in range(beats * BAR):
            sign = row[at % len(row)]
            if sign != "." and (sign != "?" or draw.random() < _MAYBE):
                yield Stroke(at / BAR, 0, drum, STRENGTHS[sign])
