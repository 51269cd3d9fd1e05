"""Shared sessions: files of one group work in one editing session, one after the other (api-contract 7).

Whose turn it is follows from the ledger: of a group, only the first unfinished job is ever due.
"""

from jobs.ledger import Ledger
from jobs.model import SessionRef
from jobs.redis import PREFIX, map_redis_errors


class SharedSessions:
    """The session of each group, and whose file lies on its timeline."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep them in the ledger's Redis."""
        self._client = ledger.client

    def acquire(self, group: str, job_id: str, session: SessionRef) -> None:
        """Work in this session from now on; its timeline is this job's."""
        fields = {"session": session.model_dump_json(exclude_defaults=True), "owner": job_id}
        with map_redis_errors():
            self._client.hset(_key(group), mapping=fields)

    def find(self, group: str) -> SessionRef | None:
        """Return the session of the group, if one was opened."""
        with map_redis_errors():
            text = self._client.hget(_key(group), "session")
        return SessionRef.model_validate_json(text) if text else None

    def is_used(self, group: str) -> bool:
        """Tell whether any job was ever given to the group: a tweak, or a file of a shared folder."""
        with map_redis_errors():
            return bool(self._client.exists(_key(group)))

    def is_owner(self, group: str, job_id: str) -> bool:
        """Tell whether the timeline of the group's session is this job's, and no other's yet."""
        with map_redis_errors():
            return self._client.hget(_key(group), "owner") in {None, job_id}

    def forget(self, group: str, job_id: str) -> None:
        """Drop the group's session, which the service has lost, if this job worked in it last."""
        if self.is_owner(group, job_id):
            with map_redis_errors():
                self._client.hdel(_key(group), "session", "owner")


def _key(group: str) -> str:
    return f"{PREFIX}group:{group}"
