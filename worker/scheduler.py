"""The scheduler that every worker runs: it admits what may run, sends its messages, and probes gates."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from jobs.errors import LedgerUnreachable
from jobs.ledger import DueJob, Ledger
from jobs.redis import RING_CHANNEL, map_redis_errors
from worker.gates import GateProber

log = structlog.get_logger()

TICK_S = 0.2
SYNC_S = 5.0
GATHER_S = 0.01
"""Steps end in bursts; so long they are gathered into one look."""
CALM_S = 5.0
"""How long the scheduler waits after an error that nobody foresaw."""
MAX_WAITING = 100
"""With so many messages that no worker has taken up no more are sent: the backlog stays in the ledger."""


class Scheduler:
    """Sends the messages of due jobs; N schedulers send one message for a due job."""

    def __init__(
        self,
        ledger: Ledger,
        send: Callable[[DueJob], None],
        *,
        lease_s: float,
        probe_s: float,
        worker: str,
        threads: int,
    ) -> None:
        """``worker`` is this process's name; it has so many ``threads``."""
        self._ledger = ledger
        self._send = send
        self._lease_s = lease_s
        self._probe_s = probe_s
        self._worker = worker
        self._threads = threads
        self._away = False
        self._quiet_until = 0.0
        self._synced_at = float("-inf")

    def tick(self) -> int:
        """Look once; answers how many messages were sent. Raises what ``send`` raises, nothing else."""
        try:
            return self._tick()
        except LedgerUnreachable as exc:
            log.warning("ledger away; waiting for it", reason=str(exc), at_most_each_s=60)
            self._away = True
            return 0

    def _tick(self) -> int:
        at = self._ledger.monotonic()
        if self._away or at - self._synced_at >= SYNC_S:
            self._ledger.sync_clock(self._worker, self._threads)
            self._synced_at = at
        now = self._ledger.now()
        if self._away:
            # Leases that ended while the server was away belong to workers that live: let them renew first.
            self._away = False
            self._quiet_until = now + self._lease_s / 3 + 1
            log.info("ledger is back", at_most_each_s=60)
        if now < self._quiet_until:
            return 0
        due = self._ledger.fetch_due(MAX_WAITING, self._lease_s, self._probe_s)
        for job in due:
            self._send(job)
        return len(due)


class SchedulerThread:
    """Runs a scheduler and a prober of gates until it is told to stop."""

    def __init__(self, scheduler: Scheduler, prober: GateProber, ledger: Ledger) -> None:
        """Nothing runs before `start`."""
        self._scheduler = scheduler
        self._prober = prober
        self._ledger = ledger
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._listener = threading.Thread(target=self._listen, name="ring", daemon=True)
        self._probes = ThreadPoolExecutor(1, thread_name_prefix="prober")

    def start(self) -> None:
        """Begin to schedule."""
        self._thread.start()
        self._listener.start()

    def wake(self) -> None:
        """Look at once: a step has ended, or a job was submitted."""
        self._wake.set()

    def stop(self) -> None:
        """Stop; the schedulers of other workers go on."""
        self._stop.set()
        self._wake.set()
        self._probes.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        pending: Future[None] | None = None
        while not self._stop.is_set():
            if self._wake.wait(TICK_S):
                self._stop.wait(GATHER_S)
                self._wake.clear()
            try:
                self._scheduler.tick()
            except Exception:  # without this thread nobody might send what is due
                log.exception("a look at what is due went wrong", at_most_each_s=60)
                self._stop.wait(CALM_S)
            if (pending is None or pending.done()) and not self._stop.is_set():
                pending = self._probes.submit(self._prober.probe_due)

    def _listen(self) -> None:
        """Hear when a job is submitted: a tick would find it too, up to `TICK_S` later."""
        while not self._stop.is_set():
            try:
                with (
                    map_redis_errors(),
                    self._ledger.client.pubsub(ignore_subscribe_messages=True) as channel,
                ):
                    channel.subscribe(RING_CHANNEL)
                    while not self._stop.is_set():
                        if channel.get_message(timeout=1.0) is not None:
                            self.wake()
            except LedgerUnreachable:
                self._stop.wait(CALM_S)
