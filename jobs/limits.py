"""The rate of requests, shared by all workers through Redis."""

import time
from collections.abc import Callable

from jobs.connection import PREFIX, reaching
from jobs.ledger import Ledger


class RateLimit:
    """At most so many requests a second, over all workers: each is told when it may leave, and waits."""

    def __init__(self, ledger: Ledger, per_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
        """``per_s`` may be under 1: 0.5 is one request in two seconds."""
        self._ledger = ledger
        # A hundredth less: what leaves evenly arrives less so, and the service counts what arrives.
        self._apart_us = round(1_010_000 / per_s)
        self._sleep = sleep

    def wait(self, _endpoint: str = "") -> None:
        """Wait until a request may leave. Raises LedgerUnreachable, and whatever the sleep raises."""
        with reaching():
            wait_us = int(self._ledger.scripts.pace(args=[PREFIX, self._apart_us]))
        if wait_us > 0:
            self._sleep(wait_us / 1_000_000)
