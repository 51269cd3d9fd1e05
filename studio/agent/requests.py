"""What people ask for, as values, and the draft that it is carried out on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from studio import timeline
from studio.model import Draft, Media
from studio.timeline import Segment

if TYPE_CHECKING:  # numpy is loaded on first use, so that the server starts fast.
    from studio.music.song import Song


Target = Literal["music", "original", "sound"]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the timeline: seconds from its start (from its end where negative), or shares of it."""

    start: float = 0.0
    end: float = math.inf
    shares: bool = False

    def within(self, length_ms: int) -> tuple[int, int]:
        """Return start and end in ms on a timeline of that length."""
        unit_ms = length_ms if self.shares else 1000
        start_ms = round(self.start * unit_ms) + (length_ms if self.start < 0 else 0)
        end_ms = length_ms if math.isinf(self.end) else min(length_ms, round(self.end * unit_ms))
        end_ms += length_ms if self.end < 0 else 0
        return max(0, start_ms), end_ms


@dataclass(frozen=True, slots=True)
class Request:
    """Something an instruction asks for."""


@dataclass(frozen=True, slots=True)
class AddMusic(Request):
    """Music to compose or to choose; what is None is left to the picture, or stays as it was.

    `then` follows another piece; `only_if_none` leaves music alone that is there.
    """

    mood: str | None = None
    genre: str | None = None
    pace: float = 1.0
    another: bool = False
    avoid: tuple[str, ...] = ()
    span: Span | None = None
    then: bool = False
    only_if_none: bool = False


@dataclass(frozen=True, slots=True)
class RemoveMusic(Request):
    """No music at all; `add` says that it was "do not add any" and not "take it out"."""

    add: bool = False


@dataclass(frozen=True, slots=True)
class NoMusicIn(Request):
    """A part of the timeline without music."""

    span: Span


@dataclass(frozen=True, slots=True)
class PlaceMusic(Request):
    """Where alone the music plays."""

    span: Span


@dataclass(frozen=True, slots=True)
class DropAt(Request):
    """The moment at which the whole band comes in; None: at the middle."""

    at_s: float | None


@dataclass(frozen=True, slots=True)
class SetVolume(Request):
    """A loudness, 0 to 1, or a change of it as a factor; `span` where it is not for the whole."""

    target: Target
    level: float | None = None
    factor: float | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class SetTempo(Request):
    """Beats per minute, or a factor of what they are, or so many more."""

    bpm: float | None = None
    factor: float = 1.0
    more: float = 0.0


@dataclass(frozen=True, slots=True)
class SetFade(Request):
    """Lengths of the fades; None stays as it is."""

    in_s: float | None = None
    out_s: float | None = None


@dataclass(frozen=True, slots=True)
class SetDuck(Request):
    """Whether the music steps back under speech."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetMode(Request):
    """A minor or a major key."""

    mode: str


@dataclass(frozen=True, slots=True)
class LeaveOut(Request):
    """Parts that are not to play, anywhere or in a part of the timeline."""

    parts: tuple[str, ...]
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Feature(Request):
    """An instrument that is to be heard, and from when."""

    instrument: str
    span: Span | None = None
    swell: bool = False


@dataclass(frozen=True, slots=True)
class Stress(Request):
    """A part that is to be stronger (above 1) or weaker."""

    part: str
    factor: float


@dataclass(frozen=True, slots=True)
class ShowText(Request):
    """Words on the picture."""

    text: str
    kind: str = "title"
    length_s: float | None = None
    span: Span | None = None
    place: str = ""
    last: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class RemoveText(Request):
    """No words on the picture."""


@dataclass(frozen=True, slots=True)
class Trim(Request):
    """The part of the timeline to keep, or to drop."""

    span: Span
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Reshape(Request):
    """The shape of the picture, and what becomes of what does not fit."""

    aspect: tuple[int, int]
    fit: str


@dataclass(frozen=True, slots=True)
class Keep(Request):
    """What is to stay as it is: there is nothing to do, and that is told."""

    target: str


@dataclass(frozen=True, slots=True)
class NotDone(Request):
    """What was asked for and cannot be done, in plain words; `words` are those of the instruction."""

    what: str = ""
    words: str = ""


@dataclass(slots=True)
class Stage:
    """The draft while it is being changed, all that is asked for, and the sentences of the answer."""

    draft: Draft
    media: tuple[Media, ...]
    instruction: str
    chinese: bool
    requests: tuple[Request, ...] = ()
    songs: tuple[Song, ...] = ()
    sentences: list[str] = field(default_factory=list)

    def say(self, english: str, chinese: str) -> None:
        """Add a sentence to the answer, in the language of the instruction, unless it is there."""
        sentence = chinese if self.chinese else english
        if sentence not in self.sentences:
            self.sentences.append(sentence)

    @property
    def music(self) -> list[Segment]:
        """The segments of the background music, in their order; empty when there is none."""
        track = timeline.music_track(self.draft)
        return track["sg"] if track else []
