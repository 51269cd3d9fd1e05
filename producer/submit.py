"""Settled files go into the ledger, and their first message to the workers."""

import filecmp
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Any, Protocol

import structlog
from celery.exceptions import OperationalError

from config.celery_app import BACKLOG, NEW, TASKS, queue_keys
from jobs import result
from jobs.intake import LOST, Intake
from jobs.ledger import Ledger, Submitted
from jobs.model import ACTIVE, Job, State, Step
from producer.delivered import free, is_done
from producer.prepare import Place, Prepared, different
from producer.scan import read
from producer.settle import Reading
from stores import exists, is_remote, store_of

MAX_WAITING = 1000
"""Messages in the broker above which none is sent: the clock sends them as they are due."""

COMPARED_BYTES = 64 * 1024 * 1024
"""Files up to this size are compared whole before one is called a duplicate of the other."""

WAITING = ACTIVE | {State.PARKED}
"""States of a job that will be worked on by itself."""

_SEND_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_LOOK_EVERY = 100
_PIECE_BYTES = 1024 * 1024

log = structlog.get_logger(__name__)


class Sender(Protocol):
    """What is used of a Celery app."""

    def send_task(self, name: str, *, args: list[str], **options: Any) -> object:
        """Send a message."""


class Fate(StrEnum):
    """What became of a source.

    Moved: the job goes on with the file at its new place; moving: it will, after another look.
    Missed: it went away while it was submitted.
    """

    NEW = "new"
    REFUSED = "refused"
    KNOWN = "known"
    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    MOVED = "moved"
    MOVING = "moving"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Taken:
    """A source and what became of it; ``job_id`` is the job that stands for it."""

    source: str
    job_id: str
    fate: Fate


class Submitter:
    """Submits what is prepared, exactly once, and tells the workers."""

    def __init__(self, ledger: Ledger, app: Sender) -> None:
        """Take the ledger and the Celery app that carries messages."""
        self._ledger = ledger
        self._intake = Intake(ledger)
        self._messages = Messages(ledger, app)

    def submit(self, prepared: Prepared, place: Place) -> Taken:
        """Take one source in; it counts as seen only when it is marked so (`remember`).

        Raises:
            LedgerUnreachable: nothing is known; submit it again later.
            SourceGone, SourceChanged, OSError: it went away while it was compared with its twin.
        """
        done = is_done(prepared.job_id, prepared.outputs)
        if done is not None and prepared.problem is None:
            return self._delivered(prepared, done)
        said = self._take_in(prepared)
        if said.new:
            return self._new(prepared)
        known = self._ledger.get(prepared.job_id)
        if known.spec.source == prepared.spec.source:
            return self._known(prepared, known)
        if _agree(prepared, known):
            return self._moved(prepared, known) or self._duplicate(prepared, known)
        return self.submit(different(prepared, place), place)

    def knows(self, prepared: Prepared) -> bool:
        """Whether its job is in the ledger or delivered already; raises LedgerUnreachable."""
        there = is_done(prepared.job_id, prepared.outputs) is not None
        return there or bool(self._ledger.many([prepared.job_id]))

    def remember(self, seen: Mapping[str, tuple[str, str]]) -> None:
        """Sources (path → note, job id) that are dealt with: not read again. Raises LedgerUnreachable."""
        self._intake.mark(seen)

    def _take_in(self, prepared: Prepared) -> Submitted:
        outputs = free(prepared.job_id, prepared.outputs)
        # Without its note: were it seen already and we killed now, a twin or a result would be forgotten.
        return self._ledger.submit(prepared.job_id, prepared.spec, outputs, problem=prepared.problem)

    def _new(self, prepared: Prepared) -> Taken:
        source = prepared.spec.source
        if prepared.problem is not None:
            log.warning("refused", message=prepared.problem.message, advice=prepared.problem.advice)
            self._write_result(self._ledger.get(prepared.job_id))
            return Taken(source, prepared.job_id, Fate.REFUSED)
        log.info("submitted", source=source, job=prepared.job_id)
        self._messages.send(prepared.job_id, BACKLOG if prepared.spec.priority > 0 else NEW)
        return Taken(source, prepared.job_id, Fate.NEW)

    def _known(self, prepared: Prepared, known: Job) -> Taken:
        # A kill between "in the ledger" and "result written" is made good here.
        if known.problem is not None and known.state is State.FAILED and not exists(known.spec.result):
            self._write_result(known)
        log.debug("known already", source=prepared.spec.source, job=known.id, state=known.state.value)
        return Taken(prepared.spec.source, known.id, Fate.KNOWN)

    def _moved(self, prepared: Prepared, known: Job) -> Taken | None:
        """Let a job go after its file, which was moved before it was uploaded; None when it was not."""
        source = prepared.spec.source
        if not has_moved(known):
            return None
        if known.state is State.RUNNING:  # its worker still looks at the old place, and will soon say so
            return Taken(source, known.id, Fate.MOVING)
        if not self._intake.follow(known, source, prepared.spec.etag):
            return None
        log.info("moved", source=source, was=known.spec.source, job=known.id)
        return Taken(source, known.id, Fate.MOVED)

    def _duplicate(self, prepared: Prepared, known: Job) -> Taken:
        source = prepared.spec.source
        log.info("duplicate", source=source, of=known.spec.source, job=known.id)
        self._intake.add_duplicate(source, known.id)
        return Taken(source, known.id, Fate.DUPLICATE)

    def _delivered(self, prepared: Prepared, output: str) -> Taken:
        source = prepared.spec.source
        log.info("delivered already", source=source, output=output, job=prepared.job_id)
        return Taken(source, prepared.job_id, Fate.DELIVERED)

    def _write_result(self, job: Job) -> None:
        try:
            result.write(job)
        except result.ResultNotWritten as broken:
            log.warning("result not written", message=str(broken))


