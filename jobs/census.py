"""The census: what is true of all jobs together, in one round trip and without a walk over them."""

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.budget import BUDGET_KEY, SPENDING_FIELDS, Spending, spending_of
from jobs.connection import PREFIX, RedisClient, reaching
from jobs.gates import GATES_KEY, Closed, closed_gates
from jobs.ledger import Ledger
from jobs.model import ENDED, Gate, State


@dataclass(frozen=True, slots=True)
class Census:
    """A moment of the ledger; ``at`` and ``queued_since`` are seconds since the epoch by its clock."""

    at: float
    jobs: Mapping[State, int]
    gates: Mapping[Gate, Closed]
    parked: Mapping[Gate, int]
    spending: Spending
    queued_since: float | None  # since when the oldest queued job waits; None when none does

    @property
    def queue_age_s(self) -> float:
        """How long the job that has waited longest has been queued, in seconds; 0 when none is."""
        return max(0.0, self.at - self.queued_since) if self.queued_since is not None else 0.0

    @property
    def unended(self) -> int:
        """How many jobs have not ended, parked ones counted in."""
        return sum(count for state, count in self.jobs.items() if state not in ENDED)


def take(ledger: Ledger, client: RedisClient | None = None) -> Census:
    """Take a census, by another client of the same server if one is given. Raises LedgerUnreachable."""
    with reaching(), (client or ledger.client).pipeline(transaction=False) as pipe:
        for state in State:
            pipe.zcard(f"{PREFIX}in:{state}")
        for gate in Gate:
            pipe.zcard(f"{PREFIX}parked:{gate}")
        pipe.hgetall(GATES_KEY)
        pipe.hmget(BUDGET_KEY, *SPENDING_FIELDS)
        pipe.zrange(f"{PREFIX}in:{State.QUEUED}", 0, 0, withscores=True)
        *sizes, gates, budget, oldest = pipe.execute()
    return Census(
        at=ledger.now(),
        jobs=dict(zip(State, sizes, strict=False)),
        gates=closed_gates(gates),
        parked=dict(zip(Gate, sizes[len(State) :], strict=True)),
        spending=spending_of(budget),
        queued_since=float(oldest[0][1]) if oldest else None,
    )
