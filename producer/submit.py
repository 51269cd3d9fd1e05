"""Prepared files go into the ledger, which tells the workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from jobs import result
from jobs.errors import ResultNotWritten
from jobs.ledger import Ledger, NewJob, Submission
from jobs.model import ACTIVE, SOURCE_GONE, STALE_CODES, Job, State, Step
from jobs.sources import NO_JOB, Sources
from producer.errors import SourceBusy, SourceGone, printable
from producer.outputs import find_delivered, free_outputs
from producer.prepare import Place, Prepared, is_same_content, note_of, prepare_again, prepare_by_full_hash
from producer.scan import look_at
from storage import FileStat, exists, is_remote, storage_for

COMPARED_BYTES = 64 * 1024 * 1024
"""Files up to this size are compared whole before one is called a duplicate of the other."""

WAITING = ACTIVE | {State.PARKED}
"""States of a job that will be worked on by itself."""

_BACK_SLACK_S = 60.0
"""A file counts as put back since its job ended though its last change is so much older."""

_PIECE_BYTES = 1024 * 1024

log = structlog.get_logger(__name__)


class SubmissionOutcome(StrEnum):
    """What became of a source.

    Moved: the job goes on with the file at its new place; moving: it will, after another look.
    Mentioned: something changed after it was sent, and that is all. Missed: it went away meanwhile.
    """

    NEW = "new"
    REFUSED = "refused"
    KNOWN = "known"
    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    MOVED = "moved"
    MOVING = "moving"
    MENTIONED = "mentioned"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Submitted:
    """A source and what became of it; ``job_id`` is the job that stands for it."""

    source: str
    job_id: str
    fate: SubmissionOutcome


Seen = tuple[str, str] | None
"""The note and the job that a source was last submitted with."""

Entry = tuple[Prepared, Place, Seen]
Answer = Submitted | SourceGone | SourceBusy | OSError


class Submitter:
    """Submits what is prepared, exactly once."""

    def __init__(self, ledger: Ledger, *, versions: bool = False) -> None:
        """Take the ledger; with ``versions`` what changes after it was sent becomes a further version."""
        self._ledger, self._versions = ledger, versions
        self._sources = Sources(ledger)

    def submit(self, prepared: Prepared, place: Place, seen: Seen = None) -> Submitted:
        """Submit one source; it counts as seen only when it is marked so (`remember`).

        ``seen`` is the note and the job it was last submitted with.

        Raises:
            LedgerUnreachable: nothing is known; submit it again later.
            SourceGone, SourceChanged, OSError: it went away while it was compared with its twin.
        """
        (answer,) = self.submit_many([(prepared, place, seen)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def submit_many(self, entries: Sequence[Entry]) -> list[Answer]:
        """Submit sources in their order, in one round trip where nothing is known of them yet.

        The answer for one that went away meanwhile is what `submit` would raise. Raises LedgerUnreachable.
        """
        answers: dict[int, Answer] = {}
        entered: list[tuple[int, Entry]] = []
        jobs: list[NewJob] = []
        for index, (prepared, place, seen) in enumerate(entries):
            try:
                ready = self._clear_way(prepared, place, seen)
                if isinstance(ready, Submitted):
                    answers[index] = ready
                    continue
                outputs = free_outputs(ready.job_id, ready.outputs)
            except (SourceGone, SourceBusy, OSError) as exc:
                answers[index] = exc
                continue
            # Without its note: were it seen already and we killed now, a twin or a result would be forgotten.
            jobs.append(NewJob(ready.job_id, ready.spec, outputs, problem=ready.problem))
            entered.append((index, (ready, place, seen)))
        for (index, entry), submission in zip(entered, self._ledger.submit_many(jobs), strict=True):
            try:
                answers[index] = self._conclude(entry, submission)
            except (SourceGone, SourceBusy, OSError) as exc:
                answers[index] = exc
        return [answers[index] for index in range(len(entries))]

    def _clear_way(self, prepared: Prepared, place: Place, seen: Seen) -> Prepared | Submitted:
        """Look for what stands in the way of a job; returns what to enter, or what became of it already."""
        delivered = find_delivered(prepared.job_id, prepared.outputs)
        rewritten = seen is not None and not is_same_content(seen[0], prepared.note)
        if delivered is not None and prepared.problem is None and not rewritten:
            log.info("delivered already", source=prepared.spec.source, output=delivered, job=prepared.job_id)
            return Submitted(prepared.spec.source, prepared.job_id, SubmissionOutcome.DELIVERED)
        earlier = None if place.again else self._find_earlier(prepared, seen)
        if earlier is None:
            return prepared
        if self._sources.supersede(earlier):
            log.info("replaced: it was not sent yet", source=prepared.spec.source, job=earlier.id)
            if self._ledger.many([prepared.job_id]):
                return prepare_again(prepared, place)  # what was asked for first is asked for again
        elif not self._versions and earlier.state is not State.FAILED:
            what = "its instructions, or the program's own, changed after it was sent"
            return self._mention(prepared, earlier, prepared.problem.message if prepared.problem else what)
        return prepared

    def _conclude(self, entry: Entry, submission: Submission) -> Submitted:
        """Return what became of a source by what the ledger said of its job."""
        prepared, place, seen = entry
        source = prepared.spec.source
        if submission.new:
            if prepared.problem is None:
                log.info("submitted", source=source, job=prepared.job_id)
            else:
                log.warning("refused", message=prepared.problem.message, advice=prepared.problem.advice)
                self._write_result(self._ledger.get(prepared.job_id))
            return Submitted(
                source,
                prepared.job_id,
                SubmissionOutcome.REFUSED if prepared.problem else SubmissionOutcome.NEW,
            )
        known = self._ledger.get(prepared.job_id)
        if known.spec.source == source:
            return self._submit_known(prepared, known, place, seen)
        (mark,) = self._sources.seen([known.spec.source])
        if not _agree(prepared, known, mark[0] if mark else ""):
            return self.submit(prepare_by_full_hash(prepared, place), place, seen)
        if has_moved(known):
            if known.state is State.RUNNING:  # its worker still looks at the old place, and will soon say so
                return Submitted(source, known.id, SubmissionOutcome.MOVING)
            if self._sources.relocate(known, source, prepared.spec.etag):
                log.info("moved", source=source, was=known.spec.source, job=known.id)
                return Submitted(source, known.id, SubmissionOutcome.MOVED)
        log.info("duplicate", source=source, of=known.spec.source, job=known.id)
        self._sources.add_duplicate(source, known.id)
        return Submitted(source, known.id, SubmissionOutcome.DUPLICATE)

    def is_known(self, prepared: Prepared) -> bool:
        """Return whether its job is in the ledger or delivered already; raises LedgerUnreachable."""
        delivered = find_delivered(prepared.job_id, prepared.outputs) is not None
        return delivered or bool(self._ledger.many([prepared.job_id]))

    def remember(self, seen: Mapping[str, tuple[str, str]]) -> None:
        """Mark sources (path → note, job id) as seen: they are not read again. Raises LedgerUnreachable."""
        self._sources.mark(seen)

    def _find_earlier(self, prepared: Prepared, seen: Seen) -> Job | None:
        """Return the job of this very file that was submitted with other instructions, if there is one.

        None as well when the job that is asked for now is there already.
        """
        if (
            seen is None
            or seen[1] in (NO_JOB, prepared.job_id)
            or not is_same_content(seen[0], prepared.note)
        ):
            return None
        known = {job.id: job for job in self._ledger.many([prepared.job_id, seen[1]])}
        asked, earlier = known.get(prepared.job_id), known.get(seen[1])
        if asked is not None and asked.state is not State.CANCELLED:
            return None
        if earlier is None or earlier.spec.source != prepared.spec.source:
            return None
        was_refused = earlier.state is State.FAILED and not earlier.spec.fingerprint
        return None if was_refused or earlier.state is State.CANCELLED else earlier

    def _mention(self, prepared: Prepared, earlier: Job, what: str) -> Submitted:
        log.warning(
            f"{what}; the result stays as it is",
            source=printable(prepared.spec.source),
            job=earlier.id,
            advice="DROPSCORE_ON_CHANGE=version makes a further version of such files; "
            "'dropscore submit --again WORD FILE' of this one",
        )
        return Submitted(prepared.spec.source, earlier.id, SubmissionOutcome.MENTIONED)

    def _submit_known(self, prepared: Prepared, known: Job, place: Place, seen: Seen) -> Submitted:
        """Submit a source whose job is there: nothing to do, unless the job ended for the file's own sake."""
        source = prepared.spec.source
        if known.problem is not None and known.state is State.FAILED and not exists(known.spec.result):
            self._write_result(known)  # a kill between "in the ledger" and "result written" is made good here
        other_version = (known.spec.mtime_ns, known.spec.etag) != (prepared.spec.mtime_ns, prepared.spec.etag)
        if known.state is State.DONE:  # the ledger keeps no more of the file than what marked it as seen
            other_version = seen is not None and not is_same_content(seen[0], prepared.note)
        unpaid = known.step is Step.UPLOAD and known.checkpoint.upload is None
        is_stale = known.problem is not None and known.problem.code in STALE_CODES
        if prepared.problem is None and known.state is State.FAILED and unpaid and is_stale:
            # "Put the file back and run again". One that only the worker cannot see, or read, would go round.
            spec, found = known.spec.evolve(mtime_ns=prepared.spec.mtime_ns), look_at(source)
            is_back = found is not None and (
                found.is_object or found.changed_ns / 1e9 > known.updated - _BACK_SLACK_S
            )
            if is_back and self._sources.relocate(known.evolve(spec=spec), source, prepared.spec.etag):
                log.info("its file is back", source=source, job=known.id)
                return Submitted(source, known.id, SubmissionOutcome.MOVED)
        if prepared.problem is None and other_version and not is_remote(source):
            return self._submit_rewritten(prepared, known, place)
        log.debug("known already", source=source, job=known.id, state=known.state.value)
        return Submitted(source, known.id, SubmissionOutcome.KNOWN)

    def _submit_rewritten(self, prepared: Prepared, known: Job, place: Place) -> Submitted:
        """Submit a file that was written again at the same size, and looks the same where it is sampled."""
        if self._sources.supersede(known):
            again = prepare_again(prepared, place)
            log.info("written again before it was sent", source=prepared.spec.source, job=again.job_id)
            return self.submit(again, place)
        if self._versions:
            whole = prepare_by_full_hash(prepared, place)
            if whole.job_id != known.id:
                return self.submit(whole, place)
        if prepared.spec.size_bytes > _PIECE_BYTES and known.state in WAITING | {State.DONE}:
            self._sources.mark_rewritten(prepared.spec.source, known.id)
            return self._mention(prepared, known, "written again since it was sent; it looks the same")
        return Submitted(prepared.spec.source, known.id, SubmissionOutcome.KNOWN)

    def _write_result(self, job: Job) -> None:
        try:
            result.write_result(job)
        except ResultNotWritten as exc:
            log.warning("result not written", message=str(exc))


