"""What the command line cannot go on with; each carries its exit code (expectations, "Conventions").

CliError
├── Unusable          what was asked for cannot be done as it was asked             exit 2
├── AccountRefused    the service refuses the account                               exit 7
├── ServiceAway       the service gives no usable answer                            exit 1
├── AlreadyRunning    another run holds the state folder                            exit 2
└── ChildFailed       a part of the program does not start, or keeps ending         exit 1
"""


class CliError(Exception):
    """Root of what the command line raises; ``str()`` is one clear line for the person."""

    exit_code = 1


class Unusable(CliError):
    """Bad input: a folder that is missing, say; the message says what, where, and what to do."""

    exit_code = 2


class AlreadyRunning(CliError):
    """Another run works in the same state folder."""

    exit_code = 2


class AccountRefused(CliError):
    """The account is refused by the service; the message says what to do."""

    exit_code = 7


class ServiceAway(CliError):
    """The service does not answer, or not as it should."""


class ChildFailed(CliError):
    """A child process does not start, or ended too often; the message holds its last words."""
