"""The rate of requests, shared by all workers through Redis."""

import time
from collections.abc import Callable

import limits
import redis
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from jobs.connection import PREFIX, RedisClient, reaching


class RateLimit:
    """At most so many requests a second, over all workers; asks wait for their turn."""

    def __init__(
        self, client: RedisClient, per_s: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """``per_s`` may be under 1: 0.5 is one request in two seconds."""
        count, window_s = (int(per_s), 1) if per_s >= 1 else (1, max(1, round(1 / per_s)))
        self._item = limits.RateLimitItemPerSecond(count, window_s, namespace=f"{PREFIX}rate")
        self._limiter = MovingWindowRateLimiter(_storage(client))
        self._sleep = sleep

    def wait(self, _endpoint: str = "") -> None:
        """Wait until a request may leave. Raises LedgerUnreachable."""
        with reaching():
            while not self._limiter.hit(self._item, "api"):
                until = self._limiter.get_window_stats(self._item, "api").reset_time
                self._sleep(min(1.0, max(0.01, until - time.time())))


def _storage(client: RedisClient) -> RedisStorage:
    """The library's storage on our own connection, so that one pool serves both."""
    pool: redis.ConnectionPool = client.connection_pool
    return RedisStorage("redis://", connection_pool=pool)
