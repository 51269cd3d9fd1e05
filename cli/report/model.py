"""What a report is made of: results with their times read, and pictures of their media."""

from dataclasses import dataclass

from jobs.model import State
from jobs.result import Result
from stores import is_remote

PROBLEMS = (State.FAILED, State.UNCONFIRMED, State.PARKED)
"""States that ask something of a person."""


@dataclass(frozen=True, slots=True)
class Span:
    """One run of a step; times are seconds since the epoch."""

    step: str
    began: float
    ended: float
    attempts: int

    @property
    def took_s(self) -> float:
        """How long it ran."""
        return max(0.0, self.ended - self.began)


@dataclass(frozen=True, slots=True)
class Entry:
    """A result, the file it was read from, and its times (seconds since the epoch)."""

    result: Result
    path: str
    spans: tuple[Span, ...]
    created: float
    ended: float | None

    @property
    def began(self) -> float:
        """When its first step began, or when it was taken in if none did."""
        return self.spans[0].began if self.spans else self.created

    @property
    def last(self) -> float:
        """The last time known of it."""
        return max(self.ended or 0.0, *(span.ended for span in self.spans), self.began)

    @property
    def took_s(self) -> float:
        """Seconds from its first step's begin to its end, waiting included."""
        return self.last - self.began

    @property
    def waited_s(self) -> float:
        """The part of it in which no step ran."""
        return max(0.0, self.took_s - sum(span.took_s for span in self.spans))

    @property
    def name(self) -> str:
        """The source's file name, or the URL."""
        source = self.result.source
        is_url = "://" in source and not is_remote(source)
        return source if is_url else source.rpartition("/")[2]

    @property
    def needs_a_person(self) -> bool:
        """Whether it asks something of a person."""
        return self.result.state in PROBLEMS


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A result file that could not be read, and why, in one line."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Wave:
    """The loudest sample of each of equal stretches, 0 to 1; ``length_s`` is what they cover in all."""

    peaks: tuple[float, ...]
    length_s: float


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is shown of one file: small JPEGs in order, and its sound before and after (None: no sound)."""

    frames: tuple[bytes, ...] = ()
    before: Wave | None = None
    after: Wave | None = None
