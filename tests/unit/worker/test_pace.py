"""The looks at a render: fewer than at fixed intervals, and sooner after its end."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from worker.pace import CURIOUS, NEAR, Span, believe, first_look, looks, near, next_look

INTERVAL_S = 30.0
WINDOW, READ_EVERY = 64, 10


@dataclass
class Seen:
    """Wastes in seconds, and looks, of a policy and of the fixed scheme at the same renders."""

    wasted_s: list[float]
    made: list[int]
    fixed_wasted_s: list[float]
    fixed_made: list[int]


def simulated(lasts: Callable[[random.Random, int], float], renders: int = 400, late: float = 0.01) -> Seen:
    """Render after render, each lasting so many intervals; what was seen of them is all that is known."""
    rng, history, plan = random.Random(7), list[Span](), looks(believe(()))
    seen = Seen([], [], [], [])
    for number in range(renders):
        lasts_for, at, before, made = lasts(rng, number), 0.0, 0.0, 0
        while at < lasts_for:
            before = at
            wait = next_look(plan, made, at) if made else first_look(plan, rng.random())
            at, made = at + wait + late, made + 1
        seen.wasted_s.append((at - lasts_for) * INTERVAL_S)
        seen.made.append(made)
        seen.fixed_made.append(math.ceil(lasts_for))
        seen.fixed_wasted_s.append((math.ceil(lasts_for) - lasts_for) * INTERVAL_S)
        history = [*history, Span(before, at)][-WINDOW:]
        if number % READ_EVERY == 0:
            plan = looks(believe(history))
    return seen


def test_less_is_wasted_than_at_fixed_intervals_with_fewer_looks() -> None:
    seen = simulated(lambda rng, _: rng.uniform(1, 3))  # 30 to 90 s (api-contract 2)
    assert mean(seen.made) <= mean(seen.fixed_made)
    assert mean(seen.wasted_s) < 0.8 * mean(seen.fixed_wasted_s)
    assert median(seen.wasted_s) < 0.8 * median(seen.fixed_wasted_s)


@pytest.mark.parametrize("of_length", [1.4, 2.1, 2.6])
def test_renders_of_one_length_are_found_soon(of_length: float) -> None:
    seen = simulated(lambda rng, _: of_length * rng.uniform(0.95, 1.05))
    assert mean(seen.made) <= mean(seen.fixed_made)
    assert mean(seen.wasted_s) < 0.9 * mean(seen.fixed_wasted_s)


@pytest.mark.parametrize(("first", "then"), [(2.5, 0.4), (0.4, 8.5), (9.0, 1.2), (1.2, 20.0)])
def test_a_service_that_changes_gets_no_look_more_and_is_soon_believed(first: float, then: float) -> None:
    seen = simulated(lambda rng, n: (first if n < 200 else then) * rng.uniform(0.9, 1.1))
    assert all(made <= fixed for made, fixed in zip(seen.made, seen.fixed_made, strict=True))
    assert mean(seen.wasted_s[300:]) < 1.25 * mean(seen.fixed_wasted_s[300:])
    assert max(seen.wasted_s) <= 2.1 * INTERVAL_S


spans = some.builds(lambda after, more: Span(after, after + more), some.floats(0, 30), some.floats(0, 30))


@settings(max_examples=60, deadline=None)
@given(
    history=some.lists(spans, max_size=64),
    lasts_for=some.floats(0.01, 40),
    late=some.lists(some.floats(0, 5), min_size=80, max_size=80),
    luck=some.floats(0, 1, exclude_max=True),
)
def test_no_history_makes_more_looks_than_the_fixed_scheme(
    history: list[Span], lasts_for: float, late: list[float], luck: float
) -> None:
    plan = looks(believe(history))
    at, made = first_look(plan, luck) + late[0], 1
    while at < lasts_for:
        assert made <= at + 1e-6  # at no time more than the fixed scheme
        at, made = at + next_look(plan, made, at) + late[made], made + 1
    assert made <= math.ceil(lasts_for + 1e-6)


@settings(max_examples=40, deadline=None)
@given(history=some.lists(spans, max_size=64))
def test_a_belief_is_a_distribution_and_its_looks_are_apart(history: list[Span]) -> None:
    belief = believe(history)
    plan = looks(belief)
    assert math.isclose(sum(belief), 1.0)
    assert all(0.499 <= after - before <= 2.001 for before, after in zip((0.0, *plan), plan, strict=False))


def test_what_is_not_known_is_taken_from_the_contract() -> None:
    belief = believe(())
    assert sum(belief[10:30]) > 0.9  # 30 to 90 s
    assert 1.3 <= looks(belief)[0] <= 1.8


def test_now_and_then_the_first_look_is_early_to_notice_a_faster_service() -> None:
    late = looks(believe([Span(2.0, 2.2)] * 60))
    assert first_look(late, CURIOUS / 2) == 1.0
    assert first_look(late, CURIOUS) == late[0] == pytest.approx(2.0, abs=0.4)


def test_beyond_the_horizon_and_after_a_late_look_the_pace_is_the_fixed_one() -> None:
    plan = looks(believe(()))
    assert next_look(plan, len(plan), 20.0) == 1.0
    assert next_look(plan, 1, 50.0) == pytest.approx(0.5)  # not at once, and no look is made up for


def test_a_studio_on_this_machine_is_looked_at_soon_and_then_less_often() -> None:
    assert near(0.0) == NEAR
    assert near(3.0) == pytest.approx(0.6)
    assert near(60.0) == 1.0
