"""What becomes of an error: a table for gates, a table for retries, and nothing else.

HTTP-level retries (seconds, in `nemovideo`) and these (up to minutes, a message each) do not multiply: what
`nemovideo` retries it retries three times within seconds, and then the attempt counts here as one.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from jobs.model import Gate, Problem
from nemovideo import errors as refusals
from worker import errors

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """Attempts of a step (the first included), and exponential backoff with jitter between them."""

    attempts: int
    base_s: float = 0.0
    cap_s: float = 0.0

    def wait_s(self, attempt: int, rng: random.Random, at_least_s: float = 0.0) -> float:
        """Return the seconds before the next attempt, after ``attempt`` (1, 2, …) failed.

        Half of the backoff is certain and half is drawn ("equal jitter"); never under ``at_least_s``.
        """
        backoff_s = min(self.cap_s, self.base_s * 2 ** min(attempt - 1, 30))
        return max(at_least_s, rng.uniform(backoff_s / 2, backoff_s))

    def is_exhausted(self, attempt: int) -> bool:
        """Tell whether ``attempt`` was the last."""
        return attempt >= self.attempts


NEVER = Retry(attempts=1)
"""What trying again cannot put right, or must not repeat because it is paid."""

WHILE_AWAY = Retry(attempts=10_000, base_s=2, cap_s=30)
"""A disk or a bucket that is away says nothing about the file: it is waited for, three days if need be."""

GATES: Mapping[type[Exception], Gate] = MappingProxyType(
    {
        refusals.OutOfCredits: Gate.CREDITS,
        refusals.BalanceTooLow: Gate.CREDITS,
        refusals.ExportBlocked: Gate.PLAN,
        refusals.AccountRefused: Gate.AUTH,
        refusals.TokenRefused: Gate.AUTH,
        refusals.TokenRateLimited: Gate.AUTH,
        errors.DiskFull: Gate.DISK,
        errors.RootAway: Gate.SOURCE,
        errors.BudgetReached: Gate.BUDGET,
    }
)
"""Errors that say nothing about the job: it parks without using up an attempt."""

RETRIES: Mapping[type[Exception], Retry] = MappingProxyType(
    {
        refusals.ServerError: Retry(attempts=6, base_s=5, cap_s=300),
        refusals.Unreachable: Retry(attempts=8, base_s=2, cap_s=300),
        refusals.ConnectionLost: Retry(attempts=6, base_s=2, cap_s=120),
        refusals.BadAnswer: Retry(attempts=4, base_s=5, cap_s=60),
        refusals.SessionNotFound: Retry(attempts=3, base_s=1, cap_s=10),
        refusals.RenderNotFound: Retry(attempts=3, base_s=1, cap_s=10),
        refusals.DownloadBroken: Retry(attempts=6, base_s=2, cap_s=120),
        errors.OutputBroken: Retry(attempts=3, base_s=2, cap_s=30),
        errors.OutboxAway: WHILE_AWAY,
        errors.SourceAway: WHILE_AWAY,
        errors.InternalError: Retry(attempts=3, base_s=5, cap_s=60),
    }
)
"""Attempts per class of error; what is not named is not tried again."""

MAX_CRASHES = 5
"""So many workers may die with a job before it counts as poison."""


def gate_of(error: Exception) -> Gate | None:
    """Return the gate that an error closes, if any."""
    return _nearest(GATES, error)


def retry_of(error: Exception) -> Retry:
    """Return how often the step is tried again after this error."""
    return _nearest(RETRIES, error) or NEVER


def _nearest(table: Mapping[type[Exception], T], error: Exception) -> T | None:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)


def describe_error(error: Exception) -> Problem:
    """Describe an error as a person reads it in the result."""
    return Problem(
        code=str(getattr(error, "code", "internal_error")),
        service_code=getattr(error, "service_code", None),
        message=str(error),
        advice=getattr(error, "advice", errors.StepError.advice),
    )
