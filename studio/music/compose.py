"""Compose a piece to a length: from mood, tempo, seed and cuts to stereo sound at 48 kHz."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from studio.music.drums import drum
from studio.music.genres import styled
from studio.music.grid import Seconds, beat_grid
from studio.music.moods import Mood
from studio.music.parts import Band
from studio.music.room import Room
from studio.music.score import Hit, Note, Score, plan_form
from studio.music.theory import frequency_hz
from studio.music.voices import RATE, VOICES, Mono, Stereo, tone

BLOCK = 4 * RATE
_TAIL = 12 * RATE
_END_S = 0.4
_KNEE = 0.7
_LEVEL = 1.0


@dataclass(frozen=True, slots=True)
class MusicSpec:
    """What to compose: a mood of MOODS, beats per minute, a seed, cuts to meet (s), parts to leave out.

    The parts are chords (with the pad), bass, lead and drums; `bpm` 0 is the mood's own tempo, `steady` keeps
    to it. `genre` is one of GENRES, or "" for the mood's own.
    """

    mood: str
    bpm: float = 0.0
    seed: int = 0
    cuts_s: tuple[float, ...] = ()
    without: frozenset[str] = frozenset()
    genre: str = ""
    steady: bool = False

    @property
    def style(self) -> Mood:
        """Return the mood as its genre plays it."""
        return styled(self.mood, self.genre)


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
    mood = spec.style
    score = write(spec, duration_s)
    total = round(duration_s * RATE)
    room = Room(mood.room_s, BLOCK)
    stage = _Stage(score)
    for start in range(0, total, BLOCK):
        dry = stage.play(start)
        wet = room.reflect(dry)
        mix = _soft_clip((dry + wet * np.float32(mood.wet)) * np.float32(_LEVEL))
        block = mix[: total - start]
        yield block * _ending(start, len(block), total)


def beats_of(spec: MusicSpec, duration_s: float) -> Seconds:
    """Return the times of the beats (s) of the piece that `spec` leads to."""
    mood = spec.style
    return beat_grid(spec.bpm or mood.bpm, duration_s, spec.cuts_s, steady=spec.steady)


def write(spec: MusicSpec, duration_s: float) -> Score:
    """Write the notes and strokes of a piece; the same spec and length give the same score."""
    mood = spec.style
    rng = np.random.default_rng(spec.seed)
    tonic = mood.tonic + int(rng.integers(-2, 4))
    grid = beats_of(spec, duration_s)
    band = Band(mood, tonic, grid, rng)
    players = {"chords": (band.chords, band.pad), "bass": (band.bass,), "lead": (band.lead,)}
    notes: list[Note] = []
    hits: list[Hit] = []
    for bar in plan_form(mood, tonic, grid, rng):
        # Everybody plays, and is left out afterwards: without its drums a piece is otherwise the same.
        for part, parts in players.items():
            played = [note for player in parts for note in player(bar)]
            notes += [] if part in spec.without else played
        hits += band.drums(bar)
    if mood.drum_pattern:
        hits += band.accents(spec.cuts_s)
    if "drums" in spec.without:
        hits = []
    return Score(tuple(sorted(notes, key=_start_s)), tuple(sorted(hits, key=_start_s)))


def _start_s(event: Note | Hit) -> float:
    return event.start_s


class _Stage:
    """Sounds a score block by block; what rings on is carried over."""

    def __init__(self, score: Score) -> None:
        self._notes = score.notes
        self._hits = score.hits
        self._next_note = self._next_hit = 0
        self._sound = np.zeros((BLOCK + _TAIL, 2), dtype=np.float32)

    def play(self, start: int) -> Stereo:
        """Return the dry block that begins at sample `start`; blocks must be asked for in order."""
        end_s = (start + BLOCK) / RATE
        while self._next_note < len(self._notes) and self._notes[self._next_note].start_s < end_s:
            note = self._notes[self._next_note]
            self._add(_sound(note.voice, note.pitch, round(note.hold_s * 40)), note, start)
            self._next_note += 1
        while self._next_hit < len(self._hits) and self._hits[self._next_hit].start_s < end_s:
            hit = self._hits[self._next_hit]
            self._add(drum(hit.drum)[:, None], hit, start)
            self._next_hit += 1
        block = self._sound[:BLOCK].copy()
        self._sound[:-BLOCK] = self._sound[BLOCK:]
        self._sound[-BLOCK:] = 0.0
        return block

    def _add(self, sound: Mono | Stereo, event: Note | Hit, start: int) -> None:
        at = max(0, round(event.start_s * RATE) - start)
        length = min(len(sound), len(self._sound) - at)
        sides = np.array((1.0 - max(0.0, event.pan), 1.0 + min(0.0, event.pan)), dtype=np.float32)
        self._sound[at : at + length] += sound[:length] * (sides * np.float32(event.velocity))


@lru_cache(maxsize=96)
def _sound(voice: str, pitch: int, fortieths: int) -> Stereo:
    return tone(VOICES[voice], frequency_hz(pitch), min(fortieths / 40, 10.0))


def _soft_clip(mix: Stereo) -> Stereo:
    """Leave what is below the knee as it is, and bend the rest so that it never reaches 1."""
    room = 0.98 - _KNEE
    over = np.maximum(np.abs(mix) - _KNEE, 0.0)
    bent = np.sign(mix) * (np.minimum(np.abs(mix), _KNEE) + room * np.tanh(over / room))
    return np.asarray(bent, dtype=np.float32)


def _ending(start: int, length: int, total: int) -> Stereo:
    """Return the gain, (samples, 1), that lets the last moments ring out to nothing on the last sample."""
    fade = min(int(_END_S * RATE), max(1, total // 4))
    left = np.arange(total - start, total - start - length, -1, dtype=np.float32) - 1.0
    return (0.5 - 0.5 * np.cos(np.pi * np.clip(left / fade, 0.0, 1.0))).astype(np.float32)[:, None]
