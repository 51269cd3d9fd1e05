"""What the command line cannot go on with; each carries its exit code (expectations, "Conventions").

CliError
├── Unusable          what was asked for cannot be done as it was asked             exit 2
│   └── BadRows       rows of a list or manifest cannot be used                     exit 2
├── AccountRefused    the service refuses the account                               exit 7
├── ServiceAway       the service gives no usable answer                            exit 1
├── AlreadyRunning    another run holds the state folder                            exit 2
├── ChildFailed       a part of the program does not start, or keeps ending         exit 1
└── Interrupted       a person stopped it before its end                            exit 130
"""

import json
from dataclasses import asdict, dataclass

from config.errors import ConfigError
from jobs.errors import LedgerError


class CliError(Exception):
    """Root of what the command line raises; ``str()`` is one clear line for the person."""

    exit_code = 1


class Unusable(CliError):
    """Bad input: a folder that is missing, say; the message says what, where, and what to do."""

    exit_code = 2


class BadRows(Unusable):
    """Rows of a list or manifest that cannot be used; ``rows`` says of each where it is and what is wrong."""

    def __init__(self, message: str, rows: tuple[str, ...]) -> None:
        """Keep the rows, a line each."""
        super().__init__(message)
        self.rows = rows


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


class Interrupted(CliError):
    """Ended by Ctrl-C or a signal, with work left; the message says how to go on."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """What a command could not go on with: one line for a person, its exit code, the name of its class."""

    message: str
    exit_code: int
    kind: str
    rows: tuple[str, ...] = ()

    def as_json(self) -> str:
        """The object of ``--json`` in one line, so that a reader of lines can read it too."""
        said = asdict(self)
        return json.dumps({"error": {"class": said.pop("kind"), **said}}, ensure_ascii=False)


def failure_of(error: Exception) -> Failure:
    """The failure an error amounts to; what no part could name better is the system's own word."""
    kind = type(error).__name__
    if isinstance(error, CliError):
        return Failure(str(error), error.exit_code, kind, getattr(error, "rows", ()))
    if isinstance(error, OSError):  # a full disk, a folder that went away
        return Failure(f"{error.filename or 'dropscore'}: {error.strerror or error}", 1, kind)
    return Failure(str(error), 2 if isinstance(error, ConfigError) else 1, kind)


KNOWN = (CliError, ConfigError, LedgerError, OSError)
"""The errors that are told in one line; any other is a fault of the program and shows where it is."""
