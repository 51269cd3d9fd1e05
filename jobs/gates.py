"""Gates: reasons for which no call of a kind makes sense now, shared by all workers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from jobs.model import Gate, Step
from jobs.redis import PREFIX, encode_argument, map_redis_errors

if TYPE_CHECKING:
    from jobs.ledger import Ledger

HOLDS = MappingProxyType(
    {
        Gate.RATE: frozenset(Step),
        Gate.AUTH: frozenset(Step),
        Gate.PAUSED: frozenset(Step),
        Gate.CREDITS: frozenset({Step.UPLOAD, Step.EDIT}),
        Gate.PLAN: frozenset({Step.RENDER}),  # edits are kept, and only renders wait (api-contract 6, 402)
        Gate.DISK: frozenset({Step.UPLOAD, Step.EDIT, Step.DOWNLOAD}),
        Gate.SOURCE: frozenset({Step.UPLOAD}),  # of the watched folder that is away, and of no other
        Gate.BUDGET: frozenset({Step.UPLOAD, Step.EDIT}),
    }
)
"""The steps that a closed gate holds back."""

TRIALS = frozenset({Gate.PLAN})
"""Gates that only a real request can probe: one job at a time is admitted to try."""

GATES_KEY = f"{PREFIX}gates"


@dataclass(frozen=True, slots=True)
class ClosedGate:
    """A closed gate: since when, when it is probed, and what a person reads.

    ``path`` and ``needed_bytes`` are the folder that was full and what it must have free, for ``disk``;
    ``needed_credits`` is what the edit costs that the balance did not cover, for ``credits`` (0: not known);
    ``roots`` are the watched folders that are away, for ``source``: there is one such gate for each.
    """

    gate: Gate
    since: float
    probe_at: float
    message: str
    advice: str
    path: str = ""
    needed_bytes: int = 0
    needed_credits: float = 0
    roots: tuple[str, ...] = ()


class Gates:
    """The gates that are closed."""

    def __init__(self, ledger: "Ledger") -> None:
        """Keep them in the ledger's Redis."""
        self._ledger = ledger
        self._client = ledger.client

    def closed(self) -> dict[Gate, ClosedGate]:
        """Return the closed gates."""
        with map_redis_errors():
            return parse_gates(self._client.hgetall(GATES_KEY))

    def close(
        self,
        gate: Gate,
        *,
        probe_at: float,
        message: str,
        advice: str,
        path: str = "",
        needed_bytes: int = 0,
        needed_credits: float = 0,
        root: str = "",
    ) -> bool:
        """Close a gate until it is probed; True when it was open before (so that it is said once).

        ``root`` is the folder whose gate it is, for ``source``.
        """
        closed = ClosedGate(
            gate, self._ledger.now(), probe_at, message, advice, path, needed_bytes, needed_credits
        )
        with map_redis_errors():
            argument = encode_argument(gate=_name(gate, root), closed=asdict(closed))
            return bool(self._ledger.scripts.gate_close(args=argument))

    def claim_probe(self, gate: Gate, again_at: float, root: str = "") -> bool:
        """Tell whether this caller is to probe a gate whose time has come; the next is at ``again_at``."""
        with map_redis_errors():
            argument = encode_argument(now=self._ledger.now(), gate=_name(gate, root), again_at=again_at)
            return bool(self._ledger.scripts.gate_probe(args=argument))

    def open(self, gate: Gate, root: str = "") -> int:
        """Open a gate; answers how many files waited behind it. They go on where they stood.

        Without a ``root`` the gate ``source`` opens for all folders.
        """
        closed = self.closed().get(gate)
        roots = (root,) if root or closed is None or not closed.roots else closed.roots
        waiting = self.count_waiting(gate, roots)
        with map_redis_errors():
            self._client.hdel(GATES_KEY, *(_name(gate, one) for one in roots))
            self._client.publish(f"{PREFIX}ring", "open")
        return waiting

    def count_waiting(self, gate: Gate, roots: Sequence[str] = ()) -> int:
        """Count the files that are due and held back by a gate; for ``source`` those of these folders."""
        with map_redis_errors(), self._client.pipeline(transaction=False) as pipe:
            for due_set in due_sets_behind(gate, roots):
                pipe.zcount(due_set, "-inf", self._ledger.now())
            return sum(pipe.execute())


def due_sets_behind(gate: Gate, roots: Sequence[str] = ()) -> list[str]:
    """List the keys of the due sets that a gate holds back; for ``source`` what is held of these folders."""
    if gate is Gate.SOURCE:
        return [f"{PREFIX}held:{_name(gate, root)}" for root in roots]
    sets = [f"{PREFIX}due:{step}" for step in sorted(HOLDS[gate])]
    return [*sets, f"{PREFIX}due:backlog"] if Step.UPLOAD in HOLDS[gate] else sets


def parse_gates(rows: Mapping[str, str]) -> dict[Gate, ClosedGate]:
    """Read the closed gates from the hash they are kept in; all folders that are away are one gate here."""
    found: dict[Gate, ClosedGate] = {}
    for name, text in sorted(rows.items()):
        kind, _, root = name.partition(":")
        roots = (root,) if root else ()
        one = ClosedGate(**(json.loads(text) | {"gate": Gate(kind), "roots": roots}))
        known = found.get(one.gate)
        found[one.gate] = one if known is None else _join(known, one)
    return found


def _name(gate: Gate, root: str) -> str:
    return f"{gate}:{root}" if root else gate.value


def _join(first: ClosedGate, second: ClosedGate) -> ClosedGate:
    return replace(
        first,
        since=min(first.since, second.since),
        probe_at=min(first.probe_at, second.probe_at),
        message=f"{first.message}; {second.message}",
        roots=first.roots + second.roots,
    )
