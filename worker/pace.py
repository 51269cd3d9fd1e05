"""When to look at a render: at the times that waste least, given how long renders took. Pure arithmetic.

Times are counted from the submission, in poll intervals (the fixed scheme looks at 1, 2, 3 …). What is known
of a render's time is a span: it was not done at one look, and done at the next.

However wrong the belief is, a render gets no more looks than under the fixed scheme: the k-th look is never
before the k-th interval has passed, so the k-1 looks before a render's end fit into its time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PARTS = 10
"""The grid: so many bins to an interval."""
HORIZON = 12 * PARTS
"""Beyond it the pace is the fixed one; the last bin stands for all that takes longer."""
SHORTEST_GAP, LONGEST_GAP = PARTS // 2, 2 * PARTS
"""Between two looks: not in bursts, and not so far apart that a service that became faster goes unnoticed."""
EXPECTED = (PARTS, 3 * PARTS)
"""With no history: 30 to 90 s at 30 s between looks (api-contract 2)."""
PRIOR_WEIGHT, FLOOR = 4.0, 0.05
ROUNDS = 20
CURIOUS = 1 / 8
"""So many renders get their first look at the fixed scheme's time, to notice that they end sooner now."""

NEAR = 0.25
"""The first waits at a studio on this machine, in intervals (of 1 s)."""

Belief = tuple[float, ...]
"""How likely a render ends in each bin; the sum is 1."""


@dataclass(frozen=True, slots=True)
class Span:
    """A render's time, in intervals: it ended after `after` and not later than `until`."""

    after: float
    until: float


def believe(spans: Iterable[Span]) -> Belief:
    """What to expect after these spans: the contract's range first, the history as it grows (EM)."""
    prior = _prior()
    ranges = [(_bin(span.after), max(_bin(span.until), _bin(span.after) + 1)) for span in spans]
    belief = prior
    for _ in range(ROUNDS if ranges else 0):
        found = [PRIOR_WEIGHT * share for share in prior]
        for first, last in ranges:
            inside = sum(belief[first:last])
            for at in range(first, last):
                found[at] += belief[at] / inside
        total = sum(found)
        belief = [share / total for share in found]
    return tuple(belief)


def _prior() -> list[float]:
    first, last = EXPECTED
    likely = (1.0 - FLOOR) / (last - first)
    return [FLOOR / HORIZON + (likely if first <= at < last else 0.0) for at in range(HORIZON)]


def _bin(intervals: float) -> int:
    return min(HORIZON - 1, max(0, round(intervals * PARTS)))


def looks(belief: Belief) -> tuple[float, ...]:
    """The times of the looks (intervals) that waste least between a render's end and the look that finds it.

    By dynamic programming from the horizon back: the cheapest way on from each bin, so many looks made.
    """
    before, moment = _sums(belief)
    most = HORIZON // PARTS
    cheapest = [[0.0] * (HORIZON + 1) for _ in range(most + 1)]
    choice = [[HORIZON] * (HORIZON + 1) for _ in range(most + 1)]
    for made in range(most - 1, -1, -1):
        for at in range(HORIZON, made * PARTS - 1, -1):
            options = _next_looks(at, made)
            costs = [
                nxt * (before[nxt] - before[at]) - (moment[nxt] - moment[at]) + cheapest[made + 1][nxt]
                for nxt in options
            ]
            if costs:
                best = min(range(len(costs)), key=costs.__getitem__)
                cheapest[made][at], choice[made][at] = costs[best], options[best]
    return _followed(choice)


def _next_looks(at: int, made: int) -> range:
    return range(max(at + SHORTEST_GAP, (made + 1) * PARTS), min(at + LONGEST_GAP, HORIZON) + 1)


def _sums(belief: Belief) -> tuple[list[float], list[float]]:
    """Up to each bin's begin: how likely the end is, and the sum of ends (the middle of a bin) times that."""
    before, moment = [0.0], [0.0]
    for at, share in enumerate(belief):
        before.append(before[-1] + share)
        moment.append(moment[-1] + share * (at + 0.5))
    return before, moment


def _followed(choice: Sequence[Sequence[int]]) -> tuple[float, ...]:
    times: list[float] = []
    at = made = 0
    while made < len(choice) - 1 and _next_looks(at, made):
        at = choice[made][at]
        made += 1
        times.append(at / PARTS)
    return tuple(times)


def near(elapsed: float) -> float:
    """How many intervals to wait at a studio of our own, where a look costs little."""
    return min(1.0, max(NEAR, elapsed / 5))


def first_look(plan: Sequence[float], luck: float) -> float:
    """How many intervals after the submission the first look is; `luck` is drawn evenly from 0 to 1."""
    return 1.0 if luck < CURIOUS else next_look(plan, 0, 0.0)


def next_look(plan: Sequence[float], made: int, elapsed: float) -> float:
    """How many intervals from now the next look is, with `made` looks made and `elapsed` intervals gone.

    A look that comes late (the worker was away) is made up for by none: the next is at least half an
    interval away, and no earlier than the fixed scheme would allow.
    """
    planned = plan[made] if made < len(plan) else elapsed + 1.0
    earliest = max(elapsed + SHORTEST_GAP / PARTS, made + 1.0) if made else 1.0
    return max(planned, earliest, elapsed) - elapsed
