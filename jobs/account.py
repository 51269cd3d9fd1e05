"""The anonymous account all workers share: one client id, one token, one lock (design, "Gates")."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobs.connection import PREFIX, reaching
from jobs.ledger import Ledger


class AccountBox:
    """Where the shared account is kept, per API address: a token of one service is no use at another."""

    def __init__(self, ledger: Ledger, api_url: str) -> None:
        """Keep it in the ledger's Redis, which only we can reach (socket mode 0600, or a password)."""
        self._client = ledger.client
        self._key = f"{PREFIX}account:{api_url}"

    def load(self) -> dict[str, Any] | None:
        """The account as it was saved, or None."""
        with reaching():
            text = self._client.hget(self._key, "account")
        return dict(json.loads(text)) if text else None

    def save(self, account: dict[str, Any]) -> None:
        """Keep the account for all workers."""
        with reaching():
            self._client.hset(self._key, "account", json.dumps(account))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to ask for a token; waits for up to two minutes."""
        with reaching(), self._client.lock(f"{self._key}:lock", timeout=120, blocking_timeout=120):
            yield
