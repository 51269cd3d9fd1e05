"""Compose a piece to a length: from mood, tempo, seed and cuts to stereo sound at 48 kHz."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from studio.music.band import Band
from studio.music.drummer import Drummer
from studio.music.form import plan_form
from studio.music.midi import Passage
from studio.music.mixer import Desk, perform, perform_stems
from studio.music.modes import RATE
from studio.music.moods import Mood, style_mood
from studio.music.patterns import load_patterns
from studio.music.performance import mark_cuts, perform_hits, perform_notes
from studio.music.score import SCALES, Hit, Note, Score, Seconds
from studio.music.tempo import beat_times
from studio.music.voices import VOICES, Stereo

_LET_GO_S, _DIES = 0.4, 0.5  # so long before the end the last chord is let go, and so much of the room's time
# Who plays, and under which name one leaves it out.
_PARTS = {"chords": "chords", "pad": "chords", "bass": "bass", "lead": "lead"}
_CHANGEABLE = frozenset({"scale", "drum_pattern", "chord_voice", "bass_voice", "lead_voice", "pad_voice"})


@dataclass(frozen=True, slots=True)
class MusicSpec:
    """What to compose: a mood of MOODS, beats per minute, a seed, cuts to meet (s), parts to leave out.

    The parts are chords (with the pad), bass, lead and drums; `bpm` 0 is the mood's own tempo. `genre` is one
    of GENRES, or "" for the mood's own. `changes` puts others in place of the mood's scale and voices,
    `stress` makes parts louder (above 1) or softer. A piece that another one follows does not close.
    """

    mood: str
    bpm: float = 0.0
    seed: int = 0
    cuts_s: tuple[float, ...] = ()
    without: frozenset[str] = frozenset()
    genre: str = ""
    closes: bool = True
    changes: tuple[tuple[str, str], ...] = ()
    stress: tuple[tuple[str, float], ...] = ()

    @property
    def style(self) -> Mood:
        """Return the mood as its genre plays it, with the scale and the voices that were asked for."""
        style = style_mood(self.mood, self.genre)
        known: dict[str, Any] = {name: value for name, value in self.changes if name in _CHANGEABLE}
        values = {"scale": SCALES, "drum_pattern": load_patterns()["drums"]}
        playable = all(value in values.get(name, VOICES) for name, value in known.items())
        return replace(style, **known) if playable else style

    @property
    def desk(self) -> Desk:
        """Return how its style is mixed."""
        style = self.style
        return Desk(style.wet, style.room_s, style.bass_db, style.high_db)


@dataclass(frozen=True, slots=True)
class Composed:
    """A composed piece, as a `studio.music.piece.Piece`."""

    spec: MusicSpec

    def blocks(self, duration_s: float) -> Iterator[Stereo]:
        """Yield the piece; see `blocks`."""
        return blocks(self.spec, duration_s)

    def beats(self, duration_s: float) -> Seconds:
        """Return the times of its beats, in s."""
        return beats_of(self.spec, duration_s)

    def stems(self, duration_s: float) -> Iterator[Stereo]:
        """Yield the piece taken apart, (stems, samples, 2); see `mixer.perform_stems`."""
        return perform_stems(write(self.spec, duration_s), duration_s, self.spec.desk)

    def passage(self, start_s: float, duration_s: float) -> Passage:
        """Return what is played when the piece begins at `start_s` of a film, for a MIDI file."""
        grid = beats_of(self.spec, duration_s)
        bars = plan_form(grid, self.spec.cuts_s, closes=self.spec.closes)
        return Passage(start_s, grid, bars, write(self.spec, duration_s))


def compose(spec: MusicSpec, duration_s: float) -> Stereo:
    """Return the whole piece as float32, (samples, 2), within ±1, exactly `duration_s` long."""
    samples = round(duration_s * RATE)
    piece = np.zeros((samples, 2), dtype=np.float32)
    at = 0
    for block in blocks(spec, duration_s):
        piece[at : at + len(block)] = block
        at += len(block)
    return piece


def blocks(spec: MusicSpec, duration_s: float) -> Iterator[Stereo]:
    """Yield the piece in blocks of at most 4 s, so that an hour needs no more memory than a minute."""
    yield from perform(write(spec, duration_s), duration_s, spec.desk)


def beats_of(spec: MusicSpec, duration_s: float) -> Seconds:
    """Return the times of the beats (s) of the piece that `spec` leads to."""
    mood = spec.style
    return np.array(beat_times(spec.bpm or mood.bpm, duration_s, spec.cuts_s))


def write(spec: MusicSpec, duration_s: float) -> Score:
    """Write the notes and strokes of a piece; the same spec and length give the same score."""
    mood = spec.style
    tonic = mood.tonic + spec.seed % 6 - 2
    grid = beats_of(spec, duration_s)
    bars = plan_form(grid, spec.cuts_s, closes=spec.closes)
    band = Band(mood, tonic, bars, spec.seed)
    stress = dict(spec.stress)
    notes: list[Note] = []
    for number, (player, part) in enumerate(_PARTS.items()):
        if part not in spec.without:
            played = band.play(player)
            factor = stress.get(part, 1.0)
            notes += perform_notes(
                (stroke._replace(velocity=stroke.velocity * factor) for stroke in played),
                mood, player, grid, np.random.default_rng((spec.seed, number)),
                dies_s=_LET_GO_S + _DIES * mood.room_s if spec.closes else 0.0,
            )  # fmt: skip
    hits: list[Hit] = []
    if "drums" not in spec.without and mood.drum_pattern:
        hits = perform_hits(
            Drummer(mood, bars, spec.seed).play(), mood, grid, np.random.default_rng((spec.seed, len(_PARTS)))
        )
        hits += mark_cuts(grid, spec.cuts_s)
        hits = [replace(hit, velocity=hit.velocity * stress.get("drums", 1.0)) for hit in hits]
    return Score(tuple(sorted(notes, key=_start_s)), tuple(sorted(hits, key=_start_s)))


def _start_s(event: Note | Hit) -> float:
    return event.start_s
