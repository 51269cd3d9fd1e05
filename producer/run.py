"""The producer's process: watch, scan, settle, take; one thread decides, observers only hint."""

import socket
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import structlog

from config.celery_app import make_app
from config.errors import ConfigError
from config.roots import Watch
from config.settings import Settings
from jobs.connection import connect
from jobs.errors import LedgerUnreachable
from jobs.intake import Intake
from jobs.ledger import Ledger
from producer.instructions import Defaults, Wish
from producer.loop import Producer, Timing
from producer.mounts import is_deaf
from producer.naming import absolute
from producer.roots import Homes, Watched
from producer.scan import Rules
from producer.settle import Settler
from producer.submit import Submitter
from producer.take import Taker
from producer.transcoder import sweep, transcoding_of
from producer.watch import Event, Lister, Watcher, choose
from stores import is_remote

log = structlog.get_logger(__name__)

_ASK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a run of the producer is told besides the settings.

    ``follow_links`` follows links that leave a root; ``again`` is a word that makes every file new work.
    """

    once: bool = False
    follow_links: bool = False
    again: str = ""


def produce(
    settings: Settings, roots: Sequence[Watched], stop: threading.Event, options: Options = Options()
) -> int:
    """Find files below the roots and submit them until ``stop``, or with ``once`` until all are submitted.

    Answers the exit code: 0, or 1 when a root went away under ``once``.

    Raises:
        ConfigError: no ledger is named.
    """
    ledger, url = _ledger(settings, stop)
    app = make_app(url, settings)
    taker = Taker(ledger, Submitter(ledger, app), Homes(roots), _defaults(settings, options))
    modes: dict[str, Watch] = {
        root.path: "poll" if options.once or is_remote(root.path) else choose(root.path, root.watch)
        for root in roots
    }
    beat = partial(say_alive, ledger, socket.gethostname())
    near = {root.path for root in roots if root.watch != "poll" and not is_deaf(root.path)[0]}
    producer = _producer(settings, modes, near, _rules(settings, roots, options), taker, beat)
    try:
        return producer.run(stop, once=options.once)
    finally:
        producer.close()
        app.close()
        ledger.client.close()
        log.info("producer ended", **taker.tally.counts)


def _producer(
    settings: Settings,
    modes: Mapping[str, Watch],
    near: Collection[str],
    rules: Rules,
    taker: Taker,
    beat: Callable[[], None],
) -> Producer:
    events: SimpleQueue[Event] = SimpleQueue()
    watchers = [
        Lister(root, events) if is_remote(root) else Watcher(root, mode, events, near=root in near)
        for root, mode in modes.items()
    ]
    settler = Settler(settings.settle_s, settings.sidecar_wait_s)
    timing = Timing(settings.rescan_s, settings.settle_s)
    return Producer(watchers, rules, settler, taker, events, timing, beat)


def say_alive(ledger: Ledger, host: str) -> None:
    """Say that this host's producer lives, and look at the server's clock again: ours may have been set.

    Raises:
        LedgerUnreachable: nobody heard it.
    """
    ledger.sync_clock()
    Intake(ledger).beat(host)


def _ledger(settings: Settings, stop: threading.Event) -> tuple[Ledger, str]:
    """The ledger, once it answers (or ``stop``): nothing is submitted by a clock that may be wrong."""
    if settings.redis_url is None:
        raise ConfigError("DROPSCORE_REDIS_URL is not set; 'dropscore run' starts a ledger by itself")
    url = settings.redis_url.get_secret_value()
    ledger = Ledger(connect(url))
    while not stop.is_set():
        try:
            ledger.sync_clock()
            sweep(ledger, Path(transcoding_of(settings).folder))
            break
        except LedgerUnreachable as away:
            log.warning("waiting for the ledger", reason=str(away))
            stop.wait(_ASK_EVERY_S)
    return ledger, url


def _defaults(settings: Settings, options: Options) -> Defaults:
    wish = Wish.model_validate({"instructions": settings.instruction, "language": settings.language})
    transcoding = transcoding_of(settings)
    return Defaults(wish, settings.skill, settings.all_skills(), options.again, transcoding)


def _rules(settings: Settings, roots: Sequence[Watched], options: Options) -> Rules:
    return Rules(
        excluded=(*dict.fromkeys(root.outbox for root in roots), absolute(settings.state_dir)),
        ignore=settings.ignore,
        follow=options.follow_links,
        unreadable=_said_once(),
    )


def _said_once() -> Callable[[str, OSError], None]:
    said: set[str] = set()

    def say(folder: str, why: OSError) -> None:
        if folder not in said:
            said.add(folder)
            log.warning("folder cannot be read; it is left out", folder=folder, why=why.strerror)

    return say
