"""When the next look at a render is due: the pace (`worker.pace`), with what all workers saw."""

import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs.durations import Durations, Seconds
from jobs.model import RenderRef, Spec
from worker.pace import Span, believe, first_look, looks, near, next_look

FRESH_S = 5.0
"""What was seen is told, and what others saw is read, at most this often for each kind: one round trip."""


@dataclass(slots=True)
class _Kind:
    """What this process knows of one kind of renders."""

    plan: tuple[float, ...] = field(default_factory=lambda: looks(believe(())))
    news: list[Seconds] = field(default_factory=list)
    read_at: float = float("-inf")


class Waits:
    """The waits before the looks at renders; for all threads of a worker."""

    def __init__(
        self,
        durations: Durations,
        interval_s: float,
        service: str,
        rng: random.Random,
        *,
        near: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``interval_s`` is the fixed scheme's; ``service`` tells one service's renders from another's.

        ``near`` is for a studio of our own on this machine: it is looked at as often as is useful.
        """
        self._near = near
        self._durations = durations
        self._interval_s = interval_s
        self._service = service
        self._rng = rng
        self._monotonic = monotonic
        self._kinds: defaultdict[str, _Kind] = defaultdict(_Kind)
        self._lock = threading.Lock()

    def first_s(self, spec: Spec) -> float:
        """How long after its submission a render is first looked at (seconds)."""
        if self._near:
            return near(0.0) * self._interval_s
        return first_look(self._plan(spec), self._rng.random()) * self._interval_s

    def next_s(self, spec: Spec, known: RenderRef, now: float) -> float:
        """How long after a look that found it unfinished the next one is (seconds)."""
        if not known.submitted:
            return self._interval_s
        elapsed = max(0.0, now - known.submitted) / self._interval_s
        if self._near:
            return near(elapsed) * self._interval_s
        return next_look(self._plan(spec), known.polls, elapsed) * self._interval_s

    def saw(self, spec: Spec, known: RenderRef, now: float) -> None:
        """Learn from a render that is done; `known` is as it was after the look before."""
        if known.submitted and not self._near:
            after_s = max(0.0, known.looked - known.submitted)
            with self._lock:
                self._kinds[self._name(spec)].news.append((after_s, max(after_s, now - known.submitted)))

    def tell(self) -> None:
        """Share what was seen and not told yet, as a worker does by itself with the next render of a kind."""
        with self._lock:
            told = [(name, kind.news) for name, kind in self._kinds.items() if kind.news]
            for name, _ in told:
                self._kinds[name].news = []
        for name, news in told:
            self._durations.exchange(name, news)

    def _plan(self, spec: Spec) -> tuple[float, ...]:
        name = self._name(spec)
        with self._lock:
            kind = self._kinds[name]
            if self._monotonic() - kind.read_at < FRESH_S:
                return kind.plan
            kind.read_at = self._monotonic()  # the others go on with the plan there is
            news, kind.news = kind.news, []
        seen = self._durations.exchange(name, news)
        kind.plan = looks(believe(self._span(*seconds) for seconds in seen))
        return kind.plan

    def _span(self, after_s: float, until_s: float) -> Span:
        return Span(after_s / self._interval_s, until_s / self._interval_s)

    def _name(self, spec: Spec) -> str:
        """Files within a factor of two of each other's length are one kind."""
        length = math.ceil(math.log2(max(1.0, spec.duration_s))) if spec.duration_s else "?"
        return f"{self._service}:{length}"
