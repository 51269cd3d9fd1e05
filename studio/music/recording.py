"""A song of the user's own as a piece: begun on a bar line, trimmed or looped on bar lines, ringing out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.analyse.samples import blocks_of
from studio.music.mixer import Room
from studio.music.score import Seconds
from studio.music.voices import RATE, Stereo

_BLOCK = 4 * RATE
_SEAM = int(0.03 * RATE)  # from one pass to the next: short enough not to blur the beat
_SOFT = int(0.008 * RATE)
_LAST = int(0.3 * RATE)
_HALL_HEARS = 3 * RATE  # before the last bar line: what is older has died away
_PHRASE = 4  # bars: songs repeat in fours
_SHORTEST_END_S = 1.4  # what the last bar line leaves for ringing out
_HALL_S, _HALL_SHARE = 2.2, 0.5  # the room it rings out in


@dataclass(frozen=True, slots=True)
class Recording:
    """A song in a file: where its first bar line is, how long a bar of four beats and the song are (s)."""

    path: Path
    first_bar_s: float
    bar_s: float
    song_s: float

    def blocks(self, duration_s: float) -> Iterator[Stereo]:
        """Yield the song from its first bar line, looped on bar lines; after the last one it rings out.

        One beat of the last bar is heard, falling; what was played before it goes on in a hall until the end.
        Raises av.FFmpegError when the file cannot be opened.
        """
        total = round(duration_s * RATE)
        bars = math.floor((duration_s - _SHORTEST_END_S) / self.bar_s)
        ending_s = min(duration_s, duration_s - bars * self.bar_s if bars > 0 else _SHORTEST_END_S)
        end = total - round(ending_s * RATE)
        falls = max(1, min(total - end, round(self.bar_s / 4 * RATE)))
        hall = Room(_HALL_S)
        at = 0
        for block in _even(_exactly(total, self._loop(total))):
            place = np.arange(at, at + len(block), dtype=np.float32)
            at += len(block)
            left = np.clip((end + falls - place) / falls, 0.0, 1.0)
            rise = np.minimum(place / _SOFT, 1.0)
            piece = block * (rise * (0.5 - 0.5 * np.cos(math.pi * left))).astype(np.float32)[:, None]
            if at + _HALL_HEARS > end:
                sent = np.zeros((2, _BLOCK), dtype=np.float32)
                sent[:, : len(piece)] = piece.T
                share = np.clip((place - end) / falls, 0.0, 1.0)  # the hall comes as the song falls
                ended = np.clip((total - 1 - place) / _LAST, 0.0, 1.0)
                rung = hall.reflect(sent)[:, : len(piece)].T * np.float32(_HALL_SHARE)
                piece = (piece + rung * share.astype(np.float32)[:, None]) * ended.astype(np.float32)[:, None]
            yield piece

    def beats(self, duration_s: float) -> Seconds:
        """Return the times of its beats, in s; a loop is of whole bars, so that they go on evenly."""
        return np.arange(0.0, duration_s, self.bar_s / 4)

    @property
    def loop_s(self) -> float:
        """Return how much of the song is heard before it begins again: whole phrases where it has any."""
        bars = int((self.song_s - self.first_bar_s) / self.bar_s + 1e-6)
        whole = bars - bars % _PHRASE if bars >= 2 * _PHRASE else bars
        return whole * self.bar_s if whole else self.song_s - self.first_bar_s

    def _loop(self, total: int) -> Iterator[Stereo]:
        """Yield the song as often as it takes, the end of each pass fading into the beginning of the next."""
        enough = self.song_s - self.first_bar_s >= total / RATE
        loop = total if enough else max(_SEAM, round(self.loop_s * RATE))
        tail = np.zeros((0, 2), dtype=np.float32)
        for number in range(-(-total // loop)):
            at, ending = 0, []
            for piece in _cut(self.path, self.first_bar_s, loop + _SEAM):
                length = len(piece)
                rises = number > 0
                place = np.arange(at, at + length, dtype=np.float32)
                gain = np.clip((loop + _SEAM - place) / _SEAM, 0.0, 1.0)
                if rises:
                    gain *= np.clip(place / _SEAM, 0.0, 1.0)
                seam = gain.astype(np.float32)[:, None]
                faded = piece * seam
                met = min(len(tail), len(faded))
                faded[:met] += tail[:met]
                tail = tail[met:]
                yield faded[: max(0, loop - at)]
                ending.append(faded[max(0, loop - at) :])
                at += len(piece)
            tail = np.concatenate(ending) if ending else tail


def _even(blocks: Iterator[Stereo]) -> Iterator[Stereo]:
    """Yield the same samples in blocks of 4 s, as a room takes them; the last one may be shorter."""
    left = np.zeros((0, 2), dtype=np.float32)
    for block in blocks:
        left = np.concatenate((left, block))
        while len(left) >= _BLOCK:
            yield left[:_BLOCK]
            left = left[_BLOCK:]
    if len(left):
        yield left


def _exactly(total: int, blocks: Iterator[Stereo]) -> Iterator[Stereo]:
    """Yield `total` samples of `blocks`; silence stands in for what a damaged song lacks."""
    left = total
    for block in blocks:
        yield block[:left]
        left -= len(block[:left])
    for at in range(0, left, _BLOCK):
        yield np.zeros((min(_BLOCK, left - at), 2), dtype=np.float32)


def _cut(path: Path, from_s: float, samples: int) -> Iterator[Stereo]:
    """Yield `samples` of the song from `from_s` on, or what there is of them."""
    skip = round(from_s * RATE)
    for block in blocks_of(path, RATE, _BLOCK):
        piece = block[skip : skip + samples]
        skip, samples = max(0, skip - len(block)), samples - len(piece)
        if len(piece):
            yield piece
        if samples <= 0:
            return
