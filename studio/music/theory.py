"""Scales, chords and voice leading, in MIDI note numbers (69 = 440 Hz)."""

from __future__ import annotations

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
}

_TRITONE = 6


def frequency_hz(pitch: float) -> float:
    """Return the frequency of a MIDI note number."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def note(tonic: int, scale: str, degree: int) -> int:
    """Return the pitch of a scale degree; degrees run on over octaves, up and down."""
    steps = SCALES[scale]
    octave, step = divmod(degree, len(steps))
    return tonic + 12 * octave + steps[step]


def chord(tonic: int, scale: str, degree: int, *, seventh: bool = False) -> tuple[int, ...]:
    """Return the chord on a degree in root position; a diminished triad gets its root's perfect fifth."""
    pitches = [note(tonic, scale, degree + third) for third in (0, 2, 4)]
    if pitches[2] - pitches[0] == _TRITONE:
        pitches[2] += 1
    if seventh:
        pitches.append(note(tonic, scale, degree + 6))
    return tuple(pitches)


def lead_voices(previous: tuple[int, ...], pitches: tuple[int, ...], centre: int) -> tuple[int, ...]:
    """Return `pitches` moved by octaves to lie near `centre` and as close as can be to `previous`."""
    candidates = [_inversion(pitches, turn, centre) for turn in range(len(pitches))]
    return min(candidates, key=lambda c: _movement(previous, c) + 2 * abs(sum(c) / len(c) - centre))


def nearest(pitch: int, pool: tuple[int, ...]) -> int:
    """Return the pitch class of `pool` nearest to `pitch`, as a pitch beside it."""
    moves = [(p - pitch + 6) % 12 - 6 for p in pool]
    return pitch + min(moves, key=lambda m: (abs(m), m))


def _inversion(pitches: tuple[int, ...], turn: int, centre: int) -> tuple[int, ...]:
    turned = sorted(pitches[turn:]) + [p + 12 for p in pitches[:turn]]
    shift = round((centre - sum(turned) / len(turned)) / 12) * 12
    return tuple(sorted(p + shift for p in turned))


def _movement(previous: tuple[int, ...], pitches: tuple[int, ...]) -> int:
    return sum(abs(a - b) for a, b in zip(sorted(previous), sorted(pitches), strict=False))
