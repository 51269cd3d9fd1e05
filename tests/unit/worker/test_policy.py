"""Every error the client can raise has a place: a gate, a retry, or an end with advice."""

import inspect

import pytest

from jobs.model import Gate
from jobs.retry import NEVER
from nemo import errors as refusals
from worker import errors
from worker.policy import gate_of, problem_of, retry_of

EVERY = [
    kind
    for module in (refusals, errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_has_words_and_advice_for_a_person(kind: type[Exception]) -> None:
    problem = problem_of(kind("what happened"))
    assert problem.kind == kind.__name__
    assert problem.message == "what happened"
    assert problem.advice


@pytest.mark.parametrize(
    ("kind", "gate"),
    [
        (refusals.RateLimited, Gate.RATE),
        (refusals.OutOfCredits, Gate.CREDITS),
        (refusals.ExportBlocked, Gate.PLAN),
        (refusals.AccountRefused, Gate.AUTH),
        (errors.DiskFull, Gate.DISK),
        (errors.BudgetReached, Gate.BUDGET),
        (refusals.ServerError, None),
    ],
)
def test_what_says_nothing_about_the_file_closes_a_gate(kind: type[Exception], gate: Gate | None) -> None:
    assert gate_of(kind("x")) is gate


@pytest.mark.parametrize(
    "kind",
    [
        errors.NoMusic,
        errors.NothingChanged,
        errors.AgentFailed,
        refusals.UnsupportedFile,
        refusals.FileTooLarge,
    ],
)
def test_what_trying_again_cannot_mend_is_not_tried_again(kind: type[Exception]) -> None:
    assert retry_of(kind("x")) is NEVER


def test_a_lost_stream_is_never_retried_as_if_it_were_a_lost_answer() -> None:
    """`StreamLost` is handled where it is raised; here it inherits the retry of the step, never a resend."""
    assert refusals.StreamLost("x").outcome_unknown