class Messages:
    """First messages; what is not sent is brought back by the clock."""

    def __init__(self, ledger: Ledger, app: Sender) -> None:
        """Take the ledger, to see how many messages wait, and the app that carries them."""
        self._ledger, self._app = ledger, app
        self._sent = count()
        self._room = True

    def send(self, job_id: str, queue: str) -> None:
        """Send the first message of a job, if the broker has room; a failure is no error."""
        if next(self._sent) % _LOOK_EVERY == 0:
            self._room = sum(self._ledger.messages_waiting(queue_keys()[1:])) < MAX_WAITING
        if not self._room:
            return
        try:
            self._app.send_task(
                TASKS + Step.UPLOAD, args=[job_id], queue=queue, ignore_result=True, retry_policy=_SEND_RETRY
            )
        except OperationalError as broken:
            log.warning("message not sent; the clock sends it", job=job_id, reason=type(broken).__name__)


def has_moved(known: Job) -> bool:
    """Whether a job that has still to be uploaded has lost its file; another of that content is then it."""
    lost = known.problem is not None and known.problem.kind == LOST
    waits = known.state in WAITING or (known.state is State.FAILED and lost)
    to_send = known.step is Step.UPLOAD and known.checkpoint.upload is None
    return waits and to_send and not known.spec.is_url and not exists(known.spec.source)


def _agree(prepared: Prepared, known: Job) -> bool:
    """Whether two sources with one fingerprint have one content, as far as that can be told cheaply."""
    size_bytes = prepared.spec.size_bytes
    if known.spec.is_url or size_bytes > COMPARED_BYTES or known.spec.size_bytes != size_bytes:
        return True
    spec = known.spec
    if read(spec.source) != Reading(spec.size_bytes, spec.mtime_ns, spec.etag):
        return True  # gone, or written to since: it no longer shows what was taken in
    try:
        return _same(prepared.spec.source, spec.source)
    except OSError:
        return True  # one of them is gone: moved, and then it is the same


def _same(one: str, other: str) -> bool:
    if not (is_remote(one) or is_remote(other)):
        return filecmp.cmp(one, other, shallow=False)
    with store_of(one).open(one) as left, store_of(other).open(other) as right:
        while piece := left.read(_PIECE_BYTES):
            if piece != right.read(_PIECE_BYTES):
                return False
        return not right.read(1)
