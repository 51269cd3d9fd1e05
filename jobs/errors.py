"""What can go wrong between a job and its ledger.

LedgerError
├── LeaseLost          another worker holds the job now: stop, and write nothing
├── LedgerUnreachable  the Redis server does not answer, or takes no writes
├── NotDurable         a replica did not confirm a write in time: nothing paid may be sent
├── NoSuchJob          no job has that id
├── NotAllowed         the job is not in a state in which that makes sense
└── ResultNotWritten   the result file could not be written
"""

from typing import ClassVar


class LedgerError(Exception):
    """Root of what the ledger raises; ``str()`` is one line for a person, ``code`` never changes."""

    code: ClassVar[str] = "ledger_error"


class LeaseLost(LedgerError):
    """A write carried a stale fencing token and was refused."""

    code = "lease_lost"


class LedgerUnreachable(LedgerError):
    """The Redis server could not be reached, broke the connection, or takes no writes at the moment."""

    code = "ledger_unreachable"


class NotDurable(LedgerError):
    """The write is made, but no replica confirmed it in time; after a failover it may be gone."""

    code = "not_durable"


class NoSuchJob(LedgerError):
    """No job with that id is in the ledger."""

    code = "no_such_job"


class NotAllowed(LedgerError):
    """The command makes no sense in the state the job is in."""

    code = "not_allowed"


class ResultNotWritten(LedgerError):
    """The result file could not be written (a full disk, a folder that is gone)."""

    code = "result_not_written"
