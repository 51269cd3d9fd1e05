"""A soundfont of two presets, written here: tuning, loops, velocities and envelopes."""

import struct
from pathlib import Path

import numpy as np
import pytest

from studio.music.modes import RATE, frequency_hz
from studio.music.sampler import Sampler
from studio.music.soundfont import NotASoundfont, SoundFont, find_soundfont

RELEASE, SUSTAIN, DECAY, VELOCITIES, INSTRUMENT, SAMPLE, MODES = 38, 37, 36, 44, 41, 53, 54
TURN = 100  # samples of one wave: 441 Hz at 44.1 kHz, the pitch of A4 but for 4 cents


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def records(form: str, *rows: tuple[object, ...]) -> bytes:
    return b"".join(struct.pack(form, *row) for row in rows)


def write_font(path: Path) -> Path:
    """Program 0 is a looped wave, twice as loud when struck hard; program 9 dies away within a second."""
    wave = np.sin(2 * np.pi * np.arange(50 * TURN) / TURN)
    samples = np.concatenate((np.rint(wave * 16_000), np.zeros(46), np.rint(wave * 8_000), np.zeros(46)))
    second = 50 * TURN + 46
    presets = records(
        "<20sHHHIII", (b"Held", 0, 0, 0, 0, 0, 0), (b"Dying", 9, 0, 1, 0, 0, 0), (b"EOP", 0, 0, 2, 0, 0, 0)
    )
    instruments = records("<20sH", (b"held", 0), (b"dying", 2), (b"EOI", 3))
    zones = records(
        "<Hh",
        (VELOCITIES, 64 << 8), (MODES, 1), (SAMPLE, 1),
        (VELOCITIES, (127 << 8) | 65), (MODES, 1), (SAMPLE, 0),
        (DECAY, 0), (SUSTAIN, 1000), (RELEASE, -6000), (MODES, 1), (SAMPLE, 0),
        (0, 0),
    )  # fmt: skip
    headers = records(
        "<20sIIIIIBbHH",
        (b"loud", 0, 50 * TURN, 20 * TURN, 30 * TURN, 44_100, 69, -4, 0, 1),
        (b"soft", second, second + 50 * TURN, second + 20 * TURN, second + 30 * TURN, 44_100, 69, -4, 0, 1),
        (b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0),
    )
    data = b"".join((
        chunk(b"phdr", presets), chunk(b"pbag", records("<HH", (0, 0), (1, 0), (2, 0))),
        chunk(b"pmod", bytes(10)), chunk(b"pgen", records("<Hh", (INSTRUMENT, 0), (INSTRUMENT, 1), (0, 0))),
        chunk(b"inst", instruments), chunk(b"ibag", records("<HH", (0, 0), (3, 0), (6, 0), (11, 0))),
        chunk(b"imod", bytes(10)), chunk(b"igen", zones), chunk(b"shdr", headers),
    ))  # fmt: skip
    body = b"sfbk" + chunk(b"LIST", b"INFO" + chunk(b"INAM", b"Two waves\0"))
    body += chunk(b"LIST", b"sdta" + chunk(b"smpl", samples.astype("<i2").tobytes()))
    body += chunk(b"LIST", b"pdta" + data)
    path.write_bytes(chunk(b"RIFF", body))
    return path


@pytest.fixture(scope="module")
def font(tmp_path_factory: pytest.TempPathFactory) -> SoundFont:
    return SoundFont(write_font(tmp_path_factory.mktemp("font") / "two.sf2"))


def test_it_says_its_name_and_what_it_has(font: SoundFont) -> None:
    assert font.name == "Two waves"
    assert font.has(0, 0) and font.has(0, 9)
    assert font.tone(0, 40, 60, 100) is None


@pytest.mark.parametrize("pitch", [57, 69, 76])
def test_a_tone_has_its_pitch_and_is_held_without_a_seam(font: SoundFont, pitch: int) -> None:
    tone = font.tone(0, 0, pitch, 100)
    assert tone is not None and tone.loop
    sound = tone.play(3.0)[0]
    assert len(sound) > 3 * RATE
    power = np.abs(np.fft.rfft(sound[: 2 * RATE] * np.hanning(2 * RATE), 1 << 19))
    heard_hz = float(np.fft.rfftfreq(1 << 19, 1 / RATE)[power.argmax()])
    assert abs(1200 * np.log2(heard_hz / frequency_hz(pitch))) < 3
    middle = np.abs(sound[RATE : 2 * RATE])
    assert np.abs(np.diff(sound[RATE : 2 * RATE])).max() < 0.1
    assert middle.max() < 1.05 * np.abs(sound[: RATE // 4]).max()


def test_a_hard_stroke_is_another_sample(font: SoundFont) -> None:
    soft, hard = font.tone(0, 0, 69, 40), font.tone(0, 0, 69, 100)
    assert soft is not None and hard is not None
    assert np.abs(hard.sound).max() == pytest.approx(2 * np.abs(soft.sound).max(), rel=0.02)


def test_a_tone_that_dies_is_not_held(font: SoundFont) -> None:
    tone = font.tone(0, 9, 69, 100)
    assert tone is not None and tone.loop is None
    sound = tone.play(5.0)[0]
    early, late = (float(np.abs(sound[int(at * RATE) : int((at + 0.05) * RATE)]).max()) for at in (0.05, 0.5))
    assert 20 * np.log10(early / late) == pytest.approx(45, abs=4)  # 100 dB a second


def test_a_sampler_plays_the_font_for_what_it_has_and_itself_else(font: SoundFont) -> None:
    players, own = Sampler(font), Sampler()
    assert not np.array_equal(
        players.tone("piano", 60, 0.5, 0.5).sound, own.tone("piano", 60, 0.5, 0.5).sound
    )
    assert np.array_equal(players.stroke("kick", 0.5, 0), own.stroke("kick", 0.5, 0))
    assert players.tone("violin", 60, 0.5, 0.1).sound.any()


def test_what_is_no_soundfont_is_told(tmp_path: Path) -> None:
    for content in (b"RIFF", b"RIFF\x10\0\0\0WAVEfmt ", b"no", write_font(tmp_path / "x").read_bytes()[:400]):
        path = tmp_path / "bad.sf2"
        path.write_bytes(content)
        with pytest.raises(NotASoundfont, match=r"bad\.sf2 is not a soundfont"):
            SoundFont(path)


def test_the_soundfont_is_named_or_none(tmp_path: Path) -> None:
    assert find_soundfont({"DROPSCORE_SOUNDFONT": "none"}) is None
    assert find_soundfont({"DROPSCORE_SOUNDFONT": str(tmp_path / "a.sf3")}) == tmp_path / "a.sf3"
