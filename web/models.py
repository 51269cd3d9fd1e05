"""What a report shows: results with their times read, their pictures, and the batch in numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from jobs.model import FROM_WORDS, State, Step
from jobs.result import Result
from storage import is_remote

PROBLEMS = (State.FAILED, State.UNCONFIRMED, State.PARKED)
"""States that ask something of a person."""
WAITING = "waiting"
"""The row for the time in which no step of a file ran: polls, backoff, closed gates."""


@dataclass(frozen=True, slots=True)
class StepRun:
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
    steps: tuple[StepRun, ...]
    created: float
    ended: float | None

    @property
    def began(self) -> float:
        """When its first step began, or when it was taken in if none did."""
        return self.steps[0].began if self.steps else self.created

    @property
    def last(self) -> float:
        """The last time known of it."""
        return max(self.ended or 0.0, *(run.ended for run in self.steps), self.began)

    @property
    def took_s(self) -> float:
        """Seconds from its first step's begin to its end, waiting included."""
        return self.last - self.began

    @property
    def waited_s(self) -> float:
        """The part of it in which no step ran."""
        return max(0.0, self.took_s - sum(run.took_s for run in self.steps))

    @property
    def name(self) -> str:
        """The source's file name, the URL, or the words."""
        source = self.result.source.removeprefix(FROM_WORDS)
        is_url = "://" in source and not is_remote(source)
        return source if is_url else source.rpartition("/")[2]

    @property
    def needs_a_person(self) -> bool:
        """Whether it asks something of a person."""
        return self.result.state in PROBLEMS

    def problem(self, key: str) -> str:
        """A field of its error as text: ``code``, ``message`` or ``advice``; empty without an error.

        Results written before errors had codes named the error by ``class``; that stands in for the code.
        """
        error = self.result.model_dump(mode="json")["error"] if self.result.error else {}
        value = error.get("class", error.get("code")) if key == "code" else error.get(key)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class UnreadableResult:
    """A result file that could not be read, and why, in one line."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Waveform:
    """The loudest sample of each of equal stretches, 0 to 1; ``length_s`` is what they cover in all."""

    peaks: tuple[float, ...]
    length_s: float


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is shown of one file: a small JPEG, and its sound before and after (None: no sound)."""

    poster: bytes = b""
    before: Waveform | None = None
    after: Waveform | None = None


@dataclass(frozen=True, slots=True)
class StepShare:
    """How long one step took over all files, in seconds."""

    step: str
    total_s: float
    median_s: float
    longest_s: float
    retries: int
    part: float  # of the time of all steps and waiting, 0 to 1


@dataclass(frozen=True, slots=True)
class Cause:
    """The files that share an error code, with the message and the advice of the first."""

    code: str
    message: str
    advice: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """A batch in numbers; credits are None where no file says what it cost."""

    states: Counter[State]
    shares: tuple[StepShare, ...]
    causes: tuple[Cause, ...]
    began: float
    ended: float
    size_bytes: int
    video_s: float
    spent: float | None

    @property
    def files(self) -> int:
        """How many there are."""
        return self.states.total()


def add_up(entries: Sequence[Entry]) -> Totals:
    """Add up a batch; credits are the sum of what each file cost, as the ledger booked it."""
    spent = [entry.result.credits.spent for entry in entries if entry.result.credits.spent is not None]
    return Totals(
        states=Counter(entry.result.state for entry in entries),
        shares=add_up_steps(entries),
        causes=group_causes(entries),
        began=min((entry.began for entry in entries), default=0.0),
        ended=max((entry.last for entry in entries), default=0.0),
        size_bytes=sum(entry.result.bytes or 0 for entry in entries),
        video_s=sum(entry.result.duration_s or 0.0 for entry in entries),
        spent=sum(spent) if spent else None,
    )


def add_up_steps(entries: Sequence[Entry]) -> tuple[StepShare, ...]:
    """Add up how long each step took, and how long files waited."""
    times: dict[str, list[float]] = {step.value: [] for step in Step}
    retries: Counter[str] = Counter()
    for entry in entries:
        for run in entry.steps:
            times.setdefault(run.step, []).append(run.took_s)
            retries[run.step] += max(0, run.attempts - 1)
    times[WAITING] = [entry.waited_s for entry in entries if entry.steps]
    whole = sum(map(sum, times.values())) or 1.0
    return tuple(
        StepShare(step, sum(took), median(took), max(took), retries[step], sum(took) / whole)
        for step, took in times.items()
        if took
    )


def group_causes(entries: Sequence[Entry]) -> tuple[Cause, ...]:
    """Group the files that ask something of a person by their error code, the most frequent first."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.needs_a_person:
            groups.setdefault(entry.problem("code") or entry.result.state.value, []).append(entry)
    return tuple(
        Cause(code, group[0].problem("message"), group[0].problem("advice"), tuple(group))
        for code, group in sorted(groups.items(), key=lambda item: -len(item[1]))
    )
