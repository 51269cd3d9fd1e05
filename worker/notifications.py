"""Notifications through Apprise: a batch's end, gates, files that failed for good; read off the ledger.

Every worker looks, and whoever moves the mark on in the ledger sends (`jobs.notices`). So it makes no
difference whether a worker, the producer or a person's command brought a thing about, or who died since.
Addresses hold tokens: what libraries log in these threads is dropped, and our lines name an address by its
number and scheme alone.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog

from config.logs import masked
from jobs.errors import LedgerUnreachable
from jobs.ledger import Ledger
from jobs.model import Gate, State
from jobs.notices import NoticeMarks
from jobs.stats import Stats, read_stats

if TYPE_CHECKING:
    from apprise import NotifyBase

log = structlog.get_logger()

LOOK_S = 2.0
CLOSE_S = 3.0
"""So long the end of a worker waits for its last notices; whoever stops it may kill it after five seconds."""
QUIET_S = 10.0
"""A batch has ended when nothing is left and nothing came for so long; less, and every file would be one."""
BURST_S = 60.0
"""Failures within so long are one notice; a rate gate is news only when it stays closed for so long."""
LAG_S = 2.0
"""What is younger waits for the next look: a write may still be on its way with a time before ours."""
NAMED = 5
TRIES_AFTER_S = (0.0, 5.0, 30.0)
_THREADS = "notify"
_BAD = (State.FAILED, State.UNCONFIRMED)
_ENDS = (State.DONE, *_BAD, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to people: one line, a few more, and how good the news is."""

    title: str
    body: str
    mood: Literal["success", "warning", "failure", "info"]


def find_notices(ledger: Ledger, *, last: bool = False) -> Iterator[Notice]:
    """Yield what happened since anybody was notified, each to one caller; a ``last`` look waits for no quiet.

    Take each as it comes: it is this caller's to send, even if the next step raises LedgerUnreachable.
    """
    marks, stats = NoticeMarks(ledger), read_stats(ledger)
    known = marks.all()
    until = stats.at if last else stats.at - LAG_S
    yield from _find_gates(marks, known, stats)

    failures = known.get("failures", "")
    if not failures:
        marks.claim("failures", "", f"{stats.at - BURST_S!r} 0")
    else:
        after, sent = map(float, failures.split())
        count = (
            sum(marks.count_ended(_BAD, after, until).values()) if last or stats.at - sent >= BURST_S else 0
        )
        if count and marks.claim("failures", failures, f"{until!r} {stats.at!r}"):
            lines = []
            for job in marks.first_ended(_BAD, after, until, NAMED):
                why = f"{job.problem.code}. {job.problem.advice}" if job.problem else str(job.state)
                lines.append(f"{job.spec.name}: {why.replace('JOB', job.id)}")
            if count > len(lines):
                lines.append(f"and {count - len(lines):,} more: dropscore status")
            yield Notice(f"Dropscore: {_files(count)} failed", "\n".join(lines), "failure")

    batch, ever = known.get("batch", ""), stats.spending.ever
    if not batch:
        marks.claim("batch", "", f"{stats.at - BURST_S!r} {ever!r}")
    elif not stats.unended and (last or not ledger.ended_since(until - QUIET_S)):
        after, paid = map(float, batch.split())
        counts = marks.count_ended(_ENDS, after, until)
        if any(counts.values()) and marks.claim("batch", batch, f"{until!r} {ever!r}"):
            total = sum(counts.values())
            ends = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
            left = stats.spending.available
            rest = f", {left:,.0f} left when the last edit began" if left is not None else ""
            title = f"Dropscore: {_files(total)} {'has' if total == 1 else 'have'} ended"
            good = counts[State.DONE] == total
            body = f"{ends}.\n{ever - paid:,.0f} credits spent{rest}."
            yield Notice(title, body, "success" if good else "warning")


