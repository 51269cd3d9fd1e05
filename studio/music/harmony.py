"""Chords: from roman numerals to pitches, and the voicings that lead from one to the next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from studio.music.score import SCALES

_NUMERAL = re.compile(
    r"(?P<flat>[b#]?)(?P<degree>[IViv]+)(?P<kind>[^/:]*)(?:/(?P<of>[b#]?[IViv]+))?(?::(?P<bass>\d))?"
)
_DEGREES = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
_MAJOR, _MINOR = (0, 4, 7), (0, 3, 7)
_KINDS: dict[str, tuple[int, ...]] = {
    "5": (0, 7, 12), "6": (9,), "7": (10,), "maj7": (11,), "9": (10, 14), "maj9": (11, 14), "add9": (14,),
    "69": (9, 14), "11": (10, 14, 17), "13": (10, 14, 21), "7b9": (10, 13), "7#9": (10, 15),
    "7sus": (0, 5, 7, 10), "sus2": (0, 2, 7), "sus4": (0, 5, 7), "dim": (0, 3, 6), "dim7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10), "aug": (0, 4, 8), "": (),
}  # fmt: skip
_MOST_VOICES = 4


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord in a key: its tones in semitones above its root, all in semitones above the tonic."""

    root: int
    tones: tuple[int, ...]
    bass: int

    @property
    def classes(self) -> frozenset[int]:
        """Return its pitch classes above the tonic."""
        return frozenset((self.root + tone) % 12 for tone in self.tones)

    def tone(self, third: int) -> int:
        """Return a tone by thirds above the root (0 root, 1 third, 2 fifth, 3 seventh), in semitones."""
        wanted = ((0,), (3, 4, 2, 5), (7, 6, 8), (10, 11, 9, 12))[third]
        return next((tone for tone in wanted if tone in self.tones), (0, 7, 7, 12)[third])


@lru_cache(maxsize=512)
def read_chord(numeral: str) -> Chord:
    """Read a roman numeral: `ii7`, `bVImaj7`, `V7/ii` (a dominant), `I:1` (its third in the bass).

    Degrees are those of the tonic's major scale, with flats and sharps; small letters are minor. Raises
    ValueError for what is no chord.
    """
    found = _NUMERAL.fullmatch(numeral)
    if found is None or found["degree"].lower() not in _DEGREES or found["kind"] not in _KINDS:
        raise ValueError(f"not a chord: {numeral}")
    added = _KINDS[found["kind"]]
    triad = _MINOR if found["degree"].islower() else _MAJOR
    tones = added if added[:1] == (0,) else (*triad, *added)
    root = _DEGREES[found["degree"].lower()] + {"b": -1, "#": 1, "": 0}[found["flat"]]
    if found["of"]:
        root += read_chord(found["of"]).root
    root %= 12
    bass = root + tones[int(found["bass"])] if found["bass"] else root
    return Chord(root, tones, bass % 12)


def read_bars(progression: str) -> tuple[tuple[Chord, ...], ...]:
    """Read a progression: `Imaj7 vi7 ii7,V7 I` has four bars, the third of them two chords."""
    return tuple(tuple(read_chord(numeral) for numeral in bar.split(",")) for bar in progression.split())


@lru_cache(maxsize=4096)
def lead_voices(previous: tuple[int, ...], chord: Chord, tonic: int, centre: int) -> tuple[int, ...]:
    """Return the chord's pitches near `centre`, moving as little as can be from the voicing `previous`.

    Of five tones the bass keeps the root for itself, of six the fifth is left out too.
    """
    left_to_bass = (0, 7)[: max(0, len(chord.tones) - _MOST_VOICES)]
    tones = tuple(tone for tone in chord.tones if tone not in left_to_bass)
    candidates: list[tuple[int, ...]] = []
    for turn in range(len(tones)):
        pitches: list[int] = []
        for tone in tones[turn:] + tones[:turn]:
            pitch = tonic + chord.root + tone % 12
            while pitches and pitch <= pitches[-1]:
                pitch += 12
            pitches.append(pitch)
        shift = round((centre - sum(pitches) / len(pitches)) / 12) * 12
        candidates += [tuple(p + shift + octave for p in pitches) for octave in (-12, 0, 12)]
    return min(candidates, key=lambda pitches: _effort(previous, pitches, centre))


def scale_of(chord: Chord, scale: str) -> tuple[int, ...]:
    """Return the seven steps of a scale with the chord's own tones in place of their neighbours."""
    steps = list(SCALES[scale])
    for tone in sorted(chord.classes - set(steps)):
        beside = min(range(len(steps)), key=lambda n: (abs(steps[n] - tone), steps[n] in chord.classes))
        steps[beside] = tone
    return tuple(sorted(steps))


def _effort(previous: tuple[int, ...], pitches: tuple[int, ...], centre: int) -> float:
    """Return how far the voices move, how far they are from the middle, and how muddy the lowest two are."""
    moved = sum(min(abs(pitch - old) for old in previous) for pitch in pitches) if previous else 0
    muddy = 4 if pitches[0] < 52 and pitches[1] - pitches[0] < 3 else 0
    return moved + 1.5 * abs(sum(pitches) / len(pitches) - centre) + muddy
