"""A worker process: one client, one Redis connection, one heartbeat, one clock, and Celery's threads."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
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
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from worker.clock import Clock, ClockThread, Prober
from worker.letters import Write, letters
from worker.outbox import sweep
from worker.runner import Runner
from worker.shop import Shop, open_shop
from worker.tasks import register

log = structlog.get_logger()

INTERRUPTED = 130
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
    compare_clocks(ledger)
    with nemo.http_client(settings.concurrency + 20) as http:
        letter = letters(app)
        shop = open_shop(settings, ledger, http, lambda job_id, step: letter(job_id, step, "begun"))
        try:
            shop.observe.start()
        except ConfigError as wrong:
            print(f"dropscore worker: {wrong}", flush=True)
            return 2
        return _work(app, shop, letter)


def compare_clocks(ledger: Ledger, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait for the server and read its clock: by a wrong one, every lease may seem to have ended."""
    waited = False
    while True:
        try:
            ledger.sync_clock()
            return
        except LedgerUnreachable as away:
            if not waited:
                log.warning("waiting for the ledger", reason=str(away))
            waited = True
            sleep(1.0)


def _work(app: Celery, shop: Shop, letter: Write) -> int:
    settings = shop.settings
    register(app, Runner(shop).run)
    prober = Prober(
        shop.ledger,
        shop.gates,
        shop.client,
        probe_s=settings.gate_probe_s,
        edit_credits=settings.edit_credits,
    )
    clock = ClockThread(Clock(shop.ledger, letter, queue_keys(), settings.lease_s), prober)
    sweep(settings)
    by_hand = _stop_quickly(shop.stopping)
    shop.heartbeat.start()
    clock.start()
    try:
        code = _consume(app, settings)
        return INTERRUPTED if by_hand.is_set() else code  # Celery would call it a failure
    finally:
        clock.stop()
        shop.heartbeat.stop()
        shop.observe.close()


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


def _stop_quickly(stopping: threading.Event) -> threading.Event:
    """First signal: streams are left, steps of seconds finish, for a while. Second: the process ends.

    The event that is answered is set when the first signal was Ctrl-C.
    """
    by_hand = threading.Event()

    def on_shutdown(sig: str = "", **_: Any) -> None:
        stopping.set()
        if sig == "SIGINT":
            by_hand.set()
        last = threading.Timer(STOP_WITHIN_S, os._exit, args=(0,))
        last.daemon = True
        last.start()  # a long transfer begins anew elsewhere: a kill is harmless here
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, at_once)

    def at_once(number: int, _frame: FrameType | None) -> None:
        os._exit(128 + number)

    signals.worker_shutting_down.connect(on_shutdown, weak=False)
    return by_hand
