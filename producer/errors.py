"""What can go wrong between a folder and the ledger.

ProducerError
├── Refused                a file that must not cost a credit; carries the `Problem` for its result
│   └── UnusableSidecar    instructions that cannot be read; names the file and the line
├── SourceBusy             somebody still writes the file, or it is not complete: it is looked at again
│   └── SourceChanged      the file is not the one that was stable: it is watched again
├── SourceGone             the file is not there any more: nothing is concluded from it
├── TranscodingStopped     the producer ends; the file is found again by the next one
└── UnusableManifest       rows of a manifest that are unusable, with their numbers
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from jobs.model import Problem
from storage import BadCredentials, Changed, Denied, StorageError


def printable(name: str) -> str:
    """Return a name as it can stand in one line: control characters and what is not UTF-8 are spelled out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name)


class ProducerError(Exception):
    """Root of what the producer raises; ``str()`` is one line for a person."""

    code: ClassVar[str] = "producer_error"


class Refused(ProducerError):
    """A file that is not sent anywhere; its result carries the ``problem``."""

    code: ClassVar[str] = "refused"

    def __init__(self, problem: Problem) -> None:
        """Keep the problem."""
        super().__init__(problem.message)
        self.problem = problem


class UnusableSidecar(Refused):
    """Instructions of a file or a folder that cannot be read."""

    code: ClassVar[str] = "unusable_sidecar"

    def __init__(self, path: str, line: int | None, why: str, advice: str = "") -> None:
        """Name the file, the line (from 1; None = no line in particular) and what is wrong there."""
        place = f"{printable(path)}, line {line}" if line else printable(path)
        advice = (
            advice or "Correct it and save the file; its video is then taken by itself, and nothing was paid."
        )
        super().__init__(Problem(code=self.code, message=f"{place}: {why}", advice=advice))


class SourceBusy(ProducerError):
    """The file is not whole yet."""

    code: ClassVar[str] = "source_busy"


class SourceChanged(SourceBusy):
    """The file changed while it was looked at."""

    code: ClassVar[str] = "source_changed"


class SourceGone(ProducerError):
    """The file was moved or deleted before it was taken."""

    code: ClassVar[str] = "source_gone"


class TranscodingStopped(ProducerError):
    """The producer ends."""

    code: ClassVar[str] = "transcoding_stopped"


class UnusableManifest(ProducerError):
    """A manifest with bad rows; ``errors`` has one line a row."""

    code: ClassVar[str] = "unusable_manifest"

    def __init__(self, errors: tuple[str, ...]) -> None:
        """Keep the lines."""
        super().__init__(errors[0] if errors else "the manifest is unusable")
        self.errors = errors


@contextmanager
def map_storage_errors() -> Iterator[None]:
    """Raise SourceGone or SourceChanged for what says nothing about a file; it is looked at again later.

    A file that is denied to us stays an OSError.
    """
    try:
        yield
    except Changed as exc:
        raise SourceChanged(str(exc)) from exc
    except StorageError as exc:
        if isinstance(exc, Denied) and not isinstance(exc, BadCredentials):
            raise
        raise SourceGone(str(exc)) from exc
