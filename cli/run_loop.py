"""The loop of a run: its parts kept alive, the ledger looked at, Ctrl-C heeded, the end noticed."""

import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

from cli import format as formats
from cli.output.snapshot import Follower, Snapshot, nothing_left
from cli.processes import PRODUCER, Supervisor
from config.skills import Skill, is_vague
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from jobs.model import Step

TICK_S, LOOK_S = 0.05, 0.25
FEW, FEW_SHARE = 2, 1 / 40
"""With so few files in work a run looks more often, for this share of its time, to see its end soon."""


class Output(Protocol):
    """How a run is shown: `cli.output.live` on a terminal, `cli.output.plain` elsewhere."""

    def say(self, line: str) -> None:
        """Show a line that belongs to no file."""

    def show_finishing(self, line: str) -> None:
        """Show that what runs is finished and nothing new started."""

    def show(self, snapshot: Snapshot) -> None:
        """Show one look at the ledger."""

    def close(self) -> None:
        """End the output."""


class Interrupts:
    """Counts Ctrl-C (SIGINT) and SIGTERM while entered; a closed terminal (SIGHUP) means stop at once.

    One finishes what runs, two stop now. While paid edits are open, the second only warns and a third stops.
    """

    TO_FINISH, TO_STOP, TO_STOP_PAID = 1, 2, 3

    def __init__(self) -> None:
        self.count = 0
        self.stops_at = self.TO_STOP
        self._former: dict[int, object] = {}

    def __enter__(self) -> "Interrupts":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # A SIGHUP that is ignored (`nohup`) stays ignored.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._former[number] = signal.signal(number, self._count)
        return self

    def __exit__(self, *_: object) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type] # what signal.signal itself answered

    @property
    def asked_to_finish(self) -> bool:
        """Whether to finish what runs and start nothing new."""
        return self.count >= self.TO_FINISH

    @property
    def asked_twice(self) -> bool:
        """Whether somebody wants to stop at once."""
        return self.count >= self.TO_STOP

    @property
    def asked_to_stop(self) -> bool:
        """Whether to stop now."""
        return self.count >= self.stops_at

    def finish(self) -> None:
        """Finish what runs and start nothing new, as if somebody had asked for it."""
        self.count = max(self.count, self.TO_FINISH)

    def _count(self, number: int, _frame: FrameType | None) -> None:
        self.count = self.TO_STOP_PAID if number == signal.SIGHUP else self.count + 1


@dataclass(slots=True)
class RunLoop:
    """Follows a run to its end.

    ``is_over`` tells when nothing is left to do; ``paid``: an edit that is cut off may have been paid for.
    ``ready`` tells whether the server answers, so that no look waits for one that is down.
    ``begin_work`` starts who does the work, as soon as there is any.
    """

    supervisor: Supervisor
    ledger: Ledger
    follower: Follower
    output: Output
    interrupts: Interrupts
    is_over: Callable[[], bool]
    skills: Mapping[str, Skill] = field(default_factory=dict)
    paid: bool = False
    ready: Callable[[], bool] = lambda: True
    begin_work: Callable[[], None] | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _draining: bool = field(default=False, init=False)
    _warned: bool = field(default=False, init=False)
    _away: bool = field(default=False, init=False)
    _is_few: bool = field(default=True, init=False)
    _connecting: bool = field(default=False, init=False)
    _connected: bool = field(default=False, init=False)
    _vague: set[str] = field(default_factory=set, init=False)

    def explain_vague(self, instructions: Iterable[str], skill: str) -> None:
        """Say once of each vague instruction what to ask for in its place."""
        for text in instructions:
            if text not in self._vague and skill in self.skills and is_vague(text):
                self._vague.add(text)
                self.output.say(formats.escape_controls(self.skills[skill].explain_vague(text)))

    def go(self) -> None:
        """Run to the end; raises ChildFailed when a child cannot be kept alive."""
        looks_at = 0.0
        while not self._should_stop():
            self.supervisor.look()
            if (began := self.clock()) >= looks_at:
                if self._look():
                    return
                took_s = self.clock() - began
                looks_at = self.clock() + (min(LOOK_S, took_s / FEW_SHARE) if self._is_few else LOOK_S)
            self.sleep(TICK_S)

    def _report_connection(self, snapshot: Snapshot) -> None:
        """Say that the service is being connected to, and when the first session is open, once each."""
        if self._connected or not self.paid:
            return
        has_session = [job.checkpoint.session is not None for job in (*snapshot.in_work, *snapshot.changed)]
        if has_session and not self._connecting:
            self._connecting = True
            self.output.say("Connecting to NemoVideo...")
        if any(has_session):
            self._connected = True
            self.output.say("Ready!")

    def _should_stop(self) -> bool:
        """Whether to stop now; the second Ctrl-C asks for a third while paid edits are open."""
        if self.interrupts.asked_twice and self.paid and not self._warned:
            self._warned = True
            open_edits = 0
            with suppress(LedgerUnreachable):
                open_edits = self.follower.count_open_edits()
            if open_edits:
                self.interrupts.stops_at = Interrupts.TO_STOP_PAID
                edits = "1 paid edit is" if open_edits == 1 else f"{open_edits:,} paid edits are"
                those = "it" if open_edits == 1 else "them"
                self.output.say(
                    f"{edits} open; stopping now may leave {those} unconfirmed. Ctrl-C once more to stop."
                )
        return self.interrupts.asked_to_stop

    def _look(self) -> bool:
        """Look once; True when the run is over."""
        try:
            if not self.ready():
                raise LedgerUnreachable("the Redis server does not answer")
            if self.interrupts.asked_to_finish and not self._draining:
                self.ledger.drain(True)
                running = self.ledger.begun()
                files = formats.format_count(running, "file")
                work = f"Finishing {files} in work" if running else "Nothing is in work"
                self.output.show_finishing(
                    f"{work}, starting nothing new. Ctrl-C again stops now; nothing is lost."
                )
                self.supervisor.stop(PRODUCER, within_s=2.0)
                self._draining = True
            if self.begin_work is not None and not nothing_left(self.ledger):
                self.begin_work()
                self.begin_work = None
            # What is left is read before the last picture is drawn, so that the picture shows the end.
            over = self.ledger.begun() == 0 if self._draining else self.is_over()
            snapshot = self.follower.take_snapshot()
            for job in snapshot.changed:
                if job.step in (Step.UPLOAD, Step.EDIT) and not job.ended:
                    self.explain_vague(job.spec.instructions, job.spec.skill)
            self._report_connection(snapshot)
            self.output.show(snapshot)
            self._is_few = len(snapshot.in_work) <= FEW
            over = over or (self._draining and snapshot.all_held)
        except LedgerUnreachable as exc:
            if not self._away:
                self.output.say(f"{exc}; waiting for it, nothing is lost")
            self._away = True
            return False
        if self._away:
            self.output.say("the Redis server answers again")
        self._away = False
        return over
