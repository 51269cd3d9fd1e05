"""Whose token goes with a request: the user's own, or one anonymous token that all workers share.

There is one anonymous token per client id and week (api-contract 2.1). So the client id is saved before it is
first used, and a new token is fetched under the store's lock, by one caller, for everybody. A token that is
refused although it was just renewed is left alone for a while, and so is a token endpoint that answered 429:
both waits are kept in the store, so that a fleet asks once and not once a worker.
"""

import contextlib
import copy
import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import httpx

from nemovideo.errors import (
    AccountRefused,
    AnonymousRefused,
    ClientIdMissing,
    NemoVideoError,
    StoreUnusable,
    TokenRateLimited,
    register_secret,
)
from nemovideo.models import Account

LIFE_S = 7 * 86400.0
"""How long an anonymous token lives by our own clock, if the service does not say (api-contract 2.1)."""
RENEWALS_APART_S = 600.0
"""A token that was renewed and is refused again within this time is not renewed once more."""
HOLDS_S = (600.0, 3600.0, 21600.0)
"""How long a token that a renewal did not help is left alone: the first time, the second, and after that."""
MAX_TOKEN_WAIT_S = 600.0
"""The longest wait after a 429 of the token endpoint."""
LOCK_WAIT_S = 90.0
"""How long the file store waits for its lock: longer than a mint may take (`client.MINT_S`)."""

Mint = Callable[[str], Account]


class TokenStore(Protocol):
    """Keeps the account for all processes. `lock()` is held by one process at a time, for under a minute."""

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


