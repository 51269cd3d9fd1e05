"""What the producer keeps in the ledger besides jobs: sources that need none, and duplicates."""

from collections.abc import Iterator, Mapping

from jobs.codec import spec_fields
from jobs.connection import PREFIX, reaching
from jobs.ledger import Ledger, source_key
from jobs.model import Job

NO_JOB = "-"
"""Stands for the job of a source that needs none."""

LOST = "SourceGone"
"""Class of the problem of a job whose file is no longer where it was."""


BEAT_S = 60.0
"""A producer that has said nothing for so long counts as gone."""


class Intake:
    """Notes on sources; every one can be lost without losing or repeating a job."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep them in the ledger's Redis."""
        self._ledger, self._client = ledger, ledger.client
        self._duplicates = f"{PREFIX}duplicates"

    def mark(self, seen: Mapping[str, tuple[str, str]]) -> None:
        """Mark sources (path → note, job id) as seen: what `Ledger.seen` then answers."""
        if seen:
            with reaching():
                fields = {source_key(path): f"{note} {job_id}" for path, (note, job_id) in seen.items()}
                self._client.hset(f"{PREFIX}sources", mapping=fields)

    def follow(self, job: Job, source: str, etag: str = "") -> bool:
        """Let a job go on with its file at another path; one that failed for its lack is queued again.

        False when it was uploaded, is being worked on, or has another source meanwhile. Its output keeps
        the name it was given first. ``etag`` is the version of an object there.
        """
        spec = spec_fields(job.spec.evolve(etag=etag))["spec"]
        args = [PREFIX, job.id, self._ledger.now(), job.spec.source, source, LOST, spec]
        with reaching():
            return bool(self._ledger.scripts.follow(args=args))

    def beat(self, name: str) -> None:
        """Say that the producer of this name lives; it is forgotten after `BEAT_S`."""
        with reaching():
            self._client.set(f"{PREFIX}producer:{name}", "alive", ex=int(BEAT_S))

    def beats(self, name: str) -> bool:
        """Whether the producer of this name has said so lately."""
        with reaching():
            return bool(self._client.exists(f"{PREFIX}producer:{name}"))

    def add_duplicate(self, path: str, job_id: str) -> None:
        """Remember that a source has the content and the instructions of a job under another name."""
        with reaching():
            self._client.hset(self._duplicates, path, job_id)

    def duplicates(self) -> Iterator[tuple[str, str]]:
        """Every duplicate (path, id of the job it repeats), in no order."""
        with reaching():
            yield from self._client.hscan_iter(self._duplicates, count=1000)
