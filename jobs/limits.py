"""Limits over all workers: how many at once, how many a second, and how many credits."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.ledger import Ledger
from jobs.redis import PREFIX, encode_argument, map_redis_errors

BUDGET_KEY = f"{PREFIX}budget"
SPENDING_FIELDS = ("limit", "spent", "aside", "edits", "available", "ever")


@dataclass(frozen=True, slots=True)
class LimitState:
    """A concurrency limit as it is now: what may be in flight, what is, and how far it may grow."""

    limit: int
    in_flight: int
    ceiling: int


class RateLimiter:
    """At most so many requests a second, over all workers: each is told when it may leave, and waits."""

    def __init__(self, ledger: Ledger, per_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
        """``per_s`` may be under 1: 0.5 is one request in two seconds."""
        self._ledger = ledger
        # A hundredth less: what leaves evenly arrives less so, and the service counts what arrives.
        self._apart_us = round(1_010_000 / per_s)
        self._sleep = sleep

    def wait(self) -> None:
        """Wait until a request may leave. Raises LedgerUnreachable, and whatever the sleep raises."""
        with map_redis_errors():
            wait_us = int(self._ledger.scripts.rate_limit(args=encode_argument(apart_us=self._apart_us)))
        if wait_us > 0:
            self._sleep(wait_us / 1_000_000)


@dataclass(frozen=True, slots=True)
class Spending:
    """Credits: the limit (None = none), what was spent, what is set aside for edits in flight."""

    limit: float | None
    spent: float
    aside: float
    edits: int = 0  # how many were begun so far
    available: float | None = None  # what the account had when an edit was last begun
    ever: float = 0.0  # what was spent since the ledger began, whatever `CreditBudget.begin` counted anew


class CreditBudget:
    """Credits that may be spent; an edit is counted at its price when it is about to be sent."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep it in the ledger's Redis."""
        self._ledger = ledger

    def begin(self, limit: float | None) -> None:
        """Begin to count anew, up to a limit; what is set aside for edits in flight stays."""
        with map_redis_errors(), self._ledger.client.pipeline() as pipe:
            pipe.hset(BUDGET_KEY, "spent", 0)
            if limit is None:
                pipe.hdel(BUDGET_KEY, "limit")
            else:
                pipe.hset(BUDGET_KEY, "limit", limit)
            pipe.execute()

    def reserve(self, job_id: str, credits: float, available: float | None = None) -> tuple[bool, Spending]:
        """Set credits aside before they are paid; False when that would exceed the limit. And what is spent.

        ``available`` is what the account was just seen to have.
        """
        argument = encode_argument(id=job_id, credits=credits, available=available)
        with map_redis_errors():
            fits, *row = self._ledger.scripts.budget_reserve(args=argument)
        return bool(fits), parse_spending(row)

    def commit(self, job_id: str, *, paid: bool) -> None:
        """Count what was set aside as spent, or give it back; harmless when nothing was."""
        with map_redis_errors():
            self._ledger.scripts.budget_commit(args=encode_argument(id=job_id, paid=paid))

    def spending(self) -> Spending:
        """Return what was spent and is set aside."""
        with map_redis_errors():
            return parse_spending(self._ledger.client.hmget(BUDGET_KEY, *SPENDING_FIELDS))


def parse_spending(row: Sequence[str | None]) -> Spending:
    """Read the `SPENDING_FIELDS` of the budget's hash."""
    limit, spent, aside, edits, available, ever = row
    return Spending(
        float(limit) if limit else None,
        float(spent or 0),
        float(aside or 0),
        int(edits or 0),
        float(available) if available else None,
        float(ever or 0),
    )


class ConcurrencyLimiter:
    """How many of one kind of work may be in flight at once; admission itself is `Ledger.fetch_due`.

    The limit finds itself: until the first refusal it grows by one for each that the service takes on; a
    refusal halves it; from then on it grows by half for each ten seconds that were clean and fully used.
    """

    def __init__(self, ledger: Ledger, kind: str) -> None:
        """``kind`` is ``upload``, ``edit``, ``render`` or ``download``."""
        self._ledger = ledger
        self._kind = kind

    def accept(self) -> None:
        """Count one that the service took on."""
        bounds = self._ledger.limits.get(self._kind)
        if bounds is not None and bounds.initial < bounds.ceiling:
            self._ledger.accept(self._kind)

    def back_off(self) -> int | None:
        """Do with less: the service refused one. Answers the limit, or None for a kind without one."""
        return self._ledger.back_off(self._kind) if self._kind in self._ledger.limits else None