def _find_gates(marks: NoticeMarks, known: Mapping[str, str], stats: Stats) -> Iterator[Notice]:
    for gate in Gate:
        closed, mark, subject = stats.gates.get(gate), known.get(f"gate:{gate}", ""), f"gate:{gate}"
        if closed and not mark and (gate is not Gate.RATE or stats.at - closed.since >= BURST_S):
            if marks.claim(subject, "", repr(closed.since)):
                waiting = f"{_files(stats.waiting[gate])} behind it." if stats.waiting[gate] else ""
                body = "\n".join(line for line in (masked(closed.message), closed.advice, waiting) if line)
                yield Notice(f"Dropscore: the gate '{gate}' is closed", body, "warning")
        elif mark and not closed and marks.claim(subject, mark, ""):
            yield Notice(f"Dropscore: the gate '{gate}' is open", "Files go on where they stood.", "info")


class Notifier:
    """Looks at the ledger every `LOOK_S`, and sends to each address from a thread of its own."""

    def __init__(self, ledger: Ledger, urls: Sequence[str], look_s: float = LOOK_S) -> None:
        """``urls`` are Apprise's; nothing runs before `start`."""
        self._ledger = ledger
        self._look_s = look_s
        self._urls = urls
        self._pools = [ThreadPoolExecutor(1, thread_name_prefix=_THREADS) for _ in urls]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=_THREADS, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        for handler in logging.getLogger().handlers:
            handler.addFilter(
                lambda record: (
                    record.name.startswith("worker.") or not (record.threadName or "").startswith(_THREADS)
                )
            )
        self._thread.start()

    def close(self) -> None:
        """Look a last time, and wait a little for what is on its way."""
        self._stop.set()
        self._thread.join(CLOSE_S)
        wait([pool.submit(lambda: None) for pool in self._pools], timeout=CLOSE_S)
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while True:
            last = self._stop.is_set()
            try:
                for notice in find_notices(self._ledger, last=last):
                    log.info("notifying", title=notice.title)
                    for number, (pool, url) in enumerate(zip(self._pools, self._urls, strict=True), 1):
                        pool.submit(self._deliver, number, url, notice)
            except LedgerUnreachable:
                pass  # the scheduler says so already
            except Exception:  # the boundary: a failed look is a notice late, and the next goes on
                log.exception("notices not sent", at_most_each_s=60)
            if last:
                return
            self._stop.wait(self._look_s)

    def _deliver(self, number: int, url: str, notice: Notice) -> None:
        name = f"{number} ({scheme(url)})"
        target = open_address(url)
        if target is None:
            log.error(
                "DROPSCORE_NOTIFY: not an address; see dropscore doctor", address=name, at_most_each_s=3600
            )
            return
        for wait_s in TRIES_AFTER_S:
            self._stop.wait(wait_s)
            if send(target, notice):
                return
        log.error("notification not delivered", address=name, title=notice.title)


def scheme(url: str) -> str:
    """``mailto`` of ``mailto://user:password@…``: all of an address that may be shown."""
    return url.partition("://")[0].lower()


def open_address(url: str) -> "NotifyBase | None":
    """Return the address as Apprise knows it, or None; nothing is sent, and nothing raised."""
    import apprise  # noqa: PLC0415 - half a second that only those pay who asked for it

    asset = apprise.AppriseAsset(
        app_id="Dropscore", app_desc="Dropscore", app_url="", image_url_mask="", image_url_logo=""
    )
    try:
        return apprise.Apprise.instantiate(url, asset=asset)
    except Exception:  # noqa: BLE001 - any of a hundred plug-ins may raise, and its words may hold the address
        return None


def send(target: "NotifyBase", notice: Notice) -> bool:
    """Send one notice now, in this thread; whether the address took it. Never raises."""
    import apprise  # noqa: PLC0415 - as above

    try:
        kind, text = apprise.NotifyType(notice.mood), apprise.NotifyFormat.TEXT
        return bool(target.notify(title=notice.title, body=notice.body, notify_type=kind, body_format=text))
    except Exception as exc:  # noqa: BLE001 - as above: the type alone is safe to log
        log.warning("a notification failed", cause=type(exc).__name__)
        return False


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"
