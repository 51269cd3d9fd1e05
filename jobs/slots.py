"""Slots: how many jobs may do a thing at once, over all workers; the rest wait in line.

A job that gets no slot waits without holding a thread, and the one that leaves calls the next. A slot ends by
itself after ``hold_s`` seconds, so that a killed holder does not keep it for ever.
"""

from jobs.connection import PREFIX, reaching
from jobs.ledger import Ledger


class Slots:
    """One kind of slot, ``render`` say, with a limit."""

    def __init__(self, ledger: Ledger, kind: str, limit: int, hold_s: float) -> None:
        """``limit`` jobs at once; ``hold_s`` is how long a slot lasts unless it is taken again."""
        self._ledger = ledger
        self._kind = kind
        self._limit = limit
        self._hold_s = hold_s

    def take(self, job_id: str) -> bool:
        """Take a slot, or prolong the one this job has; False when none is free (the job is in line then)."""
        args = [PREFIX, self._kind, job_id, self._ledger.now(), self._limit, self._hold_s]
        with reaching():
            return bool(self._ledger.scripts.slot(args=args))

    def leave(self, job_id: str) -> None:
        """Give the slot back; the first in line is due at once. Harmless when the job had none."""
        args = [PREFIX, self._kind, job_id, self._ledger.now(), self._limit]
        with reaching():
            self._ledger.scripts.leave(args=args)
