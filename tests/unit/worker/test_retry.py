"""Every error the client can raise has a place: a gate, a retry, or an end with advice."""

import inspect
import random

import pytest

from jobs.model import Gate
from nemovideo import errors as refusals
from worker import errors
from worker.retry import GATES, NEVER, RETRIES, Retry, describe_error, gate_of, retry_of

EVERY = [
    kind
    for module in (refusals, errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_has_words_and_advice_for_a_person(kind: type[Exception]) -> None:
    problem = describe_error(kind("what happened"))
    assert problem.code == kind.code
    assert problem.message == "what happened"
    assert problem.advice


@pytest.mark.parametrize(
    ("kind", "gate"),
    [
        (refusals.RateLimited, None),  # a 429 slows its own kind of work: see the runner
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


def test_no_two_errors_share_a_code() -> None:
    """A person writes ``retry --class CODE``, and the ledger keeps it for ever."""
    codes = [kind.code for kind in EVERY]
    assert len(codes) == len(set(codes))
    assert all(code == code.lower() and " " not in code for code in codes)


def test_an_error_either_closes_a_gate_or_is_tried_again() -> None:
    assert not set(GATES) & set(RETRIES)


def test_a_backoff_doubles_up_to_its_cap_and_half_of_it_is_drawn() -> None:
    retry, rng = Retry(attempts=9, base_s=2, cap_s=30), random.Random(1)
    for attempt, most_s in ((1, 2), (2, 4), (3, 8), (5, 30), (80, 30)):
        waits = [retry.wait_s(attempt, rng) for _ in range(200)]
        assert most_s / 2 <= min(waits) < most_s * 0.6
        assert most_s * 0.9 < max(waits) <= most_s
    assert retry.wait_s(1, rng, at_least_s=45) == 45
    assert [retry.is_exhausted(attempt) for attempt in (8, 9, 10)] == [False, True, True]
