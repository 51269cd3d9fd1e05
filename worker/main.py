"""A worker process: one client, one Redis connection, one heartbeat, one clock, and Celery's threads."""

import os
import signal
import socket
import threading
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
from jobs.ledger import Ledger
from worker.clock import Clock, ClockThread, Prober
from worker.outbox import sweep
from worker.runner import Runner
from worker.shop import Shop, open_shop
from worker.tasks import register, sender

log = structlog.get_logger()

STOP_WITHIN_S = 25.0
"""How long a step may go on after the first signal; supervisors commonly kill after 30 s."""


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
    send = sender(app, lambda job_id, gone: log.warning("message not sent", job=job_id, reason=str(gone)))
    with nemo.http_client(settings.concurrency + 20) as http:
        return _work(app, open_shop(settings, ledger, http, send))


def _work(app: Celery, shop: Shop) -> int:
    settings = shop.settings
    register(app, Runner(shop).run)
    prober = Prober(
        shop.ledger,
        shop.gates,
        shop.client,
        probe_s=settings.gate_probe_s,
        edit_credits=settings.edit_credits,
    )
    clock = ClockThread(Clock(shop.ledger, shop.send, queue_keys(), settings.lease_s), prober)
    sweep(settings)
    _stop_quickly(shop.stopping)
    shop.heartbeat.start()
    clock.start()
    try:
        return _consume(app, settings)
    finally:
        clock.stop()
        shop.heartbeat.stop()


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


def _stop_quickly(stopping: threading.Event) -> None:
    """First signal: streams are left, steps of seconds finish, for a while. Second: the process ends."""

    def on_shutdown(**_: Any) -> None:
        stopping.set()
        last = threading.Timer(STOP_WITHIN_S, os._exit, args=(0,))
        last.daemon = True
        last.start()  # a long transfer begins anew elsewhere: a kill is harmless here
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, at_once)

    def at_once(number: int, _frame: FrameType | None) -> None:
        os._exit(128 + number)

    signals.worker_shutting_down.connect(on_shutdown, weak=False)