class BearerAuth(httpx.Auth):
    """Adds the token to the requests that go to the API's own origin, and to no other."""

    def __init__(self, token: str, is_ours: Callable[[httpx.URL], bool]) -> None:
        """Send `token` where `is_ours` tells that the URL is the API's."""
        self._token = token
        self._is_ours = is_ours

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header. A refused token is renewed above, where a refusal inside a 200 is seen too."""
        if self._is_ours(request.url):
            self._token.encode("ascii")  # httpx would send anything else as UTF-8
            request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class UserToken:
    """The user's own token; it is never replaced."""

    anonymous = False
    user_id = None

    def __init__(self, token: str) -> None:
        """Keep `token`, as it stands in NEMO_TOKEN; whatever its form, it is masked from now on."""
        self._token = token.strip()
        register_secret(self._token)

    def bearer(self) -> str:
        """Return the user's token."""
        return self._token

    def refresh(self, bad: str) -> str:
        """Raise AccountRefused: what to do is the user's decision (api-contract 6)."""
        raise AccountRefused(service_code=1001)


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
        now: Callable[[], float] = time.time,
    ) -> None:
        """Use `client_id` if given, else the stored one, else a new one; `mint` fetches its token."""
        self._store = store
        self._client_id = client_id or None
        self._mint = mint
        self._rate_limit_wait_s = rate_limit_wait_s
        self._now = now
        self._account: Account | None = None
        self._one_at_a_time = threading.Lock()
        self._attempts = 0
        self._failure: NemoVideoError | None = None

    @property
    def user_id(self) -> str | None:
        """Return the `anon_…` id if an account was loaded or made."""
        return self._account.user_id if self._account else None

    def bearer(self) -> str:
        """Return the shared token; the first call loads it, or fetches one if there is none that lives.

        Raises TokenRateLimited and AnonymousRefused, without a request while an earlier one is waited out.
        """
        account = self._account
        if account is not None:
            self._raise_if_held(account)
            if self._lives(account):
                return account.token
        return self.refresh("")

    def refresh(self, bad: str) -> str:
        """Return a token that is not `bad`: another worker's if it has one already, else a new one.

        Raises TokenRateLimited, AnonymousRefused, and what `mint` raises; a thread that waited while another
        one failed gets that failure and asks no second time.
        """
        attempts = self._attempts
        with self._one_at_a_time:
            account = self._account
            if account is not None and self._is_ours(account) and account.token != bad:
                self._raise_if_held(account)
                if self._lives(account):
                    return account.token
            if attempts != self._attempts and self._failure is not None:
                raise copy.copy(self._failure)
            self._failure = None
            try:
                with self._store.lock():
                    account = self._account = self._load_or_renew(bad)
            except NemoVideoError as exc:
                self._failure = exc
                raise
            finally:
                self._attempts += 1
            return account.token

    def _load_or_renew(self, bad: str) -> Account:
        """Return the stored account if its token may be used, else renew it; the store's lock is held."""
        stored = self._store.load()
        if stored is not None and self._is_ours(stored):
            self._account = stored
            self._raise_if_held(stored)
            if stored.token != bad and self._lives(stored):
                return stored
        client_id = self._client_id or (stored.client_id if stored else "") or str(uuid.uuid4())
        if stored is not None and stored.client_id == client_id:
            account = stored
        else:
            account = Account(client_id)
            self._store.save(account)  # before it is first used: a lost answer must not cost the id a week
        now_s = self._now()
        age_s = now_s - account.minted_at if account.minted_at is not None else LIFE_S
        refused = bool(bad) and account.token == bad
        renewals = account.renewals if 0 <= age_s < max(HOLDS_S) * 4 else 0
        if refused and renewals and age_s < RENEWALS_APART_S:
            raise self._hold(account, renewals)
        try:
            minted = self._mint_with_client_id(account)
        except TokenRateLimited as exc:
            return self._wait_for_endpoint(account, exc, refused)
        if minted.token == bad:
            raise self._hold(replace(account, minted_at=now_s), renewals + 1)
        expires_at = minted.expires_at
        if expires_at is None or expires_at <= now_s + 60:
            expires_at = now_s + LIFE_S  # a date that is past already shows a wrong clock, not a dead token
        fresh = replace(
            minted,
            expires_at=expires_at,
            minted_at=now_s,
            renewals=renewals + 1 if refused else 0,
            retry_at=None,
        )
        self._store.save(fresh)
        return fresh

    def _mint_with_client_id(self, account: Account) -> Account:
        """Fetch a token; a refused client id of our own making is replaced once (api-contract 6, 400)."""
        try:
            return replace(self._mint(account.client_id), client_id=account.client_id)
        except ClientIdMissing:
            if self._client_id is not None:
                raise
        fresh = Account(str(uuid.uuid4()))
        self._store.save(fresh)
        return replace(self._mint(fresh.client_id), client_id=fresh.client_id)

    def _wait_for_endpoint(self, account: Account, exc: TokenRateLimited, refused: bool) -> Account:
        """Hold everybody back until the token endpoint may be asked again.

        A token that has only expired by our own clock goes on being used: the service's clock decides.
        """
        first_s = self._rate_limit_wait_s if account.retry_at is None else MAX_TOKEN_WAIT_S
        asked_s = first_s if exc.retry_after_s is None else exc.retry_after_s
        wait_s = min(max(asked_s, 1.0), MAX_TOKEN_WAIT_S)
        now_s = self._now()
        if account.token and not refused:
            kept = replace(account, expires_at=now_s + wait_s)
            self._store.save(kept)
            return kept
        held = replace(account, retry_at=now_s + wait_s, renewals=0)
        self._store.save(held)
        self._account = held
        raise TokenRateLimited(service_code=exc.service_code, retry_after_s=wait_s) from exc

    def _hold(self, account: Account, renewals: int) -> AnonymousRefused:
        """Leave a refused token alone for a while; return what to raise."""
        wait_s = HOLDS_S[min(renewals, len(HOLDS_S)) - 1]
        self._account = replace(account, renewals=renewals, retry_at=self._now() + wait_s)
        self._store.save(self._account)
        return AnonymousRefused(service_code=1001, retry_after_s=wait_s)

    def _raise_if_held(self, account: Account) -> None:
        """Raise what holds `account` back. A time beyond any hold comes from a clock that jumped."""
        left_s = (account.retry_at or 0.0) - self._now()
        if 0 < left_s <= max(HOLDS_S):
            kind = AnonymousRefused if account.renewals else TokenRateLimited
            raise kind(retry_after_s=left_s)

    def _is_ours(self, account: Account) -> bool:
        return self._client_id in (None, account.client_id)

    def _lives(self, account: Account) -> bool:
        return bool(account.token) and (account.expires_at is None or account.expires_at > self._now())


class FileTokenStore:
    """Keeps the account in one file, readable by its owner alone; for processes of one machine (POSIX)."""

    def __init__(self, path: Path) -> None:
        """Use `path`; its folder is made with the first save."""
        self._path = path

    def load(self) -> Account | None:
        """Return the saved account; None if there is none, or none that can be understood."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise StoreUnusable(f"{self._path.name} cannot be read: {exc.strerror}.") from exc
        except ValueError:
            return None
        try:
            return Account(**kept)
        except (TypeError, ValueError):
            return None

    def save(self, account: Account) -> None:
        """Write the file, whole or not at all, and flush it to disk."""
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            self._make_folder()
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)
                json.dump(asdict(account), file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as exc:
            raise StoreUnusable(f"{self._path.name} cannot be written: {exc.strerror}.") from exc

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the file's lock; it ends with the process. Raises StoreUnusable after 90 s."""
        try:
            self._make_folder()
            name = self._path.with_name(self._path.name + ".lock")
            lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StoreUnusable(f"{self._path.name} cannot be locked: {exc.strerror}.") from exc
        try:
            until_s = time.monotonic() + LOCK_WAIT_S
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() >= until_s:
                    raise StoreUnusable(f"{self._path.name} stays locked by another process.")
                time.sleep(0.05)
            yield
        finally:
            os.close(lock)

    def _make_folder(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
