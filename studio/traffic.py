"""Who knocked when: every request of the contract, in memory, and the rate above which it is refused."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

_KEPT = 200_000
_WINDOW_S = 1.0


@dataclass(slots=True)
class Knock:
    """A request: `at` in seconds since the epoch; `render` is what it asked for, `refused` one too many."""

    at: float
    endpoint: str
    render: str | None = None
    refused: bool = False


class Traffic:
    """The latest requests, and a moving window of one second over those that were let in."""

    def __init__(self, per_s: float | None, clock: Callable[[], float]) -> None:
        """Let `per_s` requests a second in, or all of them; `clock` tells seconds since the epoch."""
        self._clock = clock
        self._window_s = _WINDOW_S if per_s is None or per_s >= 1 else 1 / per_s
        self._room = None if per_s is None else max(1, math.floor(per_s * self._window_s))
        self._let_in: deque[float] = deque()
        self._knocks: deque[Knock] = deque(maxlen=_KEPT)

    def knock(self, endpoint: str, render: str | None) -> Knock:
        """Write a request down; it is `refused` when the window is full."""
        now = self._clock()
        self._knocks.append(knock := Knock(now, endpoint, render, refused=self._is_full(now)))
        if self._room is not None and not knock.refused:
            self._let_in.append(now)
        return knock

    def retry_after_s(self) -> int:
        """Answer in whole seconds when the window has room again, at least 1."""
        if not self._let_in:
            return 1
        return max(1, math.ceil(self._let_in[0] + self._window_s - self._clock()))

    def seen(self) -> list[dict[str, Any]]:
        """Answer the latest requests, oldest first."""
        return [asdict(knock) for knock in self._knocks]

    def _is_full(self, now: float) -> bool:
        if self._room is None:
            return False
        while self._let_in and self._let_in[0] <= now - self._window_s:
            self._let_in.popleft()
        return len(self._let_in) >= self._room
