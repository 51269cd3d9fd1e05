"""The producer's process: watch, scan, settle, take; one thread decides, observers only hint."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import structlog

from config.celery_app import make_app
from config.errors import ConfigError
from config.settings import Settings
from jobs.connection import connect
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from producer.instructions import Defaults, Wish
from producer.loop import Producer, Timing
from producer.naming import absolute, writable
from producer.scan import Rules
from producer.settle import Settler
from producer.submit import Submitter
from producer.take import Taker
from producer.watch import Event, Mode, Watcher, choose

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How roots are watched; ``again`` is a word that makes every file new work (`--again`)."""

    watch: Mode = "auto"
    sidecar_wait_s: float = 0.0
    ignore: tuple[str, ...] = ()
    follow_links: bool = False
    again: str = ""


def produce(
    settings: Settings,
    roots: Sequence[Path],
    outbox: Path,
    once: bool,
    stop: threading.Event,
    options: Options = Options(),
) -> int:
    """Find files below the roots and submit them until ``stop``, or with ``once`` until all are submitted.

    Answers the exit code: 0, or 1 when a root went away under ``once``.

    Raises:
        ConfigError: a root that is missing, an outbox that is a root or cannot be written, no ledger named.
    """
    names, target = checked(roots, outbox)
    ledger, url = _ledger(settings)
    app = make_app(url, settings)
    taker = Taker(
        ledger,
        Submitter(ledger, app),
        target,
        _defaults(settings, options),
        lambda path: root_of(path, names),
    )
    modes: dict[str, Mode] = {root: "poll" if once else choose(root, options.watch) for root in names}
    producer = _producer(settings, modes, _rules(settings, target, options), taker, options.sidecar_wait_s)
    try:
        return producer.run(stop, once=once)
    finally:
        producer.close()
        app.close()
        ledger.client.close()
        log.info("producer ended", **taker.tally.counts)


def _producer(
    settings: Settings, modes: Mapping[str, Mode], rules: Rules, taker: Taker, sidecar_wait_s: float
) -> Producer:
    events: SimpleQueue[Event] = SimpleQueue()
    watchers = [Watcher(root, mode, events) for root, mode in modes.items()]
    settler = Settler(settings.settle_s, sidecar_wait_s)
    return Producer(watchers, rules, settler, taker, events, Timing(settings.rescan_s, settings.settle_s))


def checked(roots: Sequence[Path], outbox: Path) -> tuple[list[str], str]:
    """The roots and the outbox as absolute paths, and the outbox made; raises ConfigError."""
    names = []
    for root in roots:
        if not root.exists():
            raise ConfigError(f"folder {root} does not exist; make it, or name another")
        if not root.is_dir():
            raise ConfigError(f"{root} is no folder; name the folder that holds your videos")
        names.append(_listable(absolute(root)))
    target = absolute(outbox)
    if outbox.exists() and any(outbox.samefile(name) for name in names):
        raise ConfigError(f"outbox {outbox} is the inbox itself; name another folder with --outbox")
    writable(target)
    return names, target


def _listable(root: str) -> str:
    try:
        with os.scandir(root):
            return root
    except OSError as broken:
        raise ConfigError(f"folder {root} cannot be read ({broken.strerror})") from broken


def root_of(path: str, roots: Sequence[str]) -> str:
    """The innermost root that holds a path; "" for none."""
    holding = [root for root in roots if path.startswith(root.rstrip("/") + "/")]
    return max(holding, key=len, default="")


def _ledger(settings: Settings) -> tuple[Ledger, str]:
    if settings.redis_url is None:
        raise ConfigError("DROPSCORE_REDIS_URL is not set; 'dropscore run' starts a ledger by itself")
    url = settings.redis_url.get_secret_value()
    ledger = Ledger(connect(url))
    try:
        ledger.sync_clock()
    except LedgerUnreachable as away:
        log.warning("waiting for the ledger", reason=str(away))
    return ledger, url


def _defaults(settings: Settings, options: Options) -> Defaults:
    wish = Wish.model_validate({"instructions": settings.instruction, "language": settings.language})
    return Defaults(wish, settings.skill, settings.all_skills(), options.again)


def _rules(settings: Settings, outbox: str, options: Options) -> Rules:
    return Rules(
        excluded=(outbox, absolute(settings.state_dir)),
        ignore=options.ignore,
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
