"""What the producer does besides looking for files: its beat, its hours, its disks, deliveries."""

import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import structlog

from config.hours import Hours
from config.settings import Settings
from jobs.ledger import Ledger
from jobs.model import ACTIVE
from jobs.sources import Sources
from producer.hooks import AfterDelivery, DeliveryWatcher
from producer.outputs import absolute
from producer.roots import WatchedRoot
from producer.scan import LeftOut
from storage.mounts import is_unmounted

log = structlog.get_logger(__name__)


class Upkeep:
    """What the producer does now and then besides looking for files."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        roots: Sequence[WatchedRoot],
        left_out: LeftOut,
        mounts: Mapping[str, str],
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        """Take what it tells and asks; ``mounts`` are those of the outboxes, ``now`` is the local time."""
        self.newest_first = settings.order == "newest"
        self.ignore_existing = settings.ignore_existing
        self.left_out = left_out
        self._ledger, self._host = ledger, socket.gethostname()
        self._hours, self._now, self._mounts = Hours.parse(settings.hours), now, mounts
        self._why_held = ""
        move_done = absolute(settings.move_done) if settings.move_done else ""
        after = AfterDelivery(settings.hook_after or "", move_done, mounts.get(move_done, "/"))
        cursor = settings.state_dir / "delivered.cursor"
        self._deliveries = DeliveryWatcher(ledger, tuple(roots), after, cursor)

    def tick(self) -> None:
        """Tell that the producer lives, and look for what was delivered; raises LedgerUnreachable.

        The server's clock is looked at again: ours may have been set.
        """
        self._ledger.sync_clock()
        Sources(self._ledger).beat(self._host)
        self.handle_delivered()

    def handle_delivered(self) -> None:
        """Run the hook for, and move the originals of, what was delivered; raises LedgerUnreachable."""
        self._deliveries.handle_delivered()

    def waits_for_results(self) -> bool:
        """Return whether something is to be done with results that are still to come."""
        if not self._deliveries.is_needed:
            return False
        counts = self._ledger.counts()
        return any(counts[state] for state in ACTIVE)

    def why_held(self) -> str:
        """Return why no files may be submitted now, or ""; the log says when that changes."""
        at, why = self._now(), ""
        if not self._hours.is_open(at):
            change = self._hours.next_change(at)
            why = "outside the hours of work" + (f", until {change:%a %H:%M}" if change else "")
        for folder, point in self._mounts.items():
            if is_unmounted(folder, point):
                why = f"{folder} is away: {point} is not mounted"
        if why != self._why_held:
            if why:
                log.warning("files wait", why=why)
            else:
                log.info("files are submitted again")
        self._why_held = why
        return why
