"""The connection to Redis: its scripts, its errors translated into ours, and what it can promise."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from traceback import walk_tb
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from jobs.errors import LedgerUnreachable

PREFIX = "dropscore:"
RING_CHANNEL = f"{PREFIX}ring"
RedisClient: TypeAlias = Any
"""A ``redis.Redis`` that answers text; the library's own types say ``bytes | str`` for every answer."""

OLDEST_VERSION = (6, 2)
WAIT_FOR_REPLICA_MS = 2000

# A dropped connection is tried again for about five seconds; what must wait longer does so in `jobs.lease`.
_RETRY = Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.5), retries=6)

_REFUSALS = ("READONLY", "MISCONF", "NOREPLICAS", "OOM", "LOADING", "BUSY", "MASTERDOWN", "NOAUTH", "NOPERM")
"""How errors begin that pass by themselves or by an operator's hand: full, read-only, a replica away …"""


class Scripts:
    """The Lua scripts of ``jobs/lua``, an attribute for each; each is atomic and takes one JSON object."""

    def __init__(self, client: RedisClient) -> None:
        folder = files("jobs").joinpath("lua")
        prelude = f"local p = '{PREFIX}'\n" + folder.joinpath("prelude.lua").read_text(encoding="utf-8")
        for file in folder.iterdir():
            name, _, suffix = file.name.partition(".")
            if suffix == "lua" and name != "prelude":
                setattr(self, name, client.register_script(prelude + file.read_text(encoding="utf-8")))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def encode_argument(**fields: Any) -> list[str]:
    """Build the one argument of a script; fields that are None are left out."""
    present = {name: value for name, value in fields.items() if value is not None}
    return [json.dumps(present, separators=(",", ":"))]


def connect(url: str, *, max_connections: int = 1000, master_name: str = "mymaster") -> RedisClient:
    """Make a client for ``redis://``, ``rediss://``, ``unix:///path`` or ``sentinel://host:port;sentinel://…``.

    It has timeouts, keep-alive and a short retry; no connection is made yet. ``master_name`` is what the
    Sentinels call the server.

    Raises:
        LedgerUnreachable: the URL is not an address of Redis.
    """
    options: dict[str, Any] = {
        "decode_responses": True,
        "max_connections": max_connections,
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "retry": _RETRY,
        "retry_on_error": [redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError],
    }
    try:
        if url.startswith("sentinel://"):
            return _connect_through_sentinel(url, master_name, options)
        if url.startswith("unix://"):
            options.pop("socket_keepalive")
        return redis.Redis.from_url(url, **options)
    except ValueError as exc:
        raise LedgerUnreachable(f"DROPSCORE_REDIS_URL is not the address of a Redis server: {exc}") from exc


def _connect_through_sentinel(url: str, master_name: str, options: dict[str, Any]) -> RedisClient:
    parts = [urlsplit(part) for part in url.split(";") if part]
    hosts = [(part.hostname or "localhost", part.port or 26379) for part in parts]
    last = parts[-1]
    database = int(last.path.strip("/") or 0)
    password = next((unquote(part.password) for part in parts if part.password), None)
    sentinel = Sentinel(hosts, socket_timeout=2, socket_connect_timeout=2)
    return sentinel.master_for(master_name, db=database, password=password, **options)


def make_impatient(client: RedisClient) -> RedisClient:
    """Make a second client of the same server that answers or gives up within two seconds.

    For what is merely looked at: a page of numbers should say that the server is away, not wait for it.
    """
    options = {**client.get_connection_kwargs(), "socket_timeout": 2, "socket_connect_timeout": 2}
    options["retry"] = Retry(NoBackoff(), 0)
    pool = client.connection_pool
    if hasattr(pool, "sentinel_manager"):
        return client
    return redis.Redis(
        connection_pool=redis.ConnectionPool(pool.connection_class, max_connections=8, **options)
    )


