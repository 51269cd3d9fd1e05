"""What a step is given: the job, the service, its checkpoint, and nothing it could not have in a test."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from config.settings import Settings
from jobs.budget import Budget
from jobs.groups import Groups
from jobs.lease import Lease
from jobs.model import Checkpoint, Job, Turn
from jobs.slots import Slots
from nemo import NemoClient
from worker.waits import Waits


@dataclass(frozen=True, slots=True)
class Limits:
    """What all workers together may do at once, and spend."""

    edits: Slots
    renders: Slots
    transfers: Slots
    budget: Budget
    groups: Groups


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one run of a step."""

    lease: Lease
    client: NemoClient
    settings: Settings
    limits: Limits
    waits: Waits
    now: Callable[[], float]
    should_stop: Callable[[], bool]
    rng: random.Random

    @property
    def job(self) -> Job:
        """The job as it was claimed."""
        return self.lease.job

    @property
    def point(self) -> Checkpoint:
        """What has been reached so far."""
        return self.lease.checkpoint

    def keep(self, **changes: object) -> Checkpoint:
        """Keep changes of the checkpoint in the ledger, fenced; answers the new one. Raises LeaseLost."""
        self.lease.keep(self.point.evolve(**changes))
        return self.point

    def note(self, **changes: object) -> Checkpoint:
        """Change the checkpoint; the ledger gets it with the next write, at the latest with the step's end.

        For what can be found out again at no cost; what an outside effect depends on is kept before it.
        """
        self.lease.checkpoint = self.point.evolve(**changes)
        return self.point

    @property
    def turn(self) -> Turn:
        """The instruction in work."""
        return self.point.turns[self.point.turn]

    def turns_with(self, **changes: object) -> tuple[Turn, ...]:
        """All instructions, the one in work changed."""
        turns = list(self.point.turns)
        turns[self.point.turn] = self.turn.evolve(**changes)
        return tuple(turns)

    def note_turn(self, **changes: object) -> Turn:
        """Change the instruction in work, as `note`; answers it."""
        self.note(turns=self.turns_with(**changes))
        return self.turn

    def session_id(self) -> str:
        """The session the job works in; only asked for once it was opened."""
        if self.point.session is None:
            raise RuntimeError("a step after the upload runs without a session")
        return self.point.session.session_id
