"""An overview: all jobs of a ledger in numbers, with the pace, the credits, and what is held up.

It is what ``dropscore status`` prints and the page shows.
"""

from pydantic import BaseModel, ConfigDict

from jobs.ledger import Ledger
from jobs.model import ENDED, PERSONAL, Gate, State
from jobs.result import utc
from jobs.stats import Stats, read_stats
from storage import exists, is_remote

PACE_S = 600.0
"""The pace is taken from what was delivered in so many seconds."""
FEWEST_FOR_PACE = 3
MOST_FOR_PACE = 1000
MOST_LOOKED_AT = 20_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class GateRow(_Frozen):
    """A closed gate; times are UTC, ISO 8601."""

    gate: Gate
    since: str
    next_probe: str | None  # null: only `dropscore resume` opens it
    message: str
    advice: str
    waiting: int  # files behind it


class PaceRow(_Frozen):
    """How fast files are delivered, by the last ten minutes, and how long the rest takes at that pace."""

    per_minute: float | None = None  # null: too few were delivered lately to tell
    left: int = 0
    eta_s: float | None = None  # null: nothing is left, no pace is known, or something holds files back


class CreditsRow(_Frozen):
    """Credits: spent since the last run began and ever, in flight, the budget, what the account has."""

    spent: float = 0.0
    spent_ever: float = 0.0
    in_flight: float = 0.0
    budget: float | None = None  # null: none was set
    available: float | None = None  # when an edit was last begun; null: no edit yet


class LimitRow(_Frozen):
    """How many of a kind may be at the service at once, how many are, and how far the limit may grow."""

    limit: int
    in_flight: int
    ceiling: int


class Overview(_Frozen):
    """All jobs of the ledger by state, the gates that are closed, the limits, the pace, and the credits."""

    total: int
    states: dict[State, int]
    draining: bool = False
    gates: tuple[GateRow, ...] = ()
    limits: dict[str, LimitRow] = {}  # upload, edit, render, download
    pace: PaceRow = PaceRow()
    oldest_s: float = 0.0  # how long the file that has waited longest has been queued
    gone: int = 0  # outputs that were delivered and are no longer there; the next run makes them again
    credits: CreditsRow = CreditsRow()


def count_gone(ledger: Ledger, backend: str) -> int:
    """Count outputs that were delivered to disks of this host, are gone, and that this backend makes again.

    Each is looked at: 10,000 take about a second. Of more than `MOST_LOOKED_AT` none is; a run looks at all.
    """
    if ledger.counts()[State.DONE] > MOST_LOOKED_AT:
        return 0
    kept = (one.output for one in ledger.delivered() if one.backend == backend and not is_remote(one.output))
    return sum(not exists(output) for output in kept)


def read_overview(ledger: Ledger, *, gone: int = 0) -> Overview:
    """Read the totals; ``gone`` is what `count_gone` found."""
    stats = read_stats(ledger)
    spending = stats.spending
    return Overview(
        total=sum(stats.jobs.values()),
        states=dict(stats.jobs),
        draining=stats.draining,
        gates=tuple(
            GateRow(
                gate=closed.gate,
                since=utc(closed.since),
                next_probe=utc(closed.probe_at) if closed.probe_at else None,
                message=closed.message,
                advice=closed.advice,
                waiting=stats.waiting[closed.gate],
            )
            for closed in stats.gates.values()
        ),
        limits={
            kind: LimitRow(limit=row.limit, in_flight=row.in_flight, ceiling=row.ceiling)
            for kind, row in stats.limits.items()
        },
        pace=_read_pace(ledger, stats),
        oldest_s=round(stats.queue_age_s),
        gone=gone,
        credits=CreditsRow(
            spent=spending.spent,
            spent_ever=spending.ever,
            in_flight=spending.aside,
            budget=spending.limit,
            available=spending.available,
        ),
    )


def _read_pace(ledger: Ledger, stats: Stats) -> PaceRow:
    left = sum(count for state, count in stats.jobs.items() if state not in ENDED)
    recent = ledger.ids(State.DONE, since=stats.at - PACE_S, newest_first=True, limit=MOST_FOR_PACE)
    if len(recent) < FEWEST_FOR_PACE:
        return PaceRow(left=left)
    oldest_at = ledger.changed_at(State.DONE, recent[-1])
    span_s = stats.at - oldest_at if oldest_at is not None else 0.0
    if span_s <= 0:
        return PaceRow(left=left)
    per_minute = (len(recent) - 1) / span_s * 60
    held_back = stats.draining or PERSONAL & set(stats.gates)
    eta_s = round(left / per_minute * 60) if left and not held_back else None
    return PaceRow(per_minute=round(per_minute, 2), left=left, eta_s=eta_s)
