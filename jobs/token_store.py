"""The anonymous account that all workers share: one client id, one token, one lock (api-contract 2.1)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobs.ledger import Ledger
from jobs.redis import PREFIX, map_redis_errors

LOCK_S = 300.0
"""Longer than anything that is done under the lock: a request for a token takes a minute at the most."""
WAIT_FOR_LOCK_S = 90.0


class SharedTokenStore:
    """Where the shared account is kept, per API address: a token of one service is no use at another."""

    def __init__(self, ledger: Ledger, api_url: str) -> None:
        """Keep it in the ledger's Redis, which only we can reach (socket mode 0600, or a password)."""
        self._client = ledger.client
        self._key = f"{PREFIX}account:{api_url}"

    def load(self) -> dict[str, Any] | None:
        """Return the account as it was saved, or None."""
        with map_redis_errors():
            text = self._client.hget(self._key, "account")
        return dict(json.loads(text)) if text else None

    def save(self, account: dict[str, Any]) -> None:
        """Keep the account for all workers."""
        with map_redis_errors():
            self._client.hset(self._key, "account", json.dumps(account))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to ask for a token. Raises LedgerUnreachable when it cannot be had in time."""
        with (
            map_redis_errors(),
            self._client.lock(f"{self._key}:lock", timeout=LOCK_S, blocking_timeout=WAIT_FOR_LOCK_S),
        ):
            yield
