"""Notifications through Apprise, from threads of their own: one that looks, and one for each address.

An address that hangs or fails holds up neither the work nor the other addresses. Addresses hold tokens: what
libraries log in these threads is dropped, and our own lines name an address by its number and scheme alone.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from worker.notices import Notice, Watch
from worker.observe import Observer

if TYPE_CHECKING:
    from apprise import NotifyBase

log = structlog.get_logger()

LOOK_S = 2.0
CLOSE_S = 3.0
"""So long the end of a worker waits for its last notices; whoever stops it may kill it after five seconds."""

TRIES_AFTER_S = (0.0, 5.0, 30.0)
MOST_WAITING = 50
_THREADS = "notify"


class Notifier(Observer):
    """Looks at the ledger every `LOOK_S`, and hands what is to be told to each address."""

    def __init__(self, ledger: Ledger, urls: Sequence[str], look_s: float = LOOK_S) -> None:
        """``urls`` are Apprise's; nothing runs before `start`."""
        self._ledger = ledger
        self._synced = False
        self._watch = Watch(ledger)
        self._look_s = look_s
        self._couriers = [Courier(number, url) for number, url in enumerate(urls, 1)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{_THREADS}-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        for courier in self._couriers:
            courier.start()
        self._thread.start()

    def close(self) -> None:
        """Look a last time, and wait a little for what is on its way."""
        ends = time.monotonic() + CLOSE_S
        self._stop.set()
        self._thread.join(CLOSE_S)
        for courier in self._couriers:
            courier.finish(ends)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._look(last=False)
            self._stop.wait(self._look_s)
        self._look(last=True)

    def _look(self, *, last: bool) -> None:
        try:
            if not self._synced:  # the first look may come before the clock's first tick
                self._ledger.sync_clock()
                self._synced = True
            for notice in self._watch.look(last=last):
                log.info("telling", title=notice.title)
                for courier in self._couriers:
                    courier.take(notice)
        except LedgerUnreachable:
            pass  # the clock says so already
        except Exception:  # the boundary: a broken look is a notice late, and the next goes on
            log.exception("nobody could be told")


class Courier:
    """Brings notices to one address, one after the other, from a thread of its own."""

    def __init__(self, number: int, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """``number`` is what the address is called in logs."""
        self._number = number
        self._url = url
        self._sleep = sleep
        self._name = f"{number} ({scheme(url)})"
        self._waiting: queue.Queue[Notice | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name=f"{_THREADS}-{number}", daemon=True)

    def start(self) -> None:
        """Begin to bring."""
        _hush_libraries()
        self._thread.start()

    def take(self, notice: Notice | None) -> None:
        """Bring this next; dropped, with a word in the log, when too many wait already. Never waits."""
        try:
            self._waiting.put_nowait(notice)
        except queue.Full:
            log.error("notification dropped; the address takes none", address=self._name)

    def waiting(self) -> int:
        """How many notices wait."""
        return self._waiting.qsize()

    def finish(self, ends: float) -> None:
        """Wait for what is on its way, until ``ends`` of the monotonic clock at most."""
        self.take(None)
        self._thread.join(max(0.0, ends - time.monotonic()))

    def _run(self) -> None:
        target = opened(self._url)
        if target is None:
            log.error("an address of DROPSCORE_NOTIFY is none; see dropscore doctor", address=self._name)
        while (notice := self._waiting.get()) is not None:
            if target is not None and not self._brought(target, notice):
                log.error("notification not delivered", address=self._name, title=notice.title)

    def _brought(self, target: "NotifyBase", notice: Notice) -> bool:
        for wait_s in TRIES_AFTER_S:
            self._sleep(wait_s)
            if send(target, notice):
                return True
        return False


def scheme(url: str) -> str:
    """``mailto`` of ``mailto://user:password@…``: all of an address that may be shown."""
    return url.partition("://")[0].lower()


def opened(url: str) -> "NotifyBase | None":
    """The address as Apprise knows it, or None; nothing is sent, and nothing raised."""
    import apprise  # noqa: PLC0415 - half a second that only those pay who asked for it

    asset = apprise.AppriseAsset(
        app_id="Dropscore", app_desc="Dropscore", app_url="", image_url_mask="", image_url_logo=""
    )
    try:
        return apprise.Apprise.instantiate(url, asset=asset)
    except Exception:  # noqa: BLE001  (any of a hundred plug-ins may raise, and its words may hold the address)
        return None


def send(target: "NotifyBase", notice: Notice) -> bool:
    """Send one notice now, in this thread; whether the address took it. Never raises."""
    import apprise  # noqa: PLC0415 - as above

    try:
        return bool(
            target.notify(
                title=notice.title,
                body=notice.body,
                notify_type=apprise.NotifyType(notice.mood),
                body_format=apprise.NotifyFormat.TEXT,
            )
        )
    except Exception as broken:  # noqa: BLE001  (as above: the type alone is safe to say)
        log.warning("a notification broke", cause=type(broken).__name__)
        return False


def _hush_libraries() -> None:
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_ours)


def _ours(record: logging.LogRecord) -> bool:
    return record.name.startswith("worker.") or not (record.threadName or "").startswith(_THREADS)
