"""One run while it runs: children kept alive, the ledger looked at, Ctrl-C heeded, the end noticed."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from cli import phrases
from cli.children import PRODUCER
from cli.follow import Follower, Snapshot, nothing_left
from cli.interrupts import Interrupts
from cli.supervise import Supervisor
from jobs.errors import LedgerUnreachable
from jobs.gates import Gates
from jobs.ledger import Ledger

TICK_S, LOOK_S = 0.05, 0.25


class Teller(Protocol):
    """How a run is told: live on a terminal (`cli.view`), in plain lines elsewhere (`cli.plain`)."""

    def say(self, line: str) -> None:
        """Tell a line that belongs to no file."""

    def finishing(self, line: str) -> None:
        """Tell that what runs is finished and nothing new started."""

    def show(self, snapshot: Snapshot) -> None:
        """Tell one look at the ledger."""

    def close(self) -> None:
        """End the telling."""


@dataclass(slots=True)
class Session:
    """The loop of a run; ``once`` ends it when nothing is left to do."""

    supervisor: Supervisor
    ledger: Ledger
    follower: Follower
    teller: Teller
    interrupts: Interrupts
    once: bool
    ready: Callable[
        [], bool
    ]  # whether the server takes orders, asked so that no look waits for one that is down
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _draining: bool = field(default=False, init=False)
    _away: bool = field(default=False, init=False)

    def go(self) -> None:
        """Run to the end; raises ChildFailed when a child cannot be kept alive."""
        looks_at = 0.0
        while not self.interrupts.asked_to_stop:
            self.supervisor.look()
            if self.clock() >= looks_at:
                if self._look():
                    return
                looks_at = self.clock() + LOOK_S
            self.sleep(TICK_S)

    def _look(self) -> bool:
        """Look once; True when the run is over."""
        try:
            if not self.ready():
                raise LedgerUnreachable("the Redis server does not answer")
            if self.interrupts.asked_to_finish and not self._draining:
                self._drain()
            over = self._over()
            self.teller.show(self.follower.look())
        except LedgerUnreachable as gone:
            if not self._away:
                self.teller.say(f"{gone}; waiting for it, nothing is lost")
            self._away = True
            return False
        if self._away:
            self.teller.say("the Redis server answers again")
        self._away = False
        return over

    def _over(self) -> bool:
        # What is left is read before the last picture is drawn, so that the picture shows the end.
        if self._draining:
            return self.ledger.begun() == 0
        if not self.once or not self.supervisor.ended(PRODUCER):
            return False
        return nothing_left(self.ledger, Gates(self.ledger))

    def _drain(self) -> None:
        self.ledger.drain(True)
        running = self.ledger.begun()
        work = f"Finishing {phrases.plural(running, 'file')} in work" if running else "Nothing is in work"
        self.teller.finishing(f"{work}, starting nothing new. Ctrl-C again stops now; nothing is lost.")
        self.supervisor.stop(PRODUCER, within_s=2.0)
        self._draining = True


def end_drain(ledger: Ledger) -> None:
    """Let jobs begin again, as the next run or another host's worker should; the server may be gone."""
    with suppress(LedgerUnreachable):
        ledger.drain(False)
