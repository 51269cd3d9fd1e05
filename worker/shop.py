"""What all steps of one worker process share."""

import os
import random
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import structlog

import nemo
from config.settings import Settings
from config.skills import Skill
from jobs.budget import Budget
from jobs.durations import Durations
from jobs.gates import Gates
from jobs.groups import Groups
from jobs.lease import Heartbeat, Lease
from jobs.ledger import Ledger, Letter
from jobs.limits import RateLimit
from jobs.model import Step
from jobs.slots import Slots
from worker.account import tokens
from worker.context import Limits
from worker.observe import Observers
from worker.observers import open_observers
from worker.waits import Waits

log = structlog.get_logger()

RENDERS_CLOUD = 64
"""Renders at once at a service whose limit nobody told us."""

WriteNext = Callable[[str, Step], Letter]
"""Writes the message that lets a job go on at a step."""


@dataclass(frozen=True, slots=True)
class Shop:
    """The ledger, the client and the surroundings of one worker process."""

    ledger: Ledger
    gates: Gates
    heartbeat: Heartbeat
    client: nemo.NemoClient
    settings: Settings
    skills: Mapping[str, Skill]
    limits: Limits
    waits: Waits
    platform: str
    owner: str
    letter: WriteNext
    stopping: threading.Event
    rng: random.Random
    observe: Observers


def open_shop(settings: Settings, ledger: Ledger, http: httpx.Client, letter: WriteNext) -> Shop:
    """Everything a runner needs, from the settings, a ledger, an HTTP client and a way to write messages."""
    heartbeat = Heartbeat(ledger, settings.lease_s, _say_lost)
    owner = f"{socket.gethostname()}:{os.getpid()}"
    rng = random.Random()
    return Shop(
        ledger=ledger,
        gates=Gates(ledger),
        heartbeat=heartbeat,
        client=open_client(settings, ledger, http),
        settings=settings,
        skills=settings.all_skills(),
        limits=open_limits(settings, ledger),
        waits=open_waits(settings, ledger, rng),
        platform=platform_of(settings),
        owner=owner,
        letter=letter,
        stopping=threading.Event(),
        observe=open_observers(settings, ledger, heartbeat, owner),
        rng=rng,
    )


def open_client(settings: Settings, ledger: Ledger, http: httpx.Client) -> nemo.NemoClient:
    """The client of the service these settings name, with the token all workers share."""
    endpoint = nemo.Endpoint(
        api_url=settings.nemo_api_url,
        web_url=settings.nemo_web_url,
        allow_private_urls=settings.nemo_allow_private_urls,
    )
    skill = settings.chosen_skill()
    attribution = nemo.Attribution(skill.name, skill.version, platform_of(settings))
    rate = RateLimit(ledger, settings.max_rate, nemo.pause).wait if settings.max_rate else None
    account = tokens(settings, ledger, endpoint, attribution, http, rate)
    return nemo.NemoClient(endpoint, attribution, account, http, before_request=rate)


def platform_of(settings: Settings) -> str:
    """``X-Skill-Platform`` (api-contract 1)."""
    environ = dict(os.environ)
    if settings.skill_source:
        environ["SKILL_SOURCE"] = settings.skill_source
    return nemo.detect_platform(environ, Path(__file__).resolve().parent.parent)


def open_waits(settings: Settings, ledger: Ledger, rng: random.Random) -> Waits:
    """The waits before looks at renders; an interval that somebody chose is kept, whatever the service."""
    near = settings.backend == "local" and settings.chosen_poll_interval_s is None
    return Waits(Durations(ledger), settings.poll_interval_s, settings.backend, rng, near=near)


def open_limits(settings: Settings, ledger: Ledger) -> Limits:
    """What all workers together may do at once, and spend."""
    renders = settings.max_renders
    if renders is None:
        renders = (os.cpu_count() or 2) if settings.backend == "local" else RENDERS_CLOUD
    return Limits(
        edits=Slots(ledger, "edit", settings.max_edits, while_running=True),
        renders=Slots(ledger, "render", renders, while_running=False),
        transfers=Slots(ledger, "transfer", settings.max_transfers, while_running=True),
        budget=Budget(ledger),
        groups=Groups(ledger),
    )


def _say_lost(lease: Lease) -> None:
    log.warning("lease lost", job=lease.job.id, epoch=lease.job.epoch)
