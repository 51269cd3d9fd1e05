"""What becomes of an error: a table for gates, a table for retries, and nothing else.

HTTP-level retries (seconds, in `nemo`) and these (up to minutes, a message each) do not multiply: what `nemo`
retries it retries three times within seconds, and then the attempt counts here as one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from jobs.model import Gate, Problem
from jobs.retry import NEVER, Retry
from nemo import errors as refusals
from worker import errors

T = TypeVar("T")

GATES: Mapping[type[Exception], Gate] = MappingProxyType(
    {
        refusals.RateLimited: Gate.RATE,
        refusals.OutOfCredits: Gate.CREDITS,
        refusals.ExportBlocked: Gate.PLAN,
        refusals.AccountRefused: Gate.AUTH,
        errors.DiskFull: Gate.DISK,
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
        refusals.TokenRefused: Retry(attempts=3, base_s=2, cap_s=30),
        refusals.SessionNotFound: Retry(attempts=3, base_s=1, cap_s=10),
        refusals.RenderNotFound: Retry(attempts=3, base_s=1, cap_s=10),
        refusals.DownloadBroken: Retry(attempts=6, base_s=2, cap_s=120),
        errors.OutputBroken: Retry(attempts=3, base_s=2, cap_s=30),
        errors.OutboxAway: Retry(attempts=8, base_s=2, cap_s=300),
        errors.SourceAway: Retry(attempts=8, base_s=2, cap_s=300),
        errors.InternalError: Retry(attempts=3, base_s=5, cap_s=60),
    }
)
"""Attempts per class of error; what is not named is not tried again."""

MAX_CRASHES = 5
"""So many workers may die with a job before it counts as poison."""


def gate_of(error: Exception) -> Gate | None:
    """The gate an error closes, if any."""
    return _nearest(GATES, error)


def retry_of(error: Exception) -> Retry:
    """How often the step is tried again after this error."""
    return _nearest(RETRIES, error) or NEVER


def _nearest(table: Mapping[type[Exception], T], error: Exception) -> T | None:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)


def problem_of(error: Exception) -> Problem:
    """An error as a person reads it in the result."""
    return Problem(
        code=getattr(error, "code", None),
        kind=type(error).__name__,
        message=str(error),
        advice=getattr(error, "advice", errors.StepError.advice),
    )
