"""Slots: how many jobs may do a thing at once, over all workers; the rest wait in line.

A job that gets no slot waits without holding a thread. A slot is given back by the write that ends the step
(`jobs/lua/write.lua`), which calls the next in line. The number adapts: a 429 halves it, and each ten seconds
in which one came through allow half as many again.
"""

from jobs.connection import PREFIX, reaching
from jobs.ledger import Ledger

COOL_S = 10.0
"""A burst of 429s is one reason to slow down, not twenty."""


class Slots:
    """One kind of slot, ``render`` say."""

    def __init__(self, ledger: Ledger, kind: str, most: int, *, while_running: bool) -> None:
        """``most`` jobs at once.

        With ``while_running`` a slot is held while its job runs; without (``render``) also from one look at
        the render to the next.
        """
        self._ledger = ledger
        self._kind = kind
        self._most = most
        self._while_running = while_running

    def take(self, job_id: str) -> bool:
        """Take a slot, or keep the one this job has; False when none is free (the job is in line then)."""
        args = [PREFIX, self._kind, job_id, self._ledger.now(), self._most, int(self._while_running)]
        with reaching():
            return bool(self._ledger.scripts.slot(args=args))

    def slow_down(self) -> int:
        """Half as many at once from now on; answers how many."""
        args = [PREFIX, self._kind, self._most, int(COOL_S * 1000), self._ledger.now()]
        with reaching():
            return int(self._ledger.scripts.halve(args=args))
