"""What a step is given: the job, the service, its checkpoint, and nothing it could not have in a test."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from config.settings import Settings
from jobs.lease import Lease
from jobs.limits import ConcurrencyLimiter, CreditBudget, RateLimiter
from jobs.model import Checkpoint, InstructionState, Job
from jobs.sessions import SharedSessions
from nemovideo import NemoVideo


@dataclass(frozen=True, slots=True)
class Limits:
    """What all workers together may do at once, in a second, and spend."""

    edits: ConcurrencyLimiter
    rate: RateLimiter | None
    budget: CreditBudget
    sessions: SharedSessions


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one run of a step."""

    lease: Lease
    client: NemoVideo
    settings: Settings
    limits: Limits
    now: Callable[[], float]
    should_stop: Callable[[], bool]
    rng: random.Random

    @property
    def job(self) -> Job:
        """The job as it was claimed."""
        return self.lease.job

    @property
    def checkpoint(self) -> Checkpoint:
        """What has been reached so far."""
        return self.lease.checkpoint

    @property
    def instruction(self) -> InstructionState:
        """The current instruction."""
        return self.checkpoint.instructions[self.checkpoint.current]

    def save(self, *, durable: bool = False, **changes: object) -> None:
        """Change the checkpoint and write it to the ledger now.

        For what an outside effect depends on: it is written before that. Raises LeaseLost, NotDurable.
        """
        self.lease.save(self.checkpoint.evolve(**changes), durable=durable)

    def stage(self, **changes: object) -> None:
        """Change the checkpoint in memory; the next write takes it along, at the latest the step's end.

        For what can be found out again at no cost.
        """
        self.lease.checkpoint = self.checkpoint.evolve(**changes)

    def stage_instruction(self, **changes: object) -> InstructionState:
        """Change the current instruction, as `stage`; answers it."""
        self.stage(instructions=self.instructions_with(**changes))
        return self.instruction

    def instructions_with(self, **changes: object) -> tuple[InstructionState, ...]:
        """Return all instructions, the current one changed."""
        instructions = list(self.checkpoint.instructions)
        instructions[self.checkpoint.current] = self.instruction.evolve(**changes)
        return tuple(instructions)

    def session_id(self) -> str:
        """Return the session the job works in; only asked for once it was opened."""
        if self.checkpoint.session is None:
            raise RuntimeError("a step after the upload runs without a session")
        return self.checkpoint.session.session_id
