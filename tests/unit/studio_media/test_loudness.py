import numpy as np
import pytest

from studio.analyse.samples import SILENT_LUFS, Meter, true_peaks
from studio.render.sound import TARGET_LUFS, master

RATE = 48_000
HOP = RATE // 500


def _sine(hz: float, seconds: float, level: float = 1.0, phase: float = 0.0) -> np.ndarray:
    wave = level * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE + phase)
    return np.stack((wave, wave), axis=1).astype(np.float32)


def _measured(sound: np.ndarray, block: int = 50_000) -> Meter:
    meter = Meter(RATE)
    for at in range(0, len(sound), block):
        meter.take(sound[at : at + block])
    return meter


@pytest.mark.parametrize(("level", "lufs"), [(1.0, 0.0), (0.1, -20.0), (0.01, -40.0)])
def test_a_sine_of_997_hz_has_its_level_as_loudness(level: float, lufs: float) -> None:
    assert _measured(_sine(997.0, 5.0, level)).lufs() == pytest.approx(lufs, abs=0.1)


def test_low_tones_count_less_and_high_ones_more() -> None:
    low, middle, high = (_measured(_sine(hz, 3.0, 0.1)).lufs() for hz in (40.0, 1000.0, 8000.0))
    assert low < middle - 3.0
    assert high == pytest.approx(middle + 3.3, abs=0.3)


def test_silence_between_is_gated_out() -> None:
    tone = _sine(997.0, 4.0, 0.1)
    sound = np.concatenate((tone, np.zeros((20 * RATE, 2), np.float32), tone))
    assert _measured(sound).lufs() == pytest.approx(-20.0, abs=0.2)


def test_silence_and_nothing_at_all_are_silent() -> None:
    assert _measured(np.zeros((RATE, 2), np.float32)).lufs() == SILENT_LUFS
    assert Meter(RATE).lufs() == SILENT_LUFS


def test_blocks_do_not_matter() -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, (3 * RATE, 2)).astype(np.float32)
    assert _measured(sound, 777).lufs() == pytest.approx(_measured(sound, 3 * RATE).lufs(), abs=0.001)


def test_the_true_peak_lies_between_the_samples() -> None:
    sound = _sine(RATE / 4, 0.5, 0.5, np.pi / 4)  # every sample at 0.354, the wave at 0.5
    peaks = _measured(sound).levels()[1]
    assert np.median(peaks) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("level", [0.01, 0.05, 0.9])
def test_the_master_brings_a_mix_to_the_target_under_the_ceiling(level: float) -> None:
    rng = np.random.default_rng(2)
    sound = rng.normal(0, 0.2, (6 * RATE, 2)).astype(np.float32)
    sound[::9600] *= 4.0  # clicks for the limiter
    sound *= np.float32(level)
    gains = master(*_measured(sound).levels(), hop=HOP, ceiling_db=-1.5)
    out = np.concatenate([gains.apply(sound[at : at + 50_000], at) for at in range(0, len(sound), 50_000)])
    meter = _measured(out)
    assert meter.lufs() == pytest.approx(TARGET_LUFS, abs=0.5)
    assert meter.levels()[1].max() <= 10 ** (-1.4 / 20)


def test_the_limiter_moves_smoothly() -> None:
    sound = _sine(100.0, 4.0, 0.05)
    sound[2 * RATE] = 0.9
    gains = master(*_measured(sound).levels(), hop=HOP, ceiling_db=-1.5).gains
    assert gains.min() < 0.5 * gains.max()
    assert np.abs(np.diff(np.log2(gains))).max() < 1.0


def test_silence_stays_silence() -> None:
    silent = np.zeros((RATE, 2), np.float32)
    gains = master(*_measured(silent).levels(), hop=HOP, ceiling_db=-1.5)
    assert (gains.apply(silent, 0) == 0).all()


@pytest.mark.parametrize("samples", [0, 1, 23, 24, 500])
def test_the_peak_of_a_very_short_piece(samples: int) -> None:
    piece = np.full((samples, 2), 0.25, np.float32)
    assert true_peaks(piece).max(initial=0.0) == pytest.approx(0.25 if samples else 0.0, abs=0.1)