@contextmanager
def map_redis_errors() -> Iterator[None]:
    """Translate what redis-py raises.

    Raises:
        LedgerUnreachable: the server is away, answers something that is not Redis, or refuses to write.
    """
    try:
        yield
    except redis.exceptions.LockError as exc:
        raise LedgerUnreachable("a lock in Redis could not be had in time; trying again later") from exc
    except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.InvalidResponse, OSError) as exc:
        raise LedgerUnreachable(f"the Redis server does not answer ({type(exc).__name__})") from exc
    except redis.exceptions.ResponseError as exc:
        reason = str(exc).removeprefix("-").removeprefix("ERR ")
        if isinstance(exc, redis.exceptions.OutOfMemoryError) or "OOM" in reason[:40]:
            raise LedgerUnreachable("the Redis server is out of memory; give it more") from exc
        if (
            isinstance(exc, redis.exceptions.ReadOnlyError)
            or reason.startswith(_REFUSALS)
            or "READONLY" in reason
        ):
            raise LedgerUnreachable(f"the Redis server takes no writes now: {reason}") from exc
        raise
    except redis.exceptions.RedisError as exc:
        raise LedgerUnreachable(f"the Redis server cannot be used ({type(exc).__name__})") from exc
    except ValueError as exc:
        *_, (frame, _) = walk_tb(exc.__traceback__)
        if not frame.f_globals.get("__name__", "").startswith("redis."):
            raise
        # Its parser trips over a number or a text: what listens there is no Redis server.
        raise LedgerUnreachable("what listens at the Redis server's address is none") from exc


def ping(client: RedisClient) -> bool:
    """Tell whether the server answers now."""
    try:
        with map_redis_errors():
            return bool(client.ping())
    except LedgerUnreachable:
        return False


@dataclass(frozen=True, slots=True)
class Durability:
    """What the server's settings promise for what is written before a paid call.

    ``replicas`` must confirm such a write; ``warnings`` are lines for a person, each with what to do.
    """

    replicas: int
    warnings: tuple[str, ...]


def check_durability(client: RedisClient, *, through_sentinel: bool = False) -> Durability:
    """Look at the version, the append-only file, the eviction policy and the replicas of the server.

    Raises:
        LedgerUnreachable: the server does not answer.
    """
    with map_redis_errors():
        server: Mapping[str, Any] = client.info("server")
        replicas = int(client.info("replication").get("connected_slaves", 0))
        try:
            settings: Mapping[str, str] = client.config_get("append*") | client.config_get("maxmemory-policy")
        except redis.exceptions.ResponseError:
            settings = {}
    warnings = []
    version = str(server.get("valkey_version") or server.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST_VERSION:
        warnings.append(f"Redis {version} is older than 6.2, which the ledger's scripts need: update it.")
    if not settings:
        warnings.append(
            "The Redis server hides its settings: make sure of 'appendonly yes' and 'appendfsync always', "
            "or a power cut may pay twice."
        )
    elif settings.get("appendonly") != "yes":
        warnings.append(
            "The Redis server keeps no append-only file: a restart loses the ledger, and files may be paid "
            "twice. Set 'appendonly yes' and 'appendfsync always'."
        )
    elif settings.get("appendfsync") != "always":
        warnings.append(
            f"The Redis server flushes its file '{settings.get('appendfsync')}': a power cut may pay up to "
            "a second of edits twice. Set 'appendfsync always'."
        )
    if settings and settings.get("maxmemory-policy", "noeviction") != "noeviction":
        warnings.append(
            f"The Redis server drops keys when it is full ('{settings['maxmemory-policy']}'): "
            "set 'maxmemory-policy noeviction', or jobs are lost."
        )
    if through_sentinel and not replicas:
        warnings.append(
            "No replica is connected: after a failover to one that lags, files may be paid twice; "
            "paid calls wait until a replica confirms."
        )
    return Durability(max(replicas and 1, int(through_sentinel)), tuple(warnings))
