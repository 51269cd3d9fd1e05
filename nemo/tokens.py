"""Whose token goes with a request: the user's own, or one anonymous token that all workers share.

There is one anonymous token per client id and week (api-contract 2.1). So the client id is kept before it
is first used, and a new token is fetched under a lock, by one caller, for everybody.
"""

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from nemo.errors import AccountRefused, ClientIdMissing, RateLimited
from nemo.model import Account

# A longer wait than this is for the caller to plan, not to sleep through under a lock.
LONGEST_WAIT_S = 120.0

Mint = Callable[[str], Account]


class TokenStore(Protocol):
    """Keeps the account for all processes. `lock()` is held by one process at a time."""

    def load(self) -> Account | None:
        """Return the account that was saved last, if any."""

    def save(self, account: Account) -> None:
        """Keep `account`; its token may still be empty."""

    def lock(self) -> AbstractContextManager[None]:
        """Return a lock over load and save, shared by all processes."""


class Tokens(Protocol):
    """What a client asks for the token."""

    @property
    def anonymous(self) -> bool:
        """Tell whether the account is an anonymous one."""

    @property
    def user_id(self) -> str | None:
        """Return the account's id if it is known; it stands in a registration link."""

    def bearer(self) -> str:
        """Return the token to send."""

    def refresh(self, bad: str) -> str:
        """Return a token in place of `bad`, which was refused; raise AccountRefused if there is none."""


class UserToken:
    """The user's own token; it is never replaced."""

    anonymous = False
    user_id = None

    def __init__(self, token: str) -> None:
        """Keep `token`, as it stands in NEMO_TOKEN."""
        self._token = token.strip()

    def bearer(self) -> str:
        """Return the user's token."""
        return self._token

    def refresh(self, bad: str) -> str:
        """Raise AccountRefused: what to do is the user's decision (api-contract 6)."""
        raise AccountRefused(code=1001)


class AnonymousTokens:
    """One anonymous account: the same client id always, one token at a time."""

    anonymous = True

    def __init__(
        self,
        store: TokenStore,
        client_id: str | None,
        mint: Mint,
        *,
        rate_limit_wait_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Use `client_id` if given, else the stored one, else a new one; `mint` fetches its token."""
        self._store = store
        self._client_id = client_id or None
        self._mint = mint
        self._rate_limit_wait_s = rate_limit_wait_s
        self._sleep = sleep
        self._now = now
        self._account: Account | None = None
        self._one_at_a_time = threading.Lock()

    @property
    def user_id(self) -> str | None:
        """Return the `anon_…` id if an account was loaded or made."""
        return self._account.user_id if self._account else None

    def bearer(self) -> str:
        """Return the shared token; the first call loads it, or fetches one if there is none that lives."""
        account = self._account
        return account.token if account is not None and self._lives(account) else self.refresh("")

    def refresh(self, bad: str) -> str:
        """Return a token that is not `bad`: another worker's if it has one already, else a new one."""
        with self._one_at_a_time:
            account = self._account
            if account is None or not self._serves(account, bad):
                with self._store.lock():
                    account = self._account = self._shared(bad)
            return account.token

    def _shared(self, bad: str) -> Account:
        stored = self._store.load()
        if stored is not None and self._serves(stored, bad):
            return stored
        account = self._fetch(self._identify(stored))
        self._store.save(account)
        return account

    def _identify(self, stored: Account | None) -> Account:
        """Return the account to fetch a token for, its client id kept already."""
        client_id = self._client_id or (stored.client_id if stored else "") or str(uuid.uuid4())
        if stored is not None and stored.client_id == client_id:
            return stored
        return self._keep(Account(client_id))

    def _keep(self, account: Account) -> Account:
        self._store.save(account)
        return account

    def _fetch(self, account: Account) -> Account:
        try:
            return self._fetch_patiently(account)
        except ClientIdMissing:
            if self._client_id is not None:
                raise
            return self._fetch_patiently(self._keep(Account(str(uuid.uuid4()))))

    def _fetch_patiently(self, account: Account) -> Account:
        """Wait once on a 429, as api-contract 6 says of the token endpoint."""
        try:
            minted = self._mint(account.client_id)
        except RateLimited as limited:
            wait_s = limited.retry_after_s if limited.retry_after_s is not None else self._rate_limit_wait_s
            if wait_s > LONGEST_WAIT_S:
                raise
            self._sleep(wait_s)
            minted = self._mint(account.client_id)
        return replace(minted, client_id=account.client_id)

    def _serves(self, account: Account, bad: str) -> bool:
        ours = self._client_id in (None, account.client_id)
        return ours and account.token != bad and self._lives(account)

    def _lives(self, account: Account) -> bool:
        return bool(account.token) and (account.expires_at is None or account.expires_at > self._now())
