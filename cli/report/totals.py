"""A batch in numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from cli.report.model import Entry
from jobs.model import State, Step

WAITING = "waiting"
"""The row for the time in which no step of a file ran: polls, backoff, closed gates, waiting in line."""


@dataclass(frozen=True, slots=True)
class Share:
    """How long one step took over all files, in seconds."""

    step: str
    total_s: float
    median_s: float
    longest_s: float
    retries: int
    part: float  # of the time of all steps and waiting, 0 to 1


@dataclass(frozen=True, slots=True)
class Cause:
    """One class of errors: how many files, and the advice of the first."""

    kind: str
    count: int
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class Totals:
    """All files of a report; credits are None where no balance was read."""

    states: Counter[State]
    shares: tuple[Share, ...]
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


def total(entries: Sequence[Entry]) -> Totals:
    """Add up a batch."""
    return Totals(
        states=Counter(entry.result.state for entry in entries),
        shares=_shares(entries),
        causes=_causes(entries),
        began=min((entry.began for entry in entries), default=0.0),
        ended=max((entry.last for entry in entries), default=0.0),
        size_bytes=sum(entry.result.bytes or 0 for entry in entries),
        video_s=sum(entry.result.duration_s or 0.0 for entry in entries),
        spent=_spent(entries),
    )


def _spent(entries: Sequence[Entry]) -> float | None:
    """How far the balance fell; files edited at once see each other's price, so theirs do not add up."""
    befores = [found for entry in entries if (found := entry.result.credits.before) is not None]
    afters = [found for entry in entries if (found := entry.result.credits.after) is not None]
    return max(befores) - min(afters) if befores and afters else None


def _shares(entries: Sequence[Entry]) -> tuple[Share, ...]:
    times: dict[str, list[float]] = {step.value: [] for step in Step}
    retries: Counter[str] = Counter()
    for entry in entries:
        for span in entry.spans:
            times.setdefault(span.step, []).append(span.took_s)
            retries[span.step] += max(0, span.attempts - 1)
    times[WAITING] = [entry.waited_s for entry in entries if entry.spans]
    whole = sum(map(sum, times.values())) or 1.0
    return tuple(
        Share(step, sum(took), median(took), max(took), retries[step], sum(took) / whole)
        for step, took in times.items()
        if took
    )


def _causes(entries: Sequence[Entry]) -> tuple[Cause, ...]:
    first: dict[str, Entry] = {}
    counts: Counter[str] = Counter()
    for entry in entries:
        if entry.needs_a_person:
            kind = said(entry, "class") or entry.result.state.value
            first.setdefault(kind, entry)
            counts[kind] += 1
    return tuple(
        Cause(kind, count, said(first[kind], "message"), said(first[kind], "advice"))
        for kind, count in counts.most_common()
    )


def said(entry: Entry, key: str) -> str:
    """A word of the entry's error: ``class``, ``message`` or ``advice``; empty if there is none."""
    value = (entry.result.error or {}).get(key)
    return value if isinstance(value, str) else ""
