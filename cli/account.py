"""The account at the service these settings name: its balance, the page of a job, renders to cancel."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import nemovideo
from cli import format as formats
from cli.control import Answer, RenderOutcome
from cli.errors import AccountRefused, CliError, ServiceUnavailable, Unusable
from cli.ledger import find_state_folder
from cli.processes import find_studio_url
from config.logs import masked
from config.settings import Settings
from jobs.ledger import Ledger
from jobs.limits import CreditBudget
from jobs.model import Job
from jobs.result import load_result
from jobs.token_store import SharedTokenStore
from worker.runtime import open_client

Account = Literal["yours", "anonymous", "local studio"]


class Balance(Answer):
    """Credits of the account and of the budget; ``limit`` null = no budget was set."""

    account: Account
    available: float
    reserved: float  # by work in progress
    total: float
    limit: float | None
    spent: float  # since the last run began
    spent_ever: float = 0.0
    set_aside: float  # for edits in flight

    def lines(self) -> Iterator[str]:
        """Yield the balance, and the budget where there is something to say of it."""
        yield (
            f"{self.available:,.0f} credits available, {self.reserved:,.0f} reserved by work in progress, "
            f"{self.total:,.0f} in total ({self.account})"
        )
        if self.limit is not None or self.spent or self.set_aside:
            of = f" of {self.limit:,.0f}" if self.limit is not None else ""
            aside = f", {self.set_aside:,.0f} set aside for edits in flight" if self.set_aside else ""
            yield f"budget: {self.spent:,.0f}{of} spent since the last run began{aside}"


def account_of(settings: Settings) -> Account:
    """Tell whose account is used."""
    if settings.backend == "local":
        return "local studio"
    return "yours" if settings.nemo_token else "anonymous"


def has_account(settings: Settings, ledger: Ledger) -> bool:
    """Tell whether asking for the balance makes no new anonymous account."""
    kept = SharedTokenStore(ledger, settings.nemo_api_url).load()
    return account_of(settings) != "anonymous" or bool(kept and kept.get("token"))


def resolve_service(settings: Settings) -> Settings:
    """Return the settings with the local studio's address in them, where that is the backend.

    Raises Unusable when none has run.
    """
    if settings.backend == "cloud" or "nemo_api_url" in settings.model_fields_set:
        return settings
    url = find_studio_url(find_state_folder(settings))
    if url is None:
        raise Unusable("the local studio has not run yet; its edits cost nothing: dropscore run INBOX")
    return settings.model_copy(
        update={"nemo_api_url": url, "nemo_token": None, "nemo_allow_private_urls": True}
    )


@contextmanager
def _open_service(settings: Settings, ledger: Ledger) -> Iterator[nemovideo.NemoVideo]:
    """Open a client whose errors are the command line's."""
    try:
        with nemovideo.http_client(4) as http:
            yield open_client(resolve_service(settings), ledger, http)
    except nemovideo.AccountRefused as exc:
        raise AccountRefused(formats.join_sentences(str(exc), exc.advice)) from exc
    except nemovideo.NemoVideoError as exc:
        hint = "Start one with `dropscore run INBOX`." if settings.backend == "local" else exc.advice
        raise ServiceUnavailable(formats.join_sentences(str(exc), hint)) from exc


def read_balance(settings: Settings, ledger: Ledger) -> Balance:
    """Ask the service for the balance (api-contract 2.5), and the ledger for the budget.

    Raises Unusable, AccountRefused, ServiceUnavailable.
    """
    with _open_service(settings, ledger) as client:
        found = client.balance()
    budget = CreditBudget(ledger).spending()
    return Balance(
        account=account_of(settings),
        available=found.available,
        reserved=found.frozen,
        total=found.total,
        limit=budget.limit,
        spent=budget.spent,
        spent_ever=budget.ever,
        set_aside=budget.aside,
    )


class Page(Answer):
    """The page of a job on the web; the link opens its editing session to whoever has it."""

    job: str
    source: str
    link: str

    def lines(self) -> Iterator[str]:
        """Yield the link alone, so that it can be handed to another program."""
        yield self.link


def find_page(settings: Settings, ledger: Ledger, job: Job) -> Page:
    """Ask the service for a link to a job's session on the web (api-contract 2.11).

    Raises Unusable, AccountRefused, ServiceUnavailable.
    """
    name = formats.format_path(job.spec.source)
    if settings.backend == "local":
        raise Unusable(
            f"{name}: what the local studio edits has no page on the web; "
            "if the cloud edited it, say --backend cloud"
        )
    ids = load_result(job).ids
    session_id = ids.get("session")
    if session_id is None:
        raise Unusable(f"{name}: it has no session at the service yet, or its result file is gone")
    if not has_account(settings, ledger):
        raise Unusable(f"{name}: the account that edited it is not known here; set NEMO_TOKEN to its token")
    session = nemovideo.Session(session_id, ids.get("task"), None)
    with _open_service(settings, ledger) as client:
        try:
            link = client.claim_link(session)
        except nemovideo.SessionNotFound as exc:
            raise Unusable(f"{name}: the service no longer has its session") from exc
    return Page(job=job.id, source=job.spec.source, link=link)


def cancel_renders(settings: Settings, ledger: Ledger, render_ids: Iterable[str]) -> dict[str, RenderOutcome]:
    """Cancel renders at the service (api-contract 2.10); answers what became of each.

    The jobs have ended already, and a render costs nothing: a service that does not answer is a line on
    standard error.
    """
    outcomes = dict.fromkeys(render_ids, RenderOutcome.UNKNOWN)
    if not outcomes or not has_account(settings, ledger):
        return outcomes
    try:
        with _open_service(settings, ledger) as client:
            for render_id in outcomes:
                outcomes[render_id] = _cancel_render(client, render_id)
    except CliError as exc:
        left = sum(outcome is RenderOutcome.UNKNOWN for outcome in outcomes.values())
        count = formats.format_count(left, "render")
        print(f"dropscore: {count} may go on at the service: {masked(str(exc))}", file=sys.stderr)
    return outcomes


def _cancel_render(client: nemovideo.NemoVideo, render_id: str) -> RenderOutcome:
    """Cancel one render; one that cannot be called back is looked at. Raises NemoVideoError."""
    try:
        client.cancel_render(render_id)
    except nemovideo.RenderNotFound:
        return RenderOutcome.GONE
    except nemovideo.BadRequest:  # only a pending one can be cancelled (2.10)
        ended = {nemovideo.RenderStatus.COMPLETED, nemovideo.RenderStatus.FAILED}
        return RenderOutcome.GONE if client.render(render_id).status in ended else RenderOutcome.GOES_ON
    return RenderOutcome.CANCELLED
