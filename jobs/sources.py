"""What the producer keeps in the ledger besides jobs: sources it has seen, and which are duplicates."""

import uuid
from collections.abc import Iterable, Iterator, Mapping

from jobs.ledger import Ledger, pack_spec, path_key
from jobs.model import STALE_CODES, Job
from jobs.redis import PREFIX, encode_argument, map_redis_errors

NO_JOB = "-"
"""Stands for the job of a source that needs none."""

HEARTBEAT_S = 60.0
"""A producer that has shown no sign of life for so long counts as gone."""


class Sources:
    """Notes on sources; every one can be lost without losing or repeating a job."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep them in the ledger's Redis."""
        self._ledger, self._client = ledger, ledger.client

    def seen(self, sources: Iterable[str]) -> list[tuple[str, str] | None]:
        """Return for each source the (note, job id) it was last marked with, or None."""
        keys = [path_key(source) for source in sources]
        with map_redis_errors():
            rows = self._client.hmget(f"{PREFIX}sources", keys) if keys else []
        return [(row.rpartition(" ")[0], row.rpartition(" ")[2]) if row else None for row in rows]

    def mark(self, seen: Mapping[str, tuple[str, str]]) -> None:
        """Mark sources (path → note, job id) as seen."""
        if seen:
            fields = {path_key(path): f"{note} {job_id}" for path, (note, job_id) in seen.items()}
            with map_redis_errors():
                self._client.hset(f"{PREFIX}sources", mapping=fields)

    def ledger_id(self) -> str:
        """Return the identity of the ledger, made once: an outbox belongs to one ledger."""
        with map_redis_errors():
            self._client.set(f"{PREFIX}id", uuid.uuid4().hex, nx=True)
            return str(self._client.get(f"{PREFIX}id"))

    def relocate(self, job: Job, source: str, etag: str = "") -> bool:
        """Let a job go on with its file at another path; one that failed for its sake is queued again.

        False when it was uploaded, is being worked on, or has another source meanwhile. Its output keeps
        the name it was given first. ``etag`` is the version of an object there.
        """
        argument = encode_argument(
            id=job.id,
            now=self._ledger.now(),
            was=job.spec.source,
            source=source,
            codes=dict.fromkeys(STALE_CODES, True),
            spec=pack_spec(job.spec.evolve(etag=etag)),
        )
        with map_redis_errors():
            return bool(self._ledger.scripts.relocate(args=argument))

    def supersede(self, job: Job) -> bool:
        """Cancel a job for a newer wish for its source; False when its instruction was sent or it has ended.

        A tweak is no wish for the source, but for what was made of it: it stays. The name of the output is
        free afterwards.
        """
        if job.spec.parent is not None:
            return False
        argument = encode_argument(id=job.id, now=self._ledger.now(), output_key=path_key(job.spec.output))
        with map_redis_errors():
            return bool(self._ledger.scripts.supersede(args=argument))

    def beat(self, name: str) -> None:
        """Show that the producer of this name is alive; it is forgotten after `HEARTBEAT_S`."""
        with map_redis_errors():
            self._client.set(f"{PREFIX}producer:{name}", "alive", ex=int(HEARTBEAT_S))

    def is_alive(self, name: str) -> bool:
        """Tell whether the producer of this name has shown a sign of life lately."""
        with map_redis_errors():
            return bool(self._client.exists(f"{PREFIX}producer:{name}"))

    def add_duplicate(self, path: str, job_id: str) -> None:
        """Remember that a source has the content and the instructions of a job under another name."""
        with map_redis_errors():
            self._client.hset(f"{PREFIX}duplicates", path, job_id)

    def mark_rewritten(self, source: str, job_id: str) -> None:
        """Remember that a source was written again after it was sent for a job, and is not what was sent."""
        with map_redis_errors():
            self._client.hset(f"{PREFIX}rewritten", path_key(source), job_id)

    def is_rewritten(self, source: str, job_id: str) -> bool:
        """Tell whether a source was written again after it was sent for a job."""
        with map_redis_errors():
            return bool(self._client.hget(f"{PREFIX}rewritten", path_key(source)) == job_id)

    def duplicates(self) -> Iterator[tuple[str, str]]:
        """Yield every duplicate (path, id of the job it repeats), in no order."""
        with map_redis_errors():
            yield from self._client.hscan_iter(f"{PREFIX}duplicates", count=1000)
