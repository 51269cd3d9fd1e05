"""Stats: what is true of all jobs together, in one round trip and without a walk over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from jobs.gates import GATES_KEY, ClosedGate, due_sets_behind, parse_gates
from jobs.ledger import Ledger, LimitBounds
from jobs.limits import BUDGET_KEY, SPENDING_FIELDS, LimitState, Spending, parse_spending
from jobs.model import ENDED, Gate, State
from jobs.redis import PREFIX, RedisClient, map_redis_errors

KINDS = ("upload", "edit", "render", "download")


@dataclass(frozen=True, slots=True)
class Stats:
    """A moment of the ledger; ``at`` and ``queued_since`` are seconds by its clock.

    ``waiting`` counts the files that each closed gate holds back.
    """

    at: float
    jobs: Mapping[State, int]
    gates: Mapping[Gate, ClosedGate]
    waiting: Mapping[Gate, int]
    spending: Spending
    limits: Mapping[str, LimitState]
    queued_since: float | None  # since when the oldest queued job waits; None when none does
    draining: bool = False

    @property
    def queue_age_s(self) -> float:
        """How long the job that has waited longest has been queued, in seconds; 0 when none is."""
        return max(0.0, self.at - self.queued_since) if self.queued_since is not None else 0.0

    @property
    def unended(self) -> int:
        """How many jobs have not ended, parked ones counted in."""
        return sum(count for state, count in self.jobs.items() if state not in ENDED)


def read_stats(ledger: Ledger, client: RedisClient | None = None) -> Stats:
    """Read the stats, by another client of the same server if one is given. Raises LedgerUnreachable."""
    now = ledger.now()
    with map_redis_errors(), (client or ledger.client).pipeline(transaction=False) as pipe:
        for state in State:
            pipe.zcard(f"{PREFIX}in:{state}")
        for kind in KINDS:
            pipe.hget(f"{PREFIX}limit:{kind}", "limit")
            pipe.zcount(f"{PREFIX}inflight:{kind}", now, "+inf")
        pipe.hgetall(f"{PREFIX}ceilings")
        pipe.hgetall(GATES_KEY)
        pipe.hmget(BUDGET_KEY, *SPENDING_FIELDS)
        pipe.zrange(f"{PREFIX}in:{State.QUEUED}", 0, 0, withscores=True)
        pipe.exists(f"{PREFIX}draining")
        rows = pipe.execute()
        sizes, pairs = rows[: len(State)], rows[len(State) : -5]
        ceilings, gates, budget, oldest, draining = rows[-5:]
        closed = parse_gates(gates)
        behind = {gate: due_sets_behind(gate, one.roots) for gate, one in closed.items()}
        for due_set in chain.from_iterable(behind.values()):
            pipe.zcount(due_set, "-inf", now)
        counts = iter(pipe.execute() if closed else ())
    waiting = {gate: sum(next(counts) for _ in due_sets) for gate, due_sets in behind.items()}
    return Stats(
        at=now,
        jobs=dict(zip(State, sizes, strict=True)),
        gates=closed,
        waiting={gate: waiting.get(gate, 0) for gate in Gate},
        spending=parse_spending(budget),
        limits=_limits(pairs, ceilings),
        queued_since=float(oldest[0][1]) if oldest else None,
        draining=bool(draining),
    )


def publish_ceilings(ledger: Ledger) -> None:
    """Tell whoever reads the stats how far each limit may grow; a worker does so when it starts."""
    rows = {kind: f"{bounds.initial} {bounds.ceiling}" for kind, bounds in ledger.limits.items()}
    with map_redis_errors():
        ledger.client.hset(f"{PREFIX}ceilings", mapping=rows)


def _limits(pairs: list[str | int | None], ceilings: Mapping[str, str]) -> dict[str, LimitState]:
    found = {}
    for kind, limit, in_flight in zip(KINDS, pairs[::2], pairs[1::2], strict=True):
        initial, _, ceiling = ceilings.get(kind, "").partition(" ")
        if ceiling:
            bounds = LimitBounds(int(initial), int(ceiling))
            now = min(bounds.ceiling, int(float(limit or bounds.initial)))
            found[kind] = LimitState(now, int(in_flight or 0), bounds.ceiling)
    return found
