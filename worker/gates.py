"""Gates: closing one at an error, and probing the closed ones so that work goes on by itself."""

import structlog

from config.settings import Settings
from jobs.errors import LedgerUnreachable
from jobs.gates import TRIALS, ClosedGate, Gates
from jobs.ledger import Ledger
from jobs.model import Gate
from nemovideo import NemoVideo, NemoVideoError
from worker.delivery import has_room
from worker.retry import describe_error
from worker.sources import is_root_away

log = structlog.get_logger()

MAX_RATE_WAIT_S = 600.0
"""A ``Retry-After`` beyond this is not waited for: the gate is probed then."""

AWAY_PROBE_S = 5.0
"""To look whether a folder is back costs little, and another host may see what this one does not."""

OPENED_BY_A_PERSON = frozenset({Gate.PAUSED, Gate.BUDGET})


def close_gate(gates: Gates, gate: Gate, error: Exception, now: float, probe_s: float) -> ClosedGate:
    """Close the gate that an error calls for; it is logged once."""
    wait_s = min(MAX_RATE_WAIT_S, getattr(error, "retry_after_s", None) or probe_s)
    if gate is Gate.SOURCE:
        wait_s = min(wait_s, AWAY_PROBE_S)
    problem = describe_error(error)
    closed = ClosedGate(
        gate,
        since=now,
        probe_at=now + wait_s,
        message=problem.message,
        advice=problem.advice,
        path=getattr(error, "path", ""),
        needed_bytes=getattr(error, "needed_bytes", 0),
        needed_credits=getattr(error, "needed_credits", 0),
    )
    new = gates.close(
        gate,
        probe_at=closed.probe_at,
        message=closed.message,
        advice=closed.advice,
        path=closed.path,
        needed_bytes=closed.needed_bytes,
        needed_credits=closed.needed_credits,
        root=getattr(error, "root", ""),
    )
    if new:
        log.warning("gate closed", gate=gate, reason=problem.message, advice=problem.advice)
    return closed


class GateProber:
    """Probes closed gates when their time has come; one worker at a time does."""

    def __init__(self, ledger: Ledger, gates: Gates, client: NemoVideo, settings: Settings) -> None:
        """Take how often a gate that stays closed is probed, what an edit costs, and where state is kept."""
        self._ledger = ledger
        self._gates = gates
        self._client = client
        self._probe_s = settings.gate_probe_s
        self._edit_credits = settings.edit_credits
        self._state_dir = settings.state_dir

    def probe_due(self) -> None:
        """Probe every closed gate whose time has come. Never raises what the ledger or the service raise."""
        try:
            for closed in self._gates.closed().values():
                if closed.gate in OPENED_BY_A_PERSON or closed.gate in TRIALS:
                    continue
                now = self._ledger.now()
                for root in closed.roots:
                    again_at = now + min(self._probe_s, AWAY_PROBE_S)
                    if self._gates.claim_probe(closed.gate, again_at, root) and not is_root_away(root):
                        log.info("gate open", gate=closed.gate, root=root)
                        self._gates.open(closed.gate, root)
                if closed.roots or closed.probe_at > now:
                    continue
                if self._gates.claim_probe(closed.gate, now + self._probe_s) and self._is_open(closed):
                    log.info("gate open", gate=closed.gate, files=self._gates.open(closed.gate))
        except LedgerUnreachable:
            pass  # the scheduler says so already
        except NemoVideoError as exc:
            log.info("a gate stays closed", reason=str(exc))

    def _is_open(self, closed: ClosedGate) -> bool:
        if closed.gate is Gate.RATE:
            return True
        if closed.gate is Gate.DISK:
            return has_room(closed.path, closed.needed_bytes, self._state_dir) is True
        available = self._client.balance().available  # an account that is refused raises here
        return closed.gate is Gate.AUTH or available >= (closed.needed_credits or self._edit_credits)
