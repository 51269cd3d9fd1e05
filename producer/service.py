"""The producer's process: made of its settings, it runs until it is stopped, or once."""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import structlog

from config.errors import ConfigError
from config.settings import Settings
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from jobs.redis import connect
from jobs.sources import Sources
from producer.instructions import Defaults
from producer.loop import LEDGER_WAITS_S, ONCE_WAITS, Producer, Timing
from producer.outbox import check_mounted, hold_outbox
from producer.outputs import absolute, naming_for
from producer.pipeline import Pipeline, Policy
from producer.roots import Roots, WatchedRoot
from producer.scan import LeftOut, Rules
from producer.stability import StabilityTracker
from producer.submit import Submitter
from producer.transcode import Transcoding, remove_leftovers
from producer.upkeep import Upkeep
from producer.watch import Event, Lister, Watcher, choose_mode, hears_no_events
from storage import is_remote
from storage.mounts import remember_mount

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What a run of the producer is asked besides the settings.

    ``follow_links`` follows links that leave a root; ``again`` is a word that makes every file new work.
    """

    once: bool = False
    follow_links: bool = False
    again: str = ""


def produce(
    settings: Settings, roots: Sequence[WatchedRoot], stop: threading.Event, options: Options = Options()
) -> int:
    """Find files below the roots and submit them until ``stop``, or with ``once`` until all are submitted.

    Returns the exit code: 0; with ``once`` also 1 when something was left out or a root is away, and 4
    outside the hours of work.

    Raises:
        ConfigError: no ledger is named, or an outbox belongs to another one.
    """
    ledger, mounts = _connect(settings, stop), dict[str, str]()
    with ExitStack() as stack:
        stack.callback(ledger.client.close)
        for outbox in dict.fromkeys(root.outbox for root in roots):
            if not stop.is_set():
                ledger_id = Sources(ledger).ledger_id()
                stack.enter_context(hold_outbox(outbox, ledger_id, absolute(settings.state_dir)))
                mounts[outbox] = remember_mount(outbox, settings.state_dir)
        excluded = [*(root.outbox for root in roots), absolute(settings.state_dir)]
        if settings.move_done:
            move_done = absolute(settings.move_done)
            check_mounted(move_done, settings.state_dir)
            mounts[move_done] = remember_mount(move_done, settings.state_dir)
            excluded.append(move_done)
        left_out = LeftOut()
        rules = Rules(
            excluded=tuple(dict.fromkeys(excluded)),
            ignore=settings.ignore,
            only=settings.only,
            follow=options.follow_links,
            report=left_out.report,
        )
        near = frozenset(root.path for root in roots if not hears_no_events(root.path)[0])
        policy = Policy(
            settings.settle_s,
            {root.outbox: naming_for(root.outbox, settings.output_template) for root in roots},
            near,
            settings.hook_before or "",
        )
        submitter = Submitter(ledger, versions=settings.on_change == "version")
        defaults = Defaults.from_settings(settings, again=options.again)
        pipeline = Pipeline(ledger, submitter, Roots(roots), defaults, policy)
        events: SimpleQueue[Event] = SimpleQueue()
        watchers: list[Watcher] = []
        for root in roots:
            if is_remote(root.path):
                watchers.append(Lister(root.path, events))
            else:
                mode = "poll" if options.once else choose_mode(root.path, root.watch)
                is_near = root.path in near and root.watch != "poll"
                watchers.append(Watcher(root.path, mode, events, near=is_near))
        producer = Producer(
            watchers,
            rules,
            StabilityTracker(settings.settle_s, settings.sidecar_wait_s),
            pipeline,
            events,
            Timing(settings.rescan_s, settings.settle_s, ONCE_WAITS * max(settings.settle_s, 0.1)),
            Upkeep(settings, ledger, roots, left_out, mounts),
        )
        stack.callback(lambda: log.info("producer ended", **pipeline.tally))
        stack.callback(producer.close)
        return producer.run(stop, once=options.once)


def _connect(settings: Settings, stop: threading.Event) -> Ledger:
    """Return the ledger, once it answers (or ``stop``): nothing is submitted by a clock that may be wrong."""
    if settings.redis_url is None:
        raise ConfigError("DROPSCORE_REDIS_URL is not set; 'dropscore run' starts a ledger by itself")
    ledger = Ledger(connect(settings.redis_url.get_secret_value(), master_name=settings.redis_master))
    prepared = Path(Transcoding.from_settings(settings).folder)
    attempt = 0
    while not stop.is_set():
        try:
            ledger.sync_clock()
            remove_leftovers(ledger, prepared, time.time())
            break
        except LedgerUnreachable as exc:
            attempt += 1
            log.warning("waiting for the ledger", reason=str(exc))
            stop.wait(LEDGER_WAITS_S[min(attempt, len(LEDGER_WAITS_S)) - 1])
    return ledger
