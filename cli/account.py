"""The account that pays: a client of the service these settings name, its balance, the budget."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import BaseModel, ConfigDict

import nemo
from cli import children, phrases
from cli.errors import AccountRefused, ServiceAway, Unusable
from config.settings import Settings
from jobs.account import AccountBox
from jobs.budget import Budget, Spending
from jobs.ledger import Ledger
from worker.shop import open_client

Account = Literal["yours", "anonymous", "local studio"]


class Balance(BaseModel):
    """Credits of the account and of the budget; ``limit`` null = no budget was set."""

    model_config = ConfigDict(frozen=True)

    account: Account
    available: float
    reserved: float  # by work in progress
    total: float
    limit: float | None
    spent: float  # since the last run began
    set_aside: float  # for edits in flight


def account_of(settings: Settings) -> Account:
    """Whose account is used."""
    if settings.backend == "local":
        return "local studio"
    return "yours" if settings.nemo_token else "anonymous"


def is_known(settings: Settings, ledger: Ledger) -> bool:
    """Whether asking for the balance makes no new anonymous account."""
    kept = AccountBox(ledger, settings.nemo_api_url).load()
    return account_of(settings) != "anonymous" or bool(kept and kept.get("token"))


def served(settings: Settings) -> Settings:
    """The settings with the local studio's address in them, where that is the backend.

    Raises Unusable when none has run.
    """
    if settings.backend == "cloud" or "nemo_api_url" in settings.model_fields_set:
        return settings
    url = children.last_studio_url(settings.state_dir.resolve())
    if url is None:
        raise Unusable("the local studio has not run yet; it edits for nothing: dropscore run INBOX")
    return settings.model_copy(
        update={"nemo_api_url": url, "nemo_token": None, "nemo_allow_private_urls": True}
    )


def balance(settings: Settings, ledger: Ledger) -> Balance:
    """Ask the service for the balance (api-contract 2.5), and the ledger for the budget.

    Raises Unusable, AccountRefused, ServiceAway.
    """
    with _speaking(settings), nemo.http_client(4) as http:
        found = open_client(served(settings), ledger, http).balance()
    budget: Spending = Budget(ledger).spending()
    return Balance(
        account=account_of(settings),
        available=found.available,
        reserved=found.frozen,
        total=found.total,
        limit=budget.limit,
        spent=budget.spent,
        set_aside=budget.aside,
    )


@contextmanager
def _speaking(settings: Settings) -> Iterator[None]:
    try:
        yield
    except nemo.AccountRefused as refused:
        raise AccountRefused(phrases.sentences(str(refused), refused.advice)) from refused
    except nemo.NemoError as broken:
        hint = "Is a `dropscore run` on?" if settings.backend == "local" else broken.advice
        raise ServiceAway(phrases.sentences(str(broken), hint)) from broken


def words(found: Balance) -> list[str]:
    """The balance in two lines at most."""
    lines = [
        f"{found.available:,.0f} credits available, {found.reserved:,.0f} reserved by work in progress, "
        f"{found.total:,.0f} in total ({found.account})"
    ]
    if found.limit is not None or found.spent or found.set_aside:
        of = f" of {found.limit:,.0f}" if found.limit is not None else ""
        aside = f", {found.set_aside:,.0f} set aside for edits in flight" if found.set_aside else ""
        lines.append(f"budget: {found.spent:,.0f}{of} spent since the last run began{aside}")
    return lines
