"""The connection to Redis, and the one place where its errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, TypeAlias

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

from jobs.errors import LedgerUnreachable

PREFIX = "dropscore:"
RedisClient: TypeAlias = Any
"""A ``redis.Redis`` that answers text; the library's own types say ``bytes | str`` for every answer."""

SCRIPTS = (
    "submit",
    "claim",
    "write",
    "renew",
    "take",
    "order",
    "open",
    "slot",
    "halve",
    "reserve",
    "settle",
    "turn",
    "release",
    "follow",
    "tell",
    "pace",
)

# A dropped connection is tried again for about five seconds; what must wait longer says so (`jobs.lease`).
_RETRY = Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.5), retries=6)


_NO_WRITES = ("MISCONF", "NOREPLICAS")
"""How an error begins that passes: the server's disk is full, say, or a replica is missing."""


class Scripts:
    """The Lua scripts, one attribute a file of ``jobs/lua``; each is atomic."""

    def __init__(self, client: RedisClient) -> None:
        for name in SCRIPTS:
            source = files("jobs").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
            setattr(self, name, client.register_script(source))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def connect(url: str, *, max_connections: int = 1000) -> RedisClient:
    """A client for ``redis://…`` or ``unix:///path``, with timeouts, keep-alive and a short retry.

    No connection is made yet. Raises LedgerUnreachable for a URL that is none.
    """
    try:
        return redis.Redis.from_url(
            url,
            decode_responses=True,
            max_connections=max_connections,
            socket_timeout=5,
            socket_connect_timeout=5,
            health_check_interval=10,
            retry=_RETRY,
            retry_on_error=[redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError],
        )
    except ValueError as broken:
        raise LedgerUnreachable(f"DROPSCORE_REDIS_URL is no Redis address: {broken}") from broken


def hurried(client: RedisClient) -> RedisClient:
    """A second client of the same server that answers or gives up within two seconds.

    For what is merely looked at: a page of numbers should say that the server is away, not wait for it.
    """
    told = {**client.get_connection_kwargs(), "socket_timeout": 2, "socket_connect_timeout": 2}
    told["retry"] = Retry(NoBackoff(), 0)
    kind = client.connection_pool.connection_class
    return redis.Redis(connection_pool=redis.ConnectionPool(kind, max_connections=8, **told))


@contextmanager
def reaching() -> Iterator[None]:
    """Translate what redis-py raises; raises LedgerUnreachable."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError) as gone:
        raise LedgerUnreachable(f"the Redis server does not answer ({type(gone).__name__})") from gone
    except redis.exceptions.OutOfMemoryError as full:
        raise LedgerUnreachable("the Redis server is out of memory; give it more") from full
    except redis.exceptions.ResponseError as refused:
        if not isinstance(refused, redis.exceptions.ReadOnlyError) and not str(refused).startswith(
            _NO_WRITES
        ):
            raise
        raise LedgerUnreachable(f"the Redis server takes no writes now: {refused}") from refused


def ping(client: RedisClient) -> bool:
    """Whether the server answers now."""
    try:
        with reaching():
            return bool(client.ping())
    except LedgerUnreachable:
        return False