def has_moved(known: Job) -> bool:
    """Return whether a job that is still to be uploaded has lost its file: another of that content is it."""
    lost = known.problem is not None and known.problem.code == SOURCE_GONE
    waits = known.state in WAITING or (known.state is State.FAILED and lost)
    to_send = known.step is Step.UPLOAD and known.checkpoint.upload is None
    return waits and to_send and not known.spec.is_url and not exists(known.spec.source)


def _agree(prepared: Prepared, known: Job, note: str) -> bool:
    """Return whether two sources with one fingerprint have one content, as far as that is cheap to tell.

    ``note`` is what the known one's source was marked with: the ledger keeps no more of a job that is done.
    """
    spec, size_bytes = known.spec, prepared.spec.size_bytes
    if spec.is_url or size_bytes > COMPARED_BYTES:
        return True
    found, kept = look_at(spec.source), FileStat(spec.source, spec.size_bytes, spec.mtime_ns, spec.etag)
    is_as_it_was = found is not None and (
        found == kept if spec.size_bytes else is_same_content(note, note_of(found, ""))
    )
    if found is None or not is_as_it_was or found.size_bytes != size_bytes:
        return True  # gone, or written to since: it no longer shows what was taken in
    one, other = prepared.spec.source, spec.source
    try:
        with storage_for(one).open(one) as left, storage_for(other).open(other) as right:
            while piece := left.read(_PIECE_BYTES):
                if piece != right.read(_PIECE_BYTES):
                    return False
            return not right.read(1)
    except OSError:
        return True  # one of them is gone: moved, and then it is the same
