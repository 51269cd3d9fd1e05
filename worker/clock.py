"""The clock every worker runs: what is due gets its message, closed gates are looked at (invariant 1)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import structlog

from jobs.errors import LedgerUnreachable
from jobs.gates import Closed, Gates
from jobs.ledger import Ledger
from jobs.model import Gate
from nemo import NemoClient, NemoError
from worker.letters import Write

log = structlog.get_logger()

TICK_S = 0.2
SYNC_TICKS = 150
CALM_S = 5.0
"""How long the clock waits after an error that nobody foresaw."""
MAX_MESSAGES = 1000
"""So many messages of what has begun wait in the broker at the most, and so many of what has not; the rest of
a backlog stays in the ledger."""


PROBE_HOLD_S = 1.0
"""For so long nobody else looks at a gate that is looked at; a rate gate may open and close each second."""

NEVER_PROBED = frozenset({Gate.PAUSED, Gate.BUDGET})
"""Gates that only a person's word opens."""


class Clock:
    """Sends the messages of due jobs; N clocks send one message for a due job."""

    def __init__(self, ledger: Ledger, letter: Write, queues: list[str], lease_s: float) -> None:
        """``queues`` are the broker's keys whose lengths bound what is sent: what has begun, and the rest."""
        self._ledger = ledger
        self._letter = letter
        self._queues = queues
        self._lease_s = lease_s
        self._away = False
        self._quiet_until = 0.0
        self._ticks = 0

    def tick(self) -> int:
        """One look; answers how many messages were sent. Never raises."""
        try:
            return self._tick()
        except LedgerUnreachable as gone:
            if not self._away:
                log.error("ledger away; waiting for it", reason=str(gone))
            self._away = True
            return 0

    def _tick(self) -> int:
        if self._ticks % SYNC_TICKS == 0 or self._away:
            self._ledger.sync_clock()
        self._ticks += 1
        now = self._ledger.now()
        if self._away:
            # Leases that ended while the server was away belong to workers that live: let them renew first.
            self._away = False
            self._quiet_until = now + self._lease_s / 3 + 1
            log.info("ledger is back")
        if now < self._quiet_until:
            return 0
        waiting = self._ledger.messages_waiting(self._queues)
        limit, room = MAX_MESSAGES - sum(waiting[:1]), MAX_MESSAGES - sum(waiting[1:])
        due = self._ledger.take_due(limit, self._lease_s, room=room)
        self._ledger.post(self._letter(item.job_id, item.step, item.lane) for item in due)
        return len(due)


class Prober:
    """Looks at closed gates when their time has come; one worker at a time does."""

    def __init__(
        self, ledger: Ledger, gates: Gates, client: NemoClient, *, probe_s: float, edit_credits: int
    ) -> None:
        """``probe_s`` is the time between two looks at a gate that stays closed."""
        self._ledger = ledger
        self._gates = gates
        self._client = client
        self._probe_s = probe_s
        self._edit_credits = edit_credits

    def probe_due(self) -> None:
        """Look at every closed gate whose time has come. Never raises."""
        try:
            for closed in self._gates.closed().values():
                due = closed.probe_at <= self._ledger.now()
                if (
                    closed.gate not in NEVER_PROBED
                    and due
                    and self._gates.claim_probe(closed.gate, PROBE_HOLD_S)
                ):
                    self._probe(closed)
        except (LedgerUnreachable, NemoError) as error:
            log.warning("a gate could not be looked at", reason=str(error))

    def _probe(self, closed: Closed) -> None:
        self._gates.postpone(closed, self._ledger.now() + self._probe_s)
        if closed.gate is Gate.PLAN:
            self._gates.let_one_through(
                closed.gate
            )  # only a render tells; it opens the gate when it is taken
        elif self._opens(closed):
            went_on = self._gates.open(closed.gate)
            log.info("gate open", gate=closed.gate, jobs=went_on)

    def _opens(self, closed: Closed) -> bool:
        if closed.gate is Gate.RATE:
            return True
        available = self._client.balance().available  # an account that is refused raises here
        return closed.gate is Gate.AUTH or available >= self._edit_credits


class ClockThread:
    """Runs a clock and a prober until it is told to stop."""

    def __init__(self, clock: Clock, prober: Prober) -> None:
        """Nothing runs before `start`."""
        self._clock = clock
        self._prober = prober
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._probes = ThreadPoolExecutor(1, thread_name_prefix="prober")

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; other workers' clocks go on."""
        self._stop.set()
        self._thread.join(timeout=5)
        self._probes.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        pending = None
        while not self._stop.wait(TICK_S):
            try:
                self._clock.tick()
            except Exception:  # without this thread nobody might send what is due
                log.exception("a tick of the clock went wrong")
                self._stop.wait(CALM_S)
            if pending is None or pending.done():
                pending = self._probes.submit(self._prober.probe_due)
