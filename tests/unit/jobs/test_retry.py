"""Backoff grows, is jittered, and never falls under what the service asked for."""

import random

from hypothesis import given
from hypothesis import strategies as st

from jobs.retry import NEVER, Retry

RETRY = Retry(attempts=4, base_s=2, cap_s=10)


@given(st.integers(1, 30), st.integers())
def test_a_wait_is_within_half_and_all_of_its_ceiling(attempt: int, seed: int) -> None:
    wait_s = RETRY.wait_s(attempt, random.Random(seed))
    ceiling = min(10, 2 * 2 ** (attempt - 1))
    assert ceiling / 2 <= wait_s <= ceiling


def test_what_the_service_asks_for_is_the_least() -> None:
    assert RETRY.wait_s(1, random.Random(1), at_least_s=77) == 77


def test_attempts_are_counted_with_the_first() -> None:
    assert [RETRY.exhausted(attempt) for attempt in (1, 3, 4, 5)] == [False, False, True, True]
    assert NEVER.exhausted(1)
