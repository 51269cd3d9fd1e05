"""Gates: reasons for which no call of a kind makes sense now (design, "Gates and limits")."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

from jobs.connection import PREFIX, reaching
from jobs.ledger import Ledger
from jobs.model import Gate, Step

BLOCKS = MappingProxyType(
    {
        Gate.RATE: frozenset(Step),
        Gate.AUTH: frozenset(Step),
        Gate.PAUSED: frozenset(Step),
        Gate.CREDITS: frozenset({Step.UPLOAD, Step.EDIT}),
        Gate.PLAN: frozenset({Step.RENDER}),  # edits are kept, and only renders wait (api-contract 6, 402)
        Gate.DISK: frozenset({Step.UPLOAD, Step.EDIT, Step.DOWNLOAD}),
        Gate.BUDGET: frozenset({Step.UPLOAD, Step.EDIT}),
    }
)
"""The steps that make no sense while a gate is closed."""


GATES_KEY = f"{PREFIX}gates"

FRESH_S = 0.2
"""Many steps may share one look at the gates; one that is closed elsewhere is seen this much later."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed gate: since when, when it is looked at again, and what a person reads."""

    gate: Gate
    since: float
    probe_at: float
    message: str
    advice: str


class Gates:
    """The gates that are closed, shared by all workers."""

    def __init__(self, ledger: Ledger, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Keep them in the ledger's Redis."""
        self._ledger = ledger
        self._key = GATES_KEY
        self._monotonic = monotonic
        self._recent: dict[Gate, Closed] = {}
        self._read_at = float("-inf")

    def closed(self) -> dict[Gate, Closed]:
        """The closed gates."""
        with reaching():
            rows = self._ledger.client.hgetall(self._key)
        return closed_gates(rows)

    def recent(self) -> dict[Gate, Closed]:
        """The closed gates as they were at most `FRESH_S` ago, or as this process changed them since."""
        if self._monotonic() - self._read_at > FRESH_S:
            self._recent, self._read_at = self.closed(), self._monotonic()
        return dict(self._recent)

    def close(self, gate: Gate, *, probe_at: float, message: str, advice: str) -> bool:
        """Close a gate until it is probed; True when it was open before (so that it is said once)."""
        closed = Closed(gate, self._ledger.now(), probe_at, message, advice)
        self._read_at = float("-inf")
        with reaching():
            new = bool(self._ledger.client.hsetnx(self._key, gate, _text(closed)))
            if not new:
                known = self.closed().get(gate, closed)
                later = max(known.probe_at, probe_at)
                again = Closed(gate, known.since, later, message, advice)
                self._ledger.client.hset(self._key, gate, _text(again))
        return new

    def postpone(self, closed: Closed, probe_at: float) -> None:
        """Look at a closed gate again at ``probe_at``; nothing happens when it has opened meanwhile."""
        with reaching():
            if self._ledger.client.hexists(self._key, closed.gate):
                text = _text(Closed(closed.gate, closed.since, probe_at, closed.message, closed.advice))
                self._ledger.client.hset(self._key, closed.gate, text)

    def claim_probe(self, gate: Gate, hold_s: float) -> bool:
        """Whether this caller is the one to probe the gate now; nobody else is for ``hold_s`` seconds."""
        with reaching():
            key = f"{PREFIX}probe:{gate}"
            return bool(self._ledger.client.set(key, "1", nx=True, px=max(1, int(hold_s * 1000))))

    def open(self, gate: Gate) -> int:
        """Open a gate; answers how many parked jobs go on where they stood."""
        total, self._read_at = 0, float("-inf")
        with reaching():
            while went_on := self._script(gate, limit=500, opens=True):
                total += went_on
        return total

    def let_one_through(self, gate: Gate) -> int:
        """Let a single parked job try a gate that has no cheap probe (``plan``); answers 0 or 1."""
        with reaching():
            return self._script(gate, limit=1, opens=False)

    def parked(self, gate: Gate) -> int:
        """How many jobs wait behind a gate."""
        with reaching():
            return int(self._ledger.client.zcard(f"{PREFIX}parked:{gate}"))

    def _script(self, gate: Gate, *, limit: int, opens: bool) -> int:
        return int(self._ledger.scripts.open(args=[PREFIX, gate, self._ledger.now(), limit, int(opens)]))


def blocking(closed: dict[Gate, Closed], step: Step) -> Closed | None:
    """The closed gate that a step would run into, if any."""
    return next((closed[gate] for gate in closed if step in BLOCKS[gate]), None)


def closed_gates(rows: Mapping[str, str]) -> dict[Gate, Closed]:
    """The closed gates of the hash they are kept in."""
    return {Gate(name): _read(Gate(name), text) for name, text in rows.items()}


def _text(closed: Closed) -> str:
    return json.dumps(asdict(closed))


def _read(gate: Gate, text: str) -> Closed:
    row = json.loads(text)
    return Closed(gate, row["since"], row["probe_at"], row["message"], row["advice"])
