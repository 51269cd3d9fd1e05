"""Groups: jobs that share one editing session, one after the other (api-contract 7, "batch style").

The turn is a job's from its upload to its end, parked or not: until then its file lies on the timeline. Those
behind it wait without holding a thread, and the one that leaves calls the next.
"""

from jobs.codec import pack
from jobs.connection import PREFIX, reaching
from jobs.ledger import Ledger
from jobs.model import SessionRef


class Groups:
    """The turns and the sessions of all groups."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep them in the ledger's Redis."""
        self._ledger = ledger

    def take(self, group: str, job_id: str) -> bool:
        """Take the turn, or keep it; False when another job has it (this one is in line then)."""
        with reaching():
            return bool(self._ledger.scripts.turn(args=self._args(group, job_id)))

    def leave(self, group: str, job_id: str) -> None:
        """Give the turn up; the first in line is called. Harmless when the job had none."""
        with reaching():
            self._ledger.scripts.release(args=self._args(group, job_id))

    def use(self, group: str, job_id: str, session: SessionRef) -> None:
        """Say that the group works in this session from now on, and that its timeline is this job's."""
        with reaching():
            self._ledger.client.hset(_key(group), mapping={"session": pack(session), "owner": job_id})

    def session(self, group: str) -> SessionRef | None:
        """The session of the group, if one was opened."""
        with reaching():
            text = self._ledger.client.hget(_key(group), "session")
        return SessionRef.model_validate_json(text) if text else None

    def owns(self, group: str, job_id: str) -> bool:
        """Whether the timeline of the group's session is this job's, and no other's yet."""
        with reaching():
            return self._ledger.client.hget(_key(group), "owner") in {None, job_id}

    def forget(self, group: str, job_id: str) -> None:
        """The session is gone, says the job whose it was; of any other job nothing is believed."""
        if self.owns(group, job_id):
            with reaching():
                self._ledger.client.hdel(_key(group), "session", "owner")

    def _args(self, group: str, job_id: str) -> list[str | float]:
        return [PREFIX, group, job_id, self._ledger.now()]


def _key(group: str) -> str:
    return f"{PREFIX}group:{group}"
