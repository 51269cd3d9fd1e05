"""What people were notified of last: several workers look, and one of them sends."""

from collections.abc import Iterable

from jobs.ledger import Ledger
from jobs.model import Job, State
from jobs.redis import PREFIX, encode_argument, map_redis_errors


class NoticeMarks:
    """A mark for each subject in the ledger's Redis; whoever moves a mark on is the one to notify."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep them in the ledger's Redis."""
        self._ledger = ledger

    def all(self) -> dict[str, str]:
        """Return the mark of each subject. Raises LedgerUnreachable."""
        with map_redis_errors():
            return dict(self._ledger.client.hgetall(f"{PREFIX}notices"))

    def claim(self, subject: str, known: str, mark: str) -> bool:
        """Move a subject's mark on from what this caller read (``""`` = none); False when another was first.

        An empty ``mark`` removes it. Raises LedgerUnreachable.
        """
        argument = encode_argument(subject=subject, known=known, mark=mark)
        with map_redis_errors():
            return bool(self._ledger.scripts.notice_claim(args=argument))

    def count_ended(self, states: Iterable[State], after: float, until: float) -> dict[State, int]:
        """Count the jobs that came into each of these states after ``after`` and not later than ``until``."""
        wanted = list(states)
        with map_redis_errors(), self._ledger.client.pipeline(transaction=False) as pipe:
            for state in wanted:
                pipe.zcount(f"{PREFIX}in:{state}", f"({after!r}", until)
            return dict(zip(wanted, pipe.execute(), strict=True))

    def first_ended(self, states: Iterable[State], after: float, until: float, limit: int) -> list[Job]:
        """Return the first few of those jobs, in the order in which they ended."""
        with map_redis_errors(), self._ledger.client.pipeline(transaction=False) as pipe:
            for state in states:
                pipe.zrangebyscore(
                    f"{PREFIX}in:{state}", f"({after!r}", until, start=0, num=limit, withscores=True
                )
            ended = [row for found in pipe.execute() for row in found]
        # By the index: the record of a done job keeps whole seconds only.
        first = sorted(ended, key=lambda row: row[1])[:limit]
        return self._ledger.many([job_id for job_id, _ in first])
