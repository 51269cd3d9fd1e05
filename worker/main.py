"""A worker process: one client, one Redis connection, one heartbeat, one clock, and Celery's threads."""

import os
import random
import signal
import socket
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from celery import Celery, signals

import config.logs
import nemo
from config.celery_app import make_app, queue_keys
from config.errors import ConfigError
from config.settings import Settings, load
from jobs.connection import connect
from jobs.gates import Gates
from jobs.lease import Heartbeat, Lease
from jobs.ledger import Ledger
from jobs.slots import Slots
from worker.account import tokens
from worker.clock import Clock, ClockThread, Prober
from worker.runner import Runner, Shop
from worker.tasks import register, sender

log = structlog.get_logger()

RENDER_HOLD_S = 900.0
"""A render's slot ends by itself after this long without a look at the render."""

RENDERS_CLOUD = 64
"""Renders at once at a service whose limit nobody told us."""


def main() -> int:
    """Run a worker until it is told to stop; answers the exit code."""
    try:
        settings = load()
        if settings.redis_url is None:
            raise ConfigError("DROPSCORE_REDIS_URL: a worker needs the address of the ledger's Redis server")
    except ConfigError as wrong:
        print(f"dropscore worker: {wrong}", flush=True)
        return 2
    config.logs.configure(settings.log_level, settings.log_json)
    url = settings.redis_url.get_secret_value()
    app = make_app(url, settings)
    ledger = Ledger(connect(url, max_connections=settings.concurrency + 50))
    with nemo.open_http(max_connections=settings.concurrency + 20) as http:
        return _work(app, ledger, make_client(settings, ledger, http), settings)


def make_client(settings: Settings, ledger: Ledger, http: Any) -> nemo.NemoClient:
    """The client of the service these settings name, with the token all workers share."""
    endpoint = nemo.Endpoint(
        api_url=settings.nemo_api_url,
        web_url=settings.nemo_web_url,
        allow_private_urls=settings.nemo_allow_private_urls,
    )
    skill = settings.chosen_skill()
    attribution = nemo.Attribution(skill.name, skill.version, platform_of(settings))
    return nemo.NemoClient(endpoint, attribution, tokens(settings, ledger, endpoint, attribution, http), http)


def platform_of(settings: Settings) -> str:
    """``X-Skill-Platform`` (api-contract 1)."""
    environ = {"SKILL_SOURCE": settings.skill_source} if settings.skill_source else {}
    return nemo.detect_platform(environ, Path(__file__).resolve().parent.parent)


def _work(app: Celery, ledger: Ledger, client: nemo.NemoClient, settings: Settings) -> int:
    stopping = threading.Event()
    send = sender(app, lambda job_id, gone: log.warning("message not sent", job=job_id, reason=str(gone)))
    gates = Gates(ledger)
    heartbeat = Heartbeat(ledger, settings.lease_s, _say_lost)
    shop = Shop(
        ledger=ledger,
        gates=gates,
        heartbeat=heartbeat,
        client=client,
        settings=settings,
        skills=settings.all_skills(),
        renders=Slots(ledger, "render", _renders_at_once(settings), RENDER_HOLD_S),
        platform=platform_of(settings),
        owner=f"{socket.gethostname()}:{os.getpid()}",
        send=send,
        stopping=stopping,
        rng=random.Random(),
    )
    register(app, Runner(shop).run)
    prober = Prober(ledger, gates, client, probe_s=settings.gate_probe_s, edit_credits=settings.edit_credits)
    clock = ClockThread(Clock(ledger, send, queue_keys(), settings.lease_s), prober)
    _stop_quickly(stopping)
    heartbeat.start()
    clock.start()
    try:
        return _consume(app, settings)
    finally:
        clock.stop()
        heartbeat.stop()


def _consume(app: Celery, settings: Settings) -> int:
    worker = app.Worker(
        pool="threads",
        concurrency=settings.concurrency,
        hostname=f"dropscore-{os.getpid()}@{socket.gethostname()}",
        without_mingle=True,
        without_gossip=True,
        loglevel=settings.log_level,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _renders_at_once(settings: Settings) -> int:
    return (os.cpu_count() or 2) if settings.backend == "local" else RENDERS_CLOUD


def _say_lost(lease: Lease) -> None:
    log.warning("lease lost", job=lease.job.id, epoch=lease.job.epoch)


def _stop_quickly(stopping: threading.Event) -> None:
    """First signal: streams are left, steps of seconds finish. Second: the process ends."""

    def on_shutdown(**_: Any) -> None:
        stopping.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, at_once)

    def at_once(number: int, _frame: FrameType | None) -> None:
        os._exit(128 + number)

    signals.worker_shutting_down.connect(on_shutdown, weak=False)
