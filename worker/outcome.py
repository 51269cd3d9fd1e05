"""What a step answers with (design, "How a job moves")."""

from dataclasses import dataclass

from jobs.model import Step

IN_LINE_S = 60.0
"""How long a job in line waits before it asks again by itself; who leaves calls it sooner."""


@dataclass(frozen=True, slots=True)
class Advance:
    """The step is through: on to the next, ``after_s`` seconds from now."""

    step: Step
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Again:
    """The same step again after a while; this is no failure and uses up no attempt."""

    after_s: float
    reason: str = ""
    in_line: bool = False  # for a slot or a session: whoever leaves calls the next, who goes on at once


def in_line(what: str) -> Again:
    """The outcome of a step whose turn it is not."""
    return Again(IN_LINE_S, f"in line for {what}", in_line=True)


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A paid instruction was sent and nobody can say what became of it; a person decides."""

    message: str
    advice: str
    kind: str = "Unconfirmed"


@dataclass(frozen=True, slots=True)
class Done:
    """The output and its result are in the outbox."""


Outcome = Advance | Again | Unconfirmed | Done
