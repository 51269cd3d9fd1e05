"""What the command line cannot go on with; each has a stable ``code`` for programs, and its exit code.

CliError                                                                            exit 1
├── Unusable            what was asked for cannot be done as it was asked           exit 2
│   └── BadRows         rows of a list or manifest cannot be used                   exit 2
├── AlreadyRunning      another run holds the state folder                          exit 2
├── AccountRefused      the service refuses the account                             exit 7
├── ServiceUnavailable  the service gives no usable answer                          exit 1
├── ChildFailed         a part of the program does not start, or keeps ending       exit 1
└── Interrupted         a person stopped it before its end                          exit 130
"""

import json
from dataclasses import asdict, dataclass
from typing import ClassVar

from config.errors import ConfigError
from jobs.errors import LedgerError


class CliError(Exception):
    """Root of what the command line raises; ``str()`` is one clear line for the person."""

    code: ClassVar[str] = "cli_error"
    exit_code: ClassVar[int] = 1


class Unusable(CliError):
    """Bad input: a folder that is missing, say; the message says what, where, and what to do."""

    code: ClassVar[str] = "unusable"
    exit_code: ClassVar[int] = 2


class BadRows(Unusable):
    """Rows of a list or manifest that cannot be used; ``rows`` says of each where it is and what is wrong."""

    code: ClassVar[str] = "bad_rows"

    def __init__(self, message: str, rows: tuple[str, ...]) -> None:
        """Keep the rows, a line each."""
        super().__init__(message)
        self.rows = rows


class AlreadyRunning(CliError):
    """Another run works in the same state folder."""

    code: ClassVar[str] = "already_running"
    exit_code: ClassVar[int] = 2


class AccountRefused(CliError):
    """The account is refused by the service; the message says what to do."""

    code: ClassVar[str] = "account_refused"
    exit_code: ClassVar[int] = 7


class ServiceUnavailable(CliError):
    """The service does not answer, or not as it should."""

    code: ClassVar[str] = "service_unavailable"


class ChildFailed(CliError):
    """A child process does not start, or ended too often; the message holds the last line it wrote."""

    code: ClassVar[str] = "child_failed"


class Interrupted(CliError):
    """Ended by Ctrl-C or a signal, with work left; the message says how to go on."""

    code: ClassVar[str] = "interrupted"
    exit_code: ClassVar[int] = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """What a command could not go on with: a line for a person, an exit code, a code for programs."""

    message: str
    exit_code: int
    code: str
    rows: tuple[str, ...] = ()

    def as_json(self) -> str:
        """Return the object of ``--json`` in one line, so that a reader of lines can read it too."""
        return json.dumps({"error": asdict(self)}, ensure_ascii=False)


def describe_failure(exc: Exception) -> Failure:
    """Describe an error for the person and for programs; an error of the system keeps its own words."""
    if isinstance(exc, CliError):
        return Failure(str(exc), exc.exit_code, exc.code, getattr(exc, "rows", ()))
    if isinstance(exc, OSError):  # a full disk, a folder that went away
        return Failure(f"{exc.filename or 'dropscore'}: {exc.strerror or exc}", 1, "os_error")
    if isinstance(exc, ConfigError):
        return Failure(str(exc), 2, "config_error")
    return Failure(str(exc), 1, getattr(exc, "code", "ledger_error"))


KNOWN = (CliError, ConfigError, LedgerError, OSError)
"""The errors that are told in one line; any other is a fault of the program and shows where it is."""
