"""Whose token is used: the user's own, or the anonymous one that all workers share."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict

import httpx

import nemo
from config.settings import Settings
from jobs.account import AccountBox
from jobs.ledger import Ledger


class SharedStore:
    """The ledger's `AccountBox` in the form `nemo.AnonymousTokens` asks for."""

    def __init__(self, box: AccountBox) -> None:
        """Take where the account is kept."""
        self._box = box

    def load(self) -> nemo.Account | None:
        """The shared account, or None when no token was fetched yet."""
        kept = self._box.load()
        return nemo.Account(**kept) if kept else None

    def save(self, account: nemo.Account) -> None:
        """Keep the account for all workers."""
        self._box.save(asdict(account))

    def lock(self) -> AbstractContextManager[None]:
        """The one right to ask for a token."""
        return self._box.lock()


def tokens(
    settings: Settings,
    ledger: Ledger,
    endpoint: nemo.Endpoint,
    attribution: nemo.Attribution,
    http: httpx.Client,
    before_request: Callable[[str], None] | None = None,
) -> nemo.Tokens:
    """The user's ``NEMO_TOKEN`` if there is one, else the anonymous account of this installation."""
    if settings.nemo_token is not None:
        return nemo.UserToken(settings.nemo_token.get_secret_value())
    return nemo.AnonymousTokens(
        SharedStore(AccountBox(ledger, endpoint.api_url)),
        str(settings.nemo_client_id) if settings.nemo_client_id else None,
        nemo.anonymous_mint(endpoint, attribution, http, before_request=before_request),
        rate_limit_wait_s=settings.rate_limit_wait_s,
    )
