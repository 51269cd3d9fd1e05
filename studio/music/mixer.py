"""From notes to sound: players, two buses, a room, and an end that rings out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from studio.music.modes import RATE, Sound, noise
from studio.music.sampler import Sampler, sampler
from studio.music.score import Hit, Note, Score

BLOCK = 4 * RATE
STEMS = ("drums", "bass", "harmony", "lead")
_STEM_OF = {"bass": "bass", "chords": "harmony", "pad": "harmony"}  # by part; "lead" for all others
_TAIL = 12 * RATE
_LONGEST_HOLD_S = 10.0
_KNEE = 0.7

_THIRD = 3  # the room is worked out at 16 kHz: it swallows what is higher
_ROOM_RATE = RATE // _THIRD
_PREDELAY_S = 0.014
_EARLY_S = (0.0, 0.005, 0.011, 0.017, 0.026, 0.037)
_LEAD_DB = 3.0  # the tune stands before what accompanies it
_TO_ROOM = {"drums": 0.45}  # a kick in a hall is mud

_HOP = RATE // 200
_PER_BLOCK = BLOCK // _HOP
_ATTACK_S, _RELEASE_S, _USUAL_S = 0.008, 0.12, 3.0

_FADE_S = 1.5
_EDGE_S = 0.02
_END_HEARD_DB = -34.0


@dataclass(frozen=True, slots=True)
class Desk:
    """How a style is mixed.

    `wet` is the share that goes through a room whose sound falls by 60 dB within `room_s`; `bass_db` is how
    much louder the bass plays, `high_db` what is done above 2.6 kHz.
    """

    wet: float
    room_s: float
    bass_db: float = 0.0
    high_db: float = 0.0


def perform(score: Score, duration_s: float, desk: Desk, players: Sampler | None = None) -> Iterator[Sound]:
    """Yield the score as sound, (samples, 2) within ±1 at 48 kHz, in blocks of 4 s: `duration_s` in all.

    A piece that has not died away on its last frame is faded within its last 1.5 s.
    """
    for (block,) in _perform(score, duration_s, desk, (("drums", "band"),), players):
        yield block


def perform_stems(
    score: Score, duration_s: float, desk: Desk, players: Sampler | None = None
) -> Iterator[Sound]:
    """Yield the score as `perform` does, taken apart: (stems, samples, 2) in the order of STEMS.

    The stems add up to what `perform` yields: each goes through the room for itself, and all of them through
    the gains that the buses and the limiter have for the whole.
    """
    return _perform(score, duration_s, desk, tuple((name,) for name in STEMS), players)


def _perform(
    score: Score,
    duration_s: float,
    desk: Desk,
    outputs: Sequence[tuple[str, ...]],
    players: Sampler | None,
) -> Iterator[Sound]:
    """Yield blocks of (outputs, samples, 2); each output is the sum of the buses that it names."""
    total = round(duration_s * RATE)
    buses = tuple(bus for output in outputs for bus in output)
    stage, rooms = (
        _Stage(score, players or sampler(), buses, desk.bass_db),
        [Room(desk.room_s) for _ in outputs],
    )
    trebles = [Treble(desk.high_db) for _ in outputs]
    drums_bus, band_bus = Compressor(4.0, 0.5), Compressor(6.0, 0.3)
    loudest = 0.0
    held = np.zeros((len(outputs), 0, 2), dtype=np.float32)
    for start in range(0, total, BLOCK):
        dry = dict(zip(buses, stage.play(start), strict=True))
        drums_curve = drums_bus.follow(dry["drums"])
        band_curve = band_bus.follow(sum_of([dry[bus] for bus in buses if bus != "drums"]))
        tracks = []
        for output, room, treble in zip(outputs, rooms, trebles, strict=True):
            track = sum_of([dry[bus] * (drums_curve if bus == "drums" else band_curve) for bus in output])
            sent = sum_of([dry[bus] * np.float32(_TO_ROOM.get(bus, 1.0)) for bus in output])
            tracks.append(treble.pass_through(track + np.float32(desk.wet) * room.reflect(sent)))
        mix = sum_of(tracks)
        clipped = soft_clip(mix)
        if len(tracks) == 1:
            tracks = [clipped]
        elif clipped is not mix:
            bend = np.divide(clipped, mix, out=np.ones_like(mix), where=mix != 0.0)
            tracks = [track * bend for track in tracks]
        loudest = max(loudest, float(np.mean(clipped[:, : total - start] ** 2)))
        block = np.ascontiguousarray(np.stack(tracks)[:, :, : total - start].transpose(0, 2, 1))
        if block.shape[1] == BLOCK:
            if held.shape[1]:
                yield held
            held = block
        else:
            held = np.concatenate((held, block), axis=1)
    _end(held, loudest)
    yield held[:, :BLOCK]
    if held.shape[1] > BLOCK:
        yield held[:, BLOCK:]


def sum_of(sounds: Sequence[Sound]) -> Sound:
    """Return the sum of sounds of one shape; a single one is not copied."""
    whole = sounds[0]
    for sound in sounds[1:]:
        whole = whole + sound
    return whole


def _end(ending: Sound, loudest: float) -> None:
    """Bring the last samples to zero: in 20 ms when the piece has died away, else within 1.5 s."""
    length = ending.shape[1]
    last = ending[:, -RATE // 5 :].sum(axis=0)
    heard = len(last) and float(np.mean(last**2)) > loudest * 10.0 ** (_END_HEARD_DB / 10.0)
    fade = min(length if length < RATE else length // 2, int((_FADE_S if heard else _EDGE_S) * RATE))
    if fade:
        ending[:, -fade:] *= (0.5 + 0.5 * np.cos(np.linspace(0.0, math.pi, fade, dtype=np.float32)))[:, None]


class _Stage:
    """Sounds a score block by block; what rings on is carried over."""

    def __init__(self, score: Score, players: Sampler, buses: Sequence[str], bass_db: float) -> None:
        self._events: list[Note | Hit] = sorted((*score.notes, *score.hits), key=lambda event: event.start_s)
        self._players = players
        self._most = _hardest(score)
        self._gains = {"lead": 10.0 ** (_LEAD_DB / 20.0), "bass": 10.0 ** (bass_db / 20.0)}
        self._next = 0
        self._buses = {bus: np.zeros((2, BLOCK + _TAIL), dtype=np.float32) for bus in buses}
        self._scaled = np.zeros(BLOCK + _TAIL, dtype=np.float32)
        self._taken: dict[str, int] = {}

    def play(self, start: int) -> list[Sound]:
        """Return the buses, dry, of the block that begins at sample `start`; ask for them in order."""
        end_s = (start + BLOCK) / RATE
        while self._next < len(self._events) and self._events[self._next].start_s < end_s:
            self._sound(self._events[self._next], start)
            self._next += 1
        return [_advance(bus) for bus in self._buses.values()]

    def _sound(self, event: Note | Hit, start: int) -> None:
        name = event.drum if isinstance(event, Hit) else event.voice
        # How hard it is played, of how hard this player ever plays: softer is duller, not only quieter.
        force = 0.95 * (event.velocity / self._most[name]) ** 0.7
        if isinstance(event, Hit):
            take = self._taken[name] = self._taken.get(name, -1) + 1
            bus, sound = self._buses["drums"], self._players.stroke(name, force, take)
        else:
            hold_s = min(event.hold_s, _LONGEST_HOLD_S)
            stem = _STEM_OF.get(event.part, "lead")
            bus = self._buses["band" if "band" in self._buses else stem]
            sound = self._players.tone(name, event.pitch, force, hold_s).play(hold_s)
        level = event.velocity
        if isinstance(event, Note):
            level *= self._gains.get(event.part, 1.0)
        at = max(0, round(event.start_s * RATE) - start)
        length = min(sound.shape[1], bus.shape[1] - at)
        for side, share in enumerate((1.0 - max(0.0, event.pan), 1.0 + min(0.0, event.pan))):
            scaled = np.multiply(
                sound[min(side, len(sound) - 1), :length],
                np.float32(share * level),
                out=self._scaled[:length],
            )
            bus[side, at : at + length] += scaled


def _hardest(score: Score) -> Mapping[str, float]:
    """Return the highest velocity of each voice and each drum."""
    most: dict[str, float] = {}
    for note in score.notes:
        most[note.voice] = max(most.get(note.voice, 1e-6), note.velocity)
    for hit in score.hits:
        most[hit.drum] = max(most.get(hit.drum, 1e-6), hit.velocity)
    return most


def _advance(bus: Sound) -> Sound:
    """Return the first block of a bus, and move up what comes after it."""
    block = bus[:, :BLOCK].copy()
    bus[:, :-BLOCK] = bus[:, BLOCK:]
    bus[:, -BLOCK:] = 0.0
    return block


class Compressor:
    """Holds back what is more than `over_db` above the last seconds' level, by `share` of the excess.

    Peaks come closer to the rest; that one part of a piece is louder than another stays.
    """

    def __init__(self, over_db: float, share: float) -> None:
        """Begin with no level known."""
        self._over_db, self._share = over_db, share
        self._quick_db, self._usual_db = -120.0, -120.0
        self._gain_db = 0.0
        self._heard = 0

    def follow(self, block: Sound) -> Sound:
        """Return the gain for each sample of a block of 4 s, which must come in order."""
        both = block.reshape(2, _PER_BLOCK, _HOP)
        powers = np.einsum("shn,shn->h", both, both) / (2 * _HOP)
        levels_db = (10.0 * np.log10(powers + 1e-9)).tolist()
        down, up, usual = (1.0 - math.exp(-_HOP / RATE / t) for t in (_ATTACK_S, _RELEASE_S, _USUAL_S))
        gains_db = []
        for level_db in levels_db:
            self._quick_db += (level_db - self._quick_db) * (down if level_db > self._quick_db else up)
            if level_db > -60.0:
                # The usual level is the mean of what was heard, later of the last seconds.
                self._heard += 1
                self._quick_db = max(self._quick_db, level_db - 20.0)
                self._usual_db += (self._quick_db - self._usual_db) * max(usual, 1.0 / self._heard)
            gains_db.append(-self._share * max(0.0, self._quick_db - self._usual_db - self._over_db))
        points = 10.0 ** (np.array([self._gain_db, *gains_db]) / 20.0)
        self._gain_db = gains_db[-1]
        share = np.arange(1, _HOP + 1, dtype=np.float32) / np.float32(_HOP)
        lines = (points[:-1, None] + np.diff(points)[:, None] * share).astype(np.float32)
        return lines.reshape(BLOCK)


class Treble:
    """Raises or lowers what is above 2.6 kHz by so many dB; delays by 0.15 ms."""

    def __init__(self, high_db: float) -> None:
        """Begin in silence."""
        self._extra = np.float32(10.0 ** (high_db / 20.0) - 1.0)
        self._past = np.zeros((2, 14), dtype=np.float32)

    def pass_through(self, block: Sound) -> Sound:
        """Return a block; blocks must come in order."""
        if not self._extra:
            return block
        # The mean of 8 samples, twice: what it takes away is high.
        sound = np.concatenate((self._past, block), axis=1)
        self._past = sound[:, -14:].copy()
        low = sound
        for step in (1, 2, 4, 1, 2, 4):
            low = low[:, step:] + low[:, :-step]
        plain = sound[:, 7:-7]
        return np.asarray(plain + self._extra * (plain - low / np.float32(64)))


class Room:
    """Adds a room's answer to blocks of 4 s, carrying the tail from each to the next."""

    def __init__(self, length_s: float) -> None:
        """Take the time in which its sound falls by 60 dB (s)."""
        impulse = _impulse(round(length_s, 2))
        self._size = -(-(BLOCK // _THIRD + len(impulse)) // 4096) * 4096
        self._answer: NDArray[np.complex128] = np.fft.rfft(impulse.T, self._size)
        self._tail = np.zeros((2, self._size))
        self._last = np.zeros((2, 1), dtype=np.float32)

    def reflect(self, block: Sound) -> Sound:
        """Return the sound that comes back while `block` plays."""
        sent = block[0] + block[1]
        sent = (sent[0::3] + sent[1::3] + sent[2::3]) / np.float32(_THIRD)
        if sent.any() or self._tail.any():
            self._tail += np.fft.irfft(np.fft.rfft(sent, self._size) * self._answer, self._size)
        size = BLOCK // _THIRD
        points = np.concatenate((self._last, self._tail[:, :size].astype(np.float32)), axis=1)
        self._tail[:, :-size] = self._tail[:, size:]
        self._tail[:, -size:] = 0.0
        self._last = points[:, -1:]
        share = np.arange(1, _THIRD + 1, dtype=np.float32) / np.float32(_THIRD)
        lines = points[:, :-1, None] + np.diff(points, axis=1)[:, :, None] * share
        return lines.reshape(2, -1)


@lru_cache(maxsize=8)
def _impulse(length_s: float) -> Sound:
    """Return what a room answers to a click, at 16 kHz, (samples, 2) of unit energy: echoes, then a tail.

    The highs die first, as in any room with air and people in it.
    """
    rng = np.random.default_rng(7)
    samples = int(1.1 * length_s * _ROOM_RATE)
    seconds = np.arange(samples) / _ROOM_RATE
    answer = np.zeros((samples, 2))
    for low_hz, high_hz, lasts, level in (
        (180.0, 500.0, 1.1, 0.8),
        (500.0, 2200.0, 1.0, 1.0),
        (2200.0, 6500.0, 0.6, 0.8),
    ):
        for side in range(2):
            scale = RATE / _ROOM_RATE  # `noise` is made for 48 kHz
            wave = noise((samples + 1) / RATE, low_hz * scale, high_hz * scale, rng)[:samples]
            answer[:, side] += level * wave * np.exp(-6.9 * seconds / (length_s * lasts))
    answer *= np.minimum(seconds / 0.03, 1.0)[:, None]
    answer /= np.sqrt((answer**2).sum(axis=0))
    for delay_s in _EARLY_S:
        for side in range(2):
            at = int(delay_s * float(rng.uniform(0.9, 1.1)) * _ROOM_RATE)
            if at < samples:
                answer[at, side] += 0.22 * math.exp(-delay_s / 0.03) * float(rng.choice((-1.0, 1.0)))
    answer /= np.sqrt((answer**2).sum(axis=0))
    return np.concatenate((np.zeros((int(_PREDELAY_S * _ROOM_RATE), 2)), answer)).astype(np.float32)


def soft_clip(mix: Sound) -> Sound:
    """Leave what is below the knee as it is, and bend the rest so that it never reaches 1."""
    if float(np.abs(mix).max(initial=0.0)) <= _KNEE:
        return mix
    room = 0.98 - _KNEE
    over = np.maximum(np.abs(mix) - _KNEE, 0.0)
    bent = np.sign(mix) * (np.minimum(np.abs(mix), _KNEE) + room * np.tanh(over / room))
    return np.asarray(bent, dtype=np.float32)
