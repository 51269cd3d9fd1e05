"""Pieces as a Standard MIDI File: a tempo map that follows the picture, markers, a track for each player."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from studio.music.form import Bar
from studio.music.sampler import KEYS, PROGRAMS
from studio.music.score import BAR, Hit, Note, Score, Seconds

_TICKS = 960  # a beat
_DRIFT_US = 200  # a tempo goes on while its beats stay so near to where they should be
_GAP_BEAT_S = 0.5  # where no music plays
_DRUM_CHANNEL, _CHANNELS = 9, (*range(9), *range(10, 16))
_VOLUME, _PAN = 7, 10

# What General MIDI has that is nearest to the studio's own synthesizers and drums.
_SYNTHESIZERS = {
    "drone": 95, "glass": 98, "glass_pad": 88, "hollow": 79, "pluck": 45, "saw_lead": 81, "saw_pad": 90,
    "sleigh_bells": 112, "spiccato": 48, "square_lead": 80, "stab": 62, "sub": 39, "synth_bass": 38,
}  # fmt: skip
_DRUMS = {
    "cymbal_swell": 49, "deep": 35, "riser": 49, "soft_kick": 35, "sub_drop": 35, "taiko": 41, "tick": 37,
    "timpani": 43,
}  # fmt: skip
_SECTIONS = {"again": "verse", "end": "last chord"}

_Event = tuple[int, bytes]  # a tick, and what happens there


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece on the timeline: where it begins (s), and from there its beats (s), its bars and its notes."""

    start_s: float
    beats_s: Seconds
    bars: tuple[Bar, ...]
    score: Score


def write_midi(passages: Sequence[Passage], cuts_s: Iterable[float], length_s: float) -> bytes:
    """Return a file of format 1 whose time is that of the film; passages are in their order.

    The first track has the tempo of every beat, the time signatures, and a marker for each section and cut.
    """
    grid_s = [0.0]
    for passage in passages:
        _fill(grid_s, passage.start_s)
        grid_s += [at for at in (passage.start_s + passage.beats_s).tolist() if at > grid_s[-1] + 1e-6]
    _fill(grid_s, length_s)
    grid = np.array(grid_s)

    def tick(at_s: float) -> int:
        return round(float(np.interp(at_s, grid, np.arange(len(grid)))) * _TICKS)

    conductor = [*_tempi(grid_s)]
    tracks: list[list[_Event]] = [conductor]
    for passage in passages:
        beats, size = len(passage.beats_s), BAR
        for bar in passage.bars:
            if bar.beats and bar.beat < beats:
                at = tick(passage.start_s + float(passage.beats_s[bar.beat]))
                if bar.beats != size or bar.beat == 0:
                    size = bar.beats
                    conductor.append((at, _meta(0x58, bytes((min(255, size), 2, 24, 8)))))
                if bar.place == 0:
                    conductor.append((at, _meta(0x06, _SECTIONS.get(bar.kind, bar.kind).encode())))
        moved = [
            (tick(passage.start_s + n.start_s), tick(passage.start_s + n.start_s + n.hold_s), n)
            for n in passage.score.notes
        ]
        most = max((n.velocity for n in passage.score.notes), default=1.0)
        players = sorted({(n.part, n.voice) for n in passage.score.notes})
        for number, (part, voice) in enumerate(players):
            played = [one for one in moved if (one[2].part, one[2].voice) == (part, voice)]
            tracks.append(_track(f"{part}: {voice}", _CHANNELS[number % len(_CHANNELS)], played, most))
        if passage.score.hits:
            strokes = [(tick(passage.start_s + hit.start_s), hit) for hit in passage.score.hits]
            tracks.append(_drums(strokes))
    conductor += [(tick(cut_s), _meta(0x06, b"cut")) for cut_s in cuts_s]
    end = tick(length_s)
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), _TICKS)
    return header + b"".join(_chunk(track, end) for track in tracks)


def _fill(grid_s: list[float], until_s: float) -> None:
    """Go on with even beats of about half a second."""
    gap_s = until_s - grid_s[-1]
    if gap_s > 1e-6:
        count = max(1, round(gap_s / _GAP_BEAT_S))
        grid_s += [grid_s[-1] + gap_s * (n + 1) / count for n in range(count)]


def _tempi(grid_s: Sequence[float]) -> Iterable[_Event]:
    elapsed_us, beat_us = 0, 0
    for number, at_s in enumerate(grid_s[1:]):
        needed_us = max(1, round(at_s * 1e6) - elapsed_us)
        if abs(needed_us - beat_us) > _DRIFT_US:
            beat_us = min(needed_us, 0xFFFFFF)
            yield number * _TICKS, _meta(0x51, beat_us.to_bytes(3))
        elapsed_us += beat_us


def _track(name: str, channel: int, played: Sequence[tuple[int, int, Note]], most: float) -> list[_Event]:
    """Return a player's track: how hard it plays as velocities, how loud it is beside others as volume."""
    hardest = max((note.velocity for _, _, note in played), default=0.0) or 1.0
    pan = float(np.mean([note.pan for _, _, note in played]))
    voice = played[0][2].voice
    events: list[_Event] = [
        (0, _meta(0x03, name.encode())),
        (0, bytes((0xC0 | channel, PROGRAMS.get(voice, _SYNTHESIZERS.get(voice, 0))))),
        (0, bytes((0xB0 | channel, _VOLUME, _seven(127 * (hardest / most) ** 0.5)))),
        (0, bytes((0xB0 | channel, _PAN, _seven(64 + 63 * pan)))),
    ]
    for start, end, note in played:
        events.append((start, bytes((0x90 | channel, note.pitch, _force(note.velocity / hardest)))))
        events.append((max(end, start + 1), bytes((0x80 | channel, note.pitch, 64))))
    return events


def _drums(strokes: Sequence[tuple[int, Hit]]) -> list[_Event]:
    hardest = max(hit.velocity for _, hit in strokes) or 1.0
    events: list[_Event] = [(0, _meta(0x03, b"drums"))]
    for start, hit in strokes:
        key = KEYS[hit.drum][1] if hit.drum in KEYS else _DRUMS.get(hit.drum, 37)
        events.append((start, bytes((0x90 | _DRUM_CHANNEL, key, _force(hit.velocity / hardest)))))
        events.append((start + _TICKS // 8, bytes((0x80 | _DRUM_CHANNEL, key, 64))))
    return events


def _force(share: float) -> int:
    return max(1, _seven(122 * share**0.7))


def _seven(value: float) -> int:
    return min(127, max(0, round(value)))


def _meta(kind: int, data: bytes) -> bytes:
    return bytes((0xFF, kind)) + _number(len(data)) + data


def _number(value: int) -> bytes:
    """Return a number as MIDI files write lengths: seven bits a byte, the highest bit set before the last."""
    data = [value & 0x7F]
    while value := value >> 7:
        data.append(0x80 | value & 0x7F)
    return bytes(reversed(data))


def _chunk(events: Iterable[_Event], end: int) -> bytes:
    """Return a track; of events at one tick, tones that end go first."""
    at, pieces = 0, []
    for tick, message in sorted(events, key=lambda event: (event[0], event[1][0] & 0xF0 != 0x80)):
        pieces.append(_number(tick - at) + message)
        at = tick
    pieces.append(_number(max(0, end - at)) + _meta(0x2F, b""))
    body = b"".join(pieces)
    return struct.pack(">4sI", b"MTrk", len(body)) + body
