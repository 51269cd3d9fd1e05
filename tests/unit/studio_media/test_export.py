"""The music for editors: stems that add up, and notes at the time at which they are heard."""

from __future__ import annotations

import struct
import wave
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from studio.analyse.samples import blocks_of
from studio.model import EXPORTS
from studio.music.compose import Composed, MusicSpec
from studio.music.midi import write_midi
from studio.music.recording import Recording
from studio.render.plan import Bed, Plan
from studio.render.sound import RATE, mix

LENGTH_S = 10.0
EVERYTHING = frozenset(EXPORTS)


def bed(piece: Composed | Recording, start_s: float, length_s: float, *, fade_out_s: float = 0.0) -> Bed:
    return Bed(piece, f"piece at {start_s}", start_s, length_s, 0.5, 0.0, fade_out_s, duck=True)


def export(beds: tuple[Bed, ...], folder: Path, kinds: frozenset[str] = EVERYTHING) -> dict[str, Path]:
    plan = Plan((), (), beds, (), LENGTH_S, 0, 0)
    mix(plan, folder, lambda _: None, lambda: False, kinds)
    return {path.name: path for path in folder.iterdir()}


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 3, RATE)
        data = np.frombuffer(file.readframes(file.getnframes()), np.uint8).reshape(-1, 3)
    whole = np.zeros((len(data), 4), np.uint8)
    whole[:, 1:] = data
    return whole.view("<i4").reshape(-1, 2) / 2.0**31


def level_db(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(sound**2) + 1e-15))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two pieces with silence between them; the second begins within a block."""
    first = bed(Composed(MusicSpec("energetic", seed=3, cuts_s=(3.1,))), 0.0, 5.0, fade_out_s=1.0)
    second = bed(Composed(MusicSpec("energetic", seed=3)), 6.3, 3.7)
    return export((first, second), tmp_path_factory.mktemp("export"))


def test_stems_add_up_to_the_music_in_the_film(exported: dict[str, Path]) -> None:
    stems = [read(exported[name]) for name in EXPORTS["stems"]]
    music = read(exported["music.wav"])
    assert {len(sound) for sound in (*stems, music)} == {round(LENGTH_S * RATE)}
    assert level_db(sum(stems) - music) < level_db(music) - 80
    assert all(level_db(stem) > level_db(music) - 40 for stem in stems)
    # AAC leaves the highest tones out, so the film and the file are compared below 3 kHz.
    film, whole = (
        np.concatenate(list(blocks_of(exported[n], 6000, 6000))) for n in ("sound.m4a", "music.wav")
    )
    samples = min(len(film), len(whole))
    assert level_db(film[:samples] - whole[:samples]) < level_db(whole) - 25
    assert level_db(music[round(5.1 * RATE) : round(6.2 * RATE)]) < -100


def events(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the track, the tick and the bytes of every event of a file, and check that each is read whole."""
    kind, tracks, ticks = struct.unpack(">HHH", data[8:14])
    assert (data[:8], kind, ticks) == (b"MThd\0\0\0\6", 1, 960)
    at = 14
    for track in range(tracks):
        assert data[at : at + 4] == b"MTrk"
        end, at, tick = at + 8 + int.from_bytes(data[at + 4 : at + 8]), at + 8, 0
        while at < end:
            gap, at = _number(data, at)
            tick += gap
            length = 3 if data[at] & 0xF0 in {0x80, 0x90, 0xB0} else 2
            if data[at] == 0xFF:
                size, body = _number(data, at + 2)
                length = body + size - at
            yield track, tick, data[at : at + length]
            at += length
        assert at == end
    assert at == len(data)


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def test_notes_sound_when_the_film_has_them() -> None:
    pieces = [
        Composed(MusicSpec("happy", seed=5, cuts_s=(4.2, 9.7, 21.3))),
        Composed(MusicSpec("epic", genre="jazz", seed=1)),
    ]
    passages = [pieces[0].passage(0.0, 30.0), pieces[1].passage(31.5, 20.0)]
    found = list(events(write_midi(passages, (4.2, 9.7, 21.3), 55.0)))
    tempi = [(tick, int.from_bytes(what[3:])) for _, tick, what in found if what[:2] == b"\xff\x51"]
    assert tempi[0][0] == 0
    ticks = [tick for tick, _ in tempi]
    spans_s = [(later[0] - tick) * us / 960e6 for (tick, us), later in pairwise([*tempi, (0, 0)])][:-1]
    times_s = np.concatenate(([0.0], np.cumsum(spans_s)))

    def time_s(tick: int) -> float:
        number = int(np.searchsorted(ticks, tick, side="right")) - 1
        return float(times_s[number] + (tick - ticks[number]) * tempi[number][1] / 960e6)

    assert max(time_s(tick) for _, tick, _ in found) == pytest.approx(55.0, abs=0.002)
    struck = sorted((time_s(tick), what[1]) for _, tick, what in found if what[0] & 0xF0 == 0x90)
    pitched = sorted(
        (passage.start_s + note.start_s, note.pitch) for passage in passages for note in passage.score.notes
    )
    drums = [passage.start_s + hit.start_s for passage in passages for hit in passage.score.hits]
    assert len(struck) == len(pitched) + len(drums)
    expected = np.sort([at_s for at_s, _ in pitched] + drums)
    assert np.abs(expected - [at_s for at_s, _ in struck]).max() < 0.003
    ended = sum(what[0] & 0xF0 == 0x80 for _, _, what in found)
    assert ended == len(struck)
    markers = {what[3:].decode(): time_s(tick) for _, tick, what in found if what[:2] == b"\xff\x06"}
    assert {"intro", "verse", "height", "last chord", "cut"} <= set(markers)
    cuts_s = sorted(time_s(tick) for _, tick, what in found if what[3:] == b"cut")
    assert cuts_s == pytest.approx([4.2, 9.7, 21.3], abs=0.002)


def test_of_a_song_of_ones_own_there_is_only_the_whole(tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    with wave.open(str(song), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        tone = np.sin(np.arange(12 * RATE) / RATE * 2 * np.pi * 330) * 8000
        file.writeframes(tone.astype("<i2").tobytes())
    folder = tmp_path / "out"
    folder.mkdir()
    files = export((bed(Recording(song, 0.0, 2.0, 12.0), 0.0, LENGTH_S),), folder)
    assert set(files) == {"sound.m4a", "music.wav"}
    assert level_db(read(files["music.wav"])) > -40


def test_without_music_nothing_is_exported(tmp_path: Path) -> None:
    assert set(export((), tmp_path)) == {"sound.m4a"}
