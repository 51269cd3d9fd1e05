"""Listen to a clip: loudness, speech, silence and the tempo of music already there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.analyse.findings import Spans
from studio.analyse.samples import SILENT_LUFS, Meter, blocks_of

Curve = NDArray[np.float32]
Mask = NDArray[np.bool_]

_RATE = 16_000
_BLOCK = 8 * _RATE
_FRAME, _HOP = 512, 256
_FRAMES_PER_S = _RATE / _HOP
_PITCH_LAGS = slice(_RATE // 350, _RATE // 75)
_SILENCE_DB, _SILENCE_S = -50.0, 0.5
_VOICED, _IN_BAND = 0.45, 0.55
_WINDOW = int(0.8 * _FRAMES_PER_S)
_VOICED_SHARE = 0.22
_LIVELY_DB = 4.0
_SPEECH_S, _PAUSE_S, _EDGE_S = 0.4, 0.6, 0.5
_CLEAR_PULSE = 0.25


@dataclass(frozen=True, slots=True)
class Heard:
    """What a clip sounds like; spans in s, None where there is nothing to tell."""

    loudness_lufs: float | None
    speech_s: Spans
    silence_s: Spans
    tempo_bpm: float | None


@dataclass(frozen=True, slots=True)
class _Frames:
    """Curves with one value every 16 ms: level (dBFS), pitch strength, share of the voice's band, onset."""

    level_db: Curve
    pitched: Curve
    in_band: Curve
    onset: Curve


def listen(path: Path) -> Heard:
    """Return what is heard in `path`. Raises av.FFmpegError when it cannot be opened."""
    meter, curves = Meter(_RATE, with_peaks=False), []
    for block in blocks_of(path, _RATE, _BLOCK):
        meter.take(block)
        curves.append(_measure(block.mean(axis=1)))
    lufs = meter.lufs()
    if not curves or lufs <= SILENT_LUFS:
        return Heard(None, (), (), None)
    frames = _Frames(*(np.concatenate(parts) for parts in zip(*curves, strict=True)))
    wide = np.zeros(len(frames.level_db), dtype=bool)
    reach = int(_EDGE_S * _FRAMES_PER_S)
    floor_db = _floor_db(frames)
    loud = frames.level_db > floor_db
    voiced = loud & (frames.pitched > _VOICED) & (frames.in_band > _IN_BAND)
    level = np.maximum(frames.level_db, floor_db)
    mean = _smooth(level)
    liveliness = np.sqrt(np.maximum(_smooth(level**2) - mean**2, 0.0))
    around: Mask = (_smooth(voiced.astype("f4")) > _VOICED_SHARE) & (liveliness > _LIVELY_DB)
    speech = around & _near(loud)
    for start_s, end_s in _spans(speech, _SPEECH_S, _PAUSE_S):
        first, last = round(start_s * _FRAMES_PER_S), round(end_s * _FRAMES_PER_S)
        wide[max(0, first - reach) : last + reach] = True
    speech_spans = _spans(wide & _near(frames.level_db > _floor_db(frames)), _SPEECH_S, _PAUSE_S)
    return Heard(
        loudness_lufs=round(lufs, 2),
        speech_s=speech_spans,
        silence_s=_spans(frames.level_db < _SILENCE_DB, _SILENCE_S, 0.0),
        tempo_bpm=_tempo_bpm(frames.onset),
    )


def _measure(mono: Curve) -> tuple[Curve, Curve, Curve, Curve]:
    padded = np.pad(mono, (0, _FRAME - _HOP + (-len(mono)) % _HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP] * np.hanning(_FRAME).astype(
        "f4"
    )
    power = np.abs(np.fft.rfft(frames, 2 * _FRAME, axis=1)) ** 2
    total = power.sum(axis=1) + 1e-9
    hz = np.fft.rfftfreq(2 * _FRAME, 1.0 / _RATE)
    in_band = power[:, (hz > 90) & (hz < 3800)].sum(axis=1) / total
    lags = np.fft.irfft(power, axis=1)
    pitched = lags[:, _PITCH_LAGS].max(axis=1) / (lags[:, 0] + 1e-9)
    level_db = 10.0 * np.log10((frames**2).mean(axis=1) / 0.375 + 1e-9)
    bands = np.log1p(1e3 * power[:, 2:258].reshape(len(power), 32, 8).sum(axis=2))
    rise = np.maximum(np.diff(bands, axis=0, prepend=bands[:1]), 0.0)
    onset = np.asarray(rise.sum(axis=1), dtype=np.float32)
    return level_db.astype("f4"), pitched.astype("f4"), in_band.astype("f4"), onset


def _floor_db(frames: _Frames) -> float:
    """Return the level under which nothing is said."""
    return max(-48.0, float(np.percentile(frames.level_db, 95)) - 30.0)


def _near(mask: Mask) -> Mask:
    """Widen `mask` by a syllable, so that short gaps between words stay in."""
    return np.convolve(mask, np.ones(int(0.2 * _FRAMES_PER_S)), mode="same") > 0


def _smooth(curve: Curve) -> Curve:
    window = min(_WINDOW, len(curve))
    weights = np.convolve(np.ones(len(curve)), np.ones(window), mode="same")
    smoothed: Curve = (np.convolve(curve, np.ones(window), mode="same") / weights).astype("f4")
    return smoothed


def _spans(mask: Mask, shortest_s: float, bridge_s: float) -> Spans:
    """Return the spans (s) where `mask` holds, near ones joined, short ones dropped."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(int)))
    spans: list[tuple[float, float]] = []
    for begin, end in edges.reshape(-1, 2) / _FRAMES_PER_S:
        if spans and begin - spans[-1][1] <= bridge_s:
            spans[-1] = (spans[-1][0], round(float(end), 3))
        else:
            spans.append((round(float(begin), 3), round(float(end), 3)))
    return tuple(span for span in spans if span[1] - span[0] >= shortest_s)


def _tempo_bpm(onset: Curve) -> float | None:
    """Return the tempo, where onsets come back regularly 60 … 180 times a minute."""
    if len(onset) < 4 * _FRAMES_PER_S:
        return None
    even = onset[: int(120 * _FRAMES_PER_S)] - onset.mean()
    spectrum = np.abs(np.fft.rfft(even, 2 * len(even))) ** 2
    similar = np.fft.irfft(spectrum)[: len(even)]
    bpm = 60.0 * _FRAMES_PER_S / np.arange(1, len(similar))
    weight = np.exp(-0.5 * (np.log2(bpm / 110.0) / 0.7) ** 2)
    score = np.where((bpm >= 60) & (bpm <= 180), similar[1:] / (similar[0] + 1e-9) * weight, 0.0)
    best = int(score.argmax())
    return round(float(bpm[best]), 1) if score[best] > _CLEAR_PULSE else None
