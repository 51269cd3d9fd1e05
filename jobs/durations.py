"""How long renders took, shared by all workers: the last ones of each kind."""

from collections.abc import Iterable

from jobs.connection import PREFIX, reaching
from jobs.ledger import Ledger

KEPT = 64
"""So many of a kind are kept: few enough that a service that became slower or faster is soon believed."""
FORGOTTEN_S = 7 * 86_400

Seconds = tuple[float, float]
"""A render was not done after the first, and done after the second; from its submission."""


class Durations:
    """The last renders of each kind (files of about the same length at the same service)."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep them in the ledger's Redis."""
        self._ledger = ledger

    def exchange(self, kind: str, news: Iterable[Seconds]) -> list[Seconds]:
        """Add what was seen and answer the last ones of all workers, in one round trip.

        Raises LedgerUnreachable.
        """
        key = f"{PREFIX}renders:{kind}"
        texts = [f"{after_s:.3f} {until_s:.3f}" for after_s, until_s in news]
        with reaching(), self._ledger.client.pipeline(transaction=False) as pipe:
            if texts:
                pipe.lpush(key, *texts)
                pipe.ltrim(key, 0, KEPT - 1)
                pipe.expire(key, FORGOTTEN_S)
            pipe.lrange(key, 0, KEPT - 1)
            rows = pipe.execute()[-1]
        return [(float(after), float(until)) for after, _, until in (row.partition(" ") for row in rows)]
