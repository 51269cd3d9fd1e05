"""What all steps of one worker process share."""

import os
import random
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import structlog

import nemovideo
from config.logs import register_secret
from config.settings import Settings
from config.skills import Skill
from jobs.errors import LedgerUnreachable
from jobs.gates import Gates
from jobs.lease import Heartbeat, Lease
from jobs.ledger import Ledger, LimitBounds
from jobs.limits import ConcurrencyLimiter, CreditBudget, RateLimiter
from jobs.redis import check_durability, connect
from jobs.sessions import SharedSessions
from jobs.token_store import SharedTokenStore
from worker.context import Limits
from worker.middleware import Middleware, MiddlewareStack

log = structlog.get_logger()

FIRST_LIMIT = 16
"""Where a limit begins at a service of which nothing is known yet; it doubles with each round."""

SHARES = {"upload": 0.06, "edit": 0.7, "render": 1.0, "download": 0.1}
"""Of all workers' threads, how many each kind of work may hold: long streams leave room for what is short."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The ledger, the client and the surroundings of one worker process."""

    ledger: Ledger
    gates: Gates
    heartbeat: Heartbeat
    client: nemovideo.NemoVideo
    settings: Settings
    skills: Mapping[str, Skill]
    limits: Limits
    platform: str
    owner: str
    stopping: threading.Event
    rng: random.Random
    middleware: MiddlewareStack
    wake: Callable[[], None] = lambda: None


def connect_ledger(settings: Settings) -> Ledger:
    """Connect a worker's ledger, with the bounds of its limits. Raises LedgerUnreachable for a bad URL."""
    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    client = connect(url, max_connections=settings.concurrency + 50, master_name=settings.redis_master)
    return Ledger(client, limits=limit_bounds(settings))


def wait_for_ledger(ledger: Ledger, settings: Settings, sleep: Callable[[float], object]) -> None:
    """Wait for the server, read its clock, and say what it cannot promise."""
    while True:
        try:
            ledger.sync_clock()
            url = settings.redis_url.get_secret_value() if settings.redis_url else ""
            durability = check_durability(ledger.client, through_sentinel=url.startswith("sentinel://"))
            break
        except LedgerUnreachable as exc:
            log.warning("waiting for the ledger", reason=str(exc), at_most_each_s=60)
            sleep(1.0)
    ledger.replicas = durability.replicas
    ledger.is_durable = not durability.warnings
    for warning in durability.warnings:
        log.warning("not promised", reason=warning)


def open_runtime(
    settings: Settings,
    ledger: Ledger,
    http: httpx.Client,
    *middleware: Middleware,
    wake: Callable[[], None] = lambda: None,
) -> Runtime:
    """Build everything a runner needs. ``wake`` lets the scheduler look at once."""
    stopping = threading.Event()
    heartbeat = Heartbeat(ledger, settings.lease_s, on_lease_lost)
    rate = RateLimiter(ledger, settings.max_rate, make_sleep(stopping)) if settings.max_rate else None
    return Runtime(
        ledger=ledger,
        gates=Gates(ledger),
        heartbeat=heartbeat,
        client=open_client(settings, ledger, http, rate),
        settings=settings,
        skills=settings.all_skills(),
        limits=Limits(ConcurrencyLimiter(ledger, "edit"), rate, CreditBudget(ledger), SharedSessions(ledger)),
        platform=detect_platform(settings),
        owner=f"{socket.gethostname()}:{os.getpid()}",
        stopping=stopping,
        rng=random.Random(),
        middleware=MiddlewareStack(*middleware),
        wake=wake,
    )


def limit_bounds(settings: Settings) -> dict[str, LimitBounds]:
    """Return where each limit begins and how far it may grow: as set, else by the backend."""
    ceilings = settings.ceilings()
    return {kind: LimitBounds(min(FIRST_LIMIT, most), most, SHARES[kind]) for kind, most in ceilings.items()}


def open_client(
    settings: Settings, ledger: Ledger, http: httpx.Client, rate: RateLimiter | None = None
) -> nemovideo.NemoVideo:
    """Make the client of the service these settings name, with the token all workers share."""
    endpoint = nemovideo.Endpoint(
        api_url=settings.nemo_api_url,
        web_url=settings.nemo_web_url,
        allow_private_urls=settings.nemo_allow_private_urls,
    )
    skill = settings.chosen_skill()
    attribution = nemovideo.Attribution(skill.name, skill.version, detect_platform(settings))

    def before_request(name: str) -> None:
        if rate is not None and name != "run_sse":  # an edit has its permit before it is recorded as sent
            rate.wait()

    tokens: nemovideo.Tokens
    if settings.nemo_token is not None:
        token = settings.nemo_token.get_secret_value()
        register_secret(token)
        tokens = nemovideo.UserToken(token)
    else:
        tokens = nemovideo.AnonymousTokens(
            _TokenStore(SharedTokenStore(ledger, endpoint.api_url)),
            str(settings.nemo_client_id) if settings.nemo_client_id else None,
            nemovideo.anonymous_mint(endpoint, attribution, http, before_request=before_request),
        )
    return nemovideo.NemoVideo(endpoint, attribution, tokens, http, before_request=before_request)


class _TokenStore:
    """The ledger's store in the form the client asks for."""

    def __init__(self, store: SharedTokenStore) -> None:
        self._store = store

    def load(self) -> nemovideo.Account | None:
        kept = self._store.load()
        return nemovideo.Account(**kept) if kept else None

    def save(self, account: nemovideo.Account) -> None:
        self._store.save(asdict(account))

    def lock(self) -> AbstractContextManager[None]:
        return self._store.lock()


def detect_platform(settings: Settings) -> str:
    """Return what is sent as ``X-Skill-Platform`` (api-contract 1)."""
    environ = dict(os.environ)
    if settings.skill_source:
        environ["SKILL_SOURCE"] = settings.skill_source
    return nemovideo.detect_platform(environ, Path(__file__).resolve().parent.parent)


def make_sleep(stopping: threading.Event) -> Callable[[float], None]:
    """Make a sleep that ends when the worker stops. It raises Stopped then: nothing was sent yet."""

    def sleep(seconds: float) -> None:
        if stopping.wait(seconds):
            raise nemovideo.Stopped

    return sleep


def on_lease_lost(lease: Lease) -> None:
    """Log a lost lease; one with an open stream makes sure that the ledger knows of the paid message."""
    log.warning("lease lost", job=lease.job.id)
    if not lease.sending:
        return
    try:
        if lease.ledger.reassert(lease.job, lease.checkpoint, retry_after_s=lease.lease_s):
            log.warning("the ledger had lost that an instruction was sent; it has it again", job=lease.job.id)
    except LedgerUnreachable:
        log.warning("a lost lease could not be looked into", job=lease.job.id, at_most_each_s=60)
