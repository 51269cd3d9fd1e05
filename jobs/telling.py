"""What people were told of last: several workers look, and one of them tells."""

from collections.abc import Iterable

from jobs.connection import PREFIX, reaching
from jobs.ledger import Ledger
from jobs.model import Job, State


class Telling:
    """Marks in the ledger's Redis, one a matter; who moves a mark on is the one to tell."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep them in the ledger's Redis."""
        self._ledger = ledger

    def marks(self) -> dict[str, str]:
        """The mark of each matter that was told of. Raises LedgerUnreachable."""
        with reaching():
            return dict(self._ledger.client.hgetall(f"{PREFIX}told"))

    def claim(self, what: str, known: str, now: str) -> bool:
        """Move a matter's mark on from what this caller read (``""`` = none); False when another was first.

        An empty ``now`` removes the mark. Raises LedgerUnreachable.
        """
        with reaching():
            return bool(self._ledger.scripts.tell(args=[PREFIX, what, known, now]))

    def ended(self, states: Iterable[State], after: float, until: float) -> dict[State, int]:
        """How many jobs came into each of these states after ``after`` and not later than ``until``."""
        asked = list(states)
        with reaching(), self._ledger.client.pipeline(transaction=False) as pipe:
            for state in asked:
                pipe.zcount(f"{PREFIX}in:{state}", f"({after!r}", until)
            return dict(zip(asked, pipe.execute(), strict=True))

    def some(self, states: Iterable[State], after: float, until: float, limit: int) -> list[Job]:
        """A few of those jobs, in the order in which they ended."""
        ids = []
        with reaching(), self._ledger.client.pipeline(transaction=False) as pipe:
            for state in states:
                pipe.zrangebyscore(f"{PREFIX}in:{state}", f"({after!r}", until, start=0, num=limit)
            for found in pipe.execute():
                ids += found
        return sorted(self._ledger.many(ids), key=lambda job: job.updated)[:limit]
