"""The music of a film for editors: stems and the whole as WAV, and the notes as a MIDI file.

The sound is the music as it is in the film, at the same length and level: with its fades, its steps back
under speech, and the final gain. Together, and with the original sound at that gain, the stems are the mix.
"""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np

from studio.analyse.samples import Samples
from studio.errors import RenderFailed
from studio.model import EXPORTS
from studio.music.compose import Composed
from studio.music.midi import write_midi
from studio.music.mixer import STEMS
from studio.render.plan import Bed

RATE = 48_000
_BLOCK = 4 * RATE
_LONGEST_S = 4 * 3600.0  # 24 bits of stereo are 288,000 bytes a second, and a WAV file ends at 4 GiB


class Level(Protocol):
    """A bed as the mix lays it: the music itself, and its gain for the samples from `begin` to `end`."""

    bed: Bed

    def curve(self, begin: int, end: int) -> Samples | np.float32:
        """Return one gain for all of these samples, or (samples, 1)."""
        ...


def export_music(
    kinds: frozenset[str],
    levels: Sequence[Level],
    length_s: float,
    gain: Callable[[Samples, int], Samples],
    folder: Path,
    report: Callable[[float], None],
) -> None:
    """Write the files of `kinds` (keys of EXPORTS) into `folder`; `gain` is the film's final one.

    A song of the user's own has no stems and no notes: with one, only the whole is written; without music
    nothing is. `report` gets 0 … 1, and may raise to end it. Raises RenderFailed for a film of more than four
    hours.
    """
    composed = [level.bed.piece for level in levels if isinstance(level.bed.piece, Composed)]
    if not levels:
        return
    if len(composed) < len(levels):
        kinds &= {"wav"}
    if "midi" in kinds:
        passages = [
            piece.passage(level.bed.start_s, level.bed.length_s)
            for piece, level in zip(composed, levels, strict=True)
        ]
        cuts_s = sorted(
            {p.start_s + cut_s for p, c in zip(passages, composed, strict=True) for cut_s in c.spec.cuts_s}
        )
        (folder / EXPORTS["midi"][0]).write_bytes(write_midi(passages, cuts_s, length_s))
    if kinds & {"stems", "wav"}:
        if length_s > _LONGEST_S:
            raise RenderFailed("stems and WAV files hold four hours at most; ask for the MIDI file alone")
        _write_sound(kinds, levels, max(1, round(length_s * RATE)), gain, folder, report)


def _write_sound(
    kinds: frozenset[str],
    levels: Sequence[Level],
    samples: int,
    gain: Callable[[Samples, int], Samples],
    folder: Path,
    report: Callable[[float], None],
) -> None:
    tracks = [_Track(level) for level in levels]
    opened: dict[str, list[wave.Wave_write]] = {"stems": [], "wav": []}
    wanted = [(kind, name) for kind in opened if kind in kinds for name in EXPORTS[kind]]
    with ExitStack() as files:
        for kind, name in wanted:
            file = files.enter_context(wave.open(str(folder / name), "wb"))
            file.setnchannels(2)
            file.setsampwidth(3)
            file.setframerate(RATE)
            opened[kind].append(file)
        for at in range(0, samples, _BLOCK):
            block = np.zeros((len(STEMS), min(_BLOCK, samples - at), 2), dtype=np.float32)
            for track in tracks:
                track.add_to(block, at)
            for file, stem in zip(opened["stems"], block, strict=False):
                file.writeframesraw(_code(gain(stem, at)))
            for file in opened["wav"]:
                file.writeframesraw(_code(gain(block.sum(axis=0), at)))
            report(min(samples, at + _BLOCK) / samples)


class _Track:
    """One bed, taken apart as it is needed; a song of the user's own is all in the last stem."""

    def __init__(self, level: Level) -> None:
        bed = level.bed
        self._level = level
        self._first = round(bed.start_s * RATE)
        self._last = self._first + round(bed.length_s * RATE)
        self._blocks: Iterator[Samples] = (
            bed.piece.stems(bed.length_s)
            if isinstance(bed.piece, Composed)
            else (block[None] for block in bed.piece.blocks(bed.length_s))
        )
        self._left: Samples | None = None

    def add_to(self, block: Samples, at: int) -> None:
        begin, end = max(at, self._first), min(at + block.shape[1], self._last)
        while begin < end:
            if self._left is None or not self._left.shape[1]:
                self._left = next(self._blocks, None)
                if self._left is None:
                    return
            count = min(end - begin, self._left.shape[1])
            piece, self._left = self._left[:, :count], self._left[:, count:]
            block[-len(piece) :, begin - at : begin - at + count] += piece * self._level.curve(
                begin, begin + count
            )
            begin += count


def _code(sound: Samples) -> bytes:
    """Return sound as whole numbers of 24 bits."""
    whole = np.rint(np.clip(sound, -1.0, 1.0 - 2.0**-23) * np.float32(2**23)).astype("<i4")
    return bytes(whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
