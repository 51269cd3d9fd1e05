"""What a step answers with."""

from dataclasses import dataclass

from jobs.model import Step


@dataclass(frozen=True, slots=True)
class Advance:
    """The step is done: on to the next, ``after_s`` seconds from now.

    ``paid``: what was set aside for the job is spent.
    """

    step: Step
    after_s: float = 0.0
    paid: bool = False


@dataclass(frozen=True, slots=True)
class Reschedule:
    """The same step again after a while; this is no failure and uses up no attempt."""

    after_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A paid instruction was sent and nobody can tell what became of it; a person decides."""

    message: str
    advice: str
    code: str = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Done:
    """The output and its result are in the outbox."""


Outcome = Advance | Reschedule | Unconfirmed | Done
