"""What can go wrong between a job and its ledger.

LedgerError
├── LeaseLost          another worker holds the job now: stop, write nothing
├── LedgerUnreachable  the Redis server does not answer
├── NoSuchJob          no job has that id
└── NotAllowed         the job is not in a state in which that makes sense
"""


class LedgerError(Exception):
    """Root of what the ledger raises; ``str()`` is one line for a person."""


class LeaseLost(LedgerError):
    """The write came from a stale epoch and was refused (design, invariant 2)."""


class LedgerUnreachable(LedgerError):
    """The Redis server could not be reached, or broke the connection."""


class NoSuchJob(LedgerError):
    """No job of that id is in the ledger."""


class NotAllowed(LedgerError):
    """What was asked makes no sense in the state the job is in."""
