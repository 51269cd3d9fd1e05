"""What people are told of, read off the ledger: a batch's end, gates, files that failed for good.

Every worker looks, and whoever moves the mark on in the ledger tells (`jobs.telling`). So it makes no
difference whether a worker, the producer or a person's command brought a thing about, or who died since.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from config.logs import masked
from jobs import census
from jobs.census import Census
from jobs.gates import Closed
from jobs.ledger import Ledger
from jobs.model import Gate, Job, State
from jobs.telling import Telling

QUIET_S = 10.0
"""A batch has ended when nothing is left and nothing came for so long; less, and every file would be one."""

STORM_S = 60.0
"""Files that fail within so long of the last word on failures are told of together."""

PASSING_S = 60.0
"""The gate `rate` is told of only when it stays closed for so long: a 429 is an everyday thing."""

LAG_S = 2.0
"""What is younger is told of next time: a write may still be on its way with a time before ours."""

FIRST_S = 60.0
"""The first look of all counts from so long before: a run's first files may have ended already."""

NAMED = 5
"""So many failed files are named; the rest is a number."""

_BAD = (State.FAILED, State.UNCONFIRMED)
_ENDS = (State.DONE, *_BAD, State.CANCELLED)
Mood = Literal["success", "warning", "failure", "info"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to people: one line, a few more, and how good the news is."""

    title: str
    body: str
    mood: Mood


class Watch:
    """Looks at the ledger and answers what this worker is to tell."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the ledger; what was before the first `look` of all is nobody's news."""
        self._ledger = ledger
        self._telling = Telling(ledger)

    def look(self, *, last: bool = False) -> Iterator[Notice]:
        """What happened since anybody told, each to one caller; a ``last`` look waits for no quiet.

        Take each as it comes: it is this caller's to tell, even if the next step raises LedgerUnreachable.
        """
        found, marks = census.take(self._ledger), self._telling.marks()
        until = found.at if last else found.at - LAG_S
        yield from self._gates(found, marks)
        for ask in (self._failures, self._batch):
            notice = ask(found, marks, until, last=last)
            if notice is not None:
                yield notice

    # --- gates ------------------------------------------------------------------------------------

    def _gates(self, found: Census, marks: Mapping[str, str]) -> Iterator[Notice]:
        for gate in Gate:
            closed, known = found.gates.get(gate), marks.get(f"gate:{gate}", "")
            if closed and not known and _lasts(closed, found.at):
                if self._telling.claim(f"gate:{gate}", "", repr(closed.since)):
                    yield _of_closed(closed, found.parked[gate])
            elif known and not closed and self._telling.claim(f"gate:{gate}", known, ""):
                yield Notice(f"Dropscore: the gate '{gate}' is open", "Files go on where they stood.", "info")

    # --- failures ---------------------------------------------------------------------------------

    def _failures(
        self, found: Census, marks: Mapping[str, str], until: float, *, last: bool
    ) -> Notice | None:
        known = marks.get("failures", "")
        if not known:
            self._telling.claim("failures", "", f"{found.at - FIRST_S!r} 0")
            return None
        after, spoke = map(float, known.split())
        if found.at - spoke < STORM_S and not last:
            return None
        count = sum(self._telling.ended(_BAD, after, until).values())
        if not count or not self._telling.claim("failures", known, f"{until!r} {found.at!r}"):
            return None
        return _of_failures(count, self._telling.some(_BAD, after, until, NAMED))

    # --- batches ----------------------------------------------------------------------------------

    def _batch(self, found: Census, marks: Mapping[str, str], until: float, *, last: bool) -> Notice | None:
        known, ever = marks.get("batch", ""), found.spending.ever
        if not known:
            self._telling.claim("batch", "", f"{found.at - FIRST_S!r} {ever!r}")
            return None
        if found.unended or (not last and self._ledger.ended_since(until - QUIET_S)):
            return None
        after, paid = map(float, known.split())
        counts = self._telling.ended(_ENDS, after, until)
        if not any(counts.values()) or not self._telling.claim("batch", known, f"{until!r} {ever!r}"):
            return None
        return _of_batch(counts, ever - paid, found.spending.available)


def _lasts(closed: Closed, now: float) -> bool:
    return closed.gate is not Gate.RATE or now - closed.since >= PASSING_S


def _of_closed(closed: Closed, parked: int) -> Notice:
    waiting = f"{_files(parked)} behind it." if parked else ""
    body = "\n".join(line for line in (masked(closed.message), closed.advice, waiting) if line)
    return Notice(f"Dropscore: the gate '{closed.gate}' is closed", body, "warning")


def _of_failures(count: int, some: list[Job]) -> Notice:
    lines = [_line(job) for job in some]
    if count > len(some):
        lines.append(f"and {count - len(some):,} more: dropscore status")
    return Notice(f"Dropscore: {_files(count)} failed", "\n".join(lines), "failure")


def _line(job: Job) -> str:
    """Name, class and advice: what a service or an agent said stays in the result."""
    problem = job.problem
    why = f"{problem.kind}. {problem.advice}".replace("JOB", job.id) if problem else str(job.state)
    return f"{job.spec.name}: {why}"


def _of_batch(counts: Mapping[State, int], spent: float, available: float | None) -> Notice:
    total = sum(counts.values())
    said = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    left = f", {available:,.0f} left when the last edit began" if available is not None else ""
    good = counts[State.DONE] == total
    title = f"Dropscore: {_files(total)} {'is' if total == 1 else 'are'} through"
    body = f"{said}.\n{spent:,.0f} credits spent{left}."
    return Notice(title, body, "success" if good else "warning")


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"
