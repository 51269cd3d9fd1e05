"""The budget: credits that may be spent, with what is still in flight counted in (``--max-credits``)."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.connection import PREFIX, reaching
from jobs.ledger import Ledger

BUDGET_KEY = f"{PREFIX}budget"
SPENDING_FIELDS = ("limit", "spent", "aside", "edits", "available", "ever")


@dataclass(frozen=True, slots=True)
class Spending:
    """Credits: the limit (None = none), what was spent, what is set aside for edits in flight."""

    limit: float | None
    spent: float
    aside: float
    edits: int = 0  # how many were begun so far
    available: float | None = None  # what the account had when an edit was last begun
    ever: float = 0.0  # what was spent since the ledger began, whatever `Budget.begin` counted anew


class Budget:
    """Shared by all workers; an edit is counted at its price when it is about to be sent."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep it in the ledger's Redis."""
        self._ledger = ledger
        self._key = BUDGET_KEY

    def begin(self, limit: float | None) -> None:
        """Begin to count anew, up to a limit; what is set aside for edits in flight stays."""
        with reaching(), self._ledger.client.pipeline() as pipe:
            pipe.hset(self._key, "spent", 0)
            if limit is None:
                pipe.hdel(self._key, "limit")
            else:
                pipe.hset(self._key, "limit", limit)
            pipe.execute()

    def reserve(self, job_id: str, credits: float, available: float | None = None) -> tuple[bool, Spending]:
        """Set credits aside before they are paid; False when that would exceed the limit. And what is spent.

        ``available`` is what the account was just seen to have.
        """
        seen = "" if available is None else available
        with reaching():
            fits, *row = self._ledger.scripts.reserve(args=[PREFIX, job_id, credits, seen])
        return bool(fits), spending_of(row)

    def settle(self, job_id: str, *, paid: bool) -> None:
        """Count what was set aside as spent, or give it back; harmless when nothing was."""
        with reaching():
            self._ledger.scripts.settle(args=[PREFIX, job_id, int(paid)])

    def spending(self) -> Spending:
        """What was spent and is set aside."""
        with reaching():
            return spending_of(self._ledger.client.hmget(self._key, *SPENDING_FIELDS))


def spending_of(row: Sequence[str | None]) -> Spending:
    """What the `SPENDING_FIELDS` of the budget's hash say."""
    limit, spent, aside, edits, available, ever = row
    return Spending(
        float(limit) if limit else None,
        float(spent or 0),
        float(aside or 0),
        int(edits or 0),
        float(available) if available else None,
        float(ever or 0),
    )
