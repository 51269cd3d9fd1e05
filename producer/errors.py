"""What can go wrong between a folder and the ledger.

ProducerError
├── Refused              a file that must not cost a credit; carries the `Problem` for its result
│   └── BrokenSidecar    instructions that cannot be read; names the file and the line
├── SourceChanged        the file is not the one that settled: it is watched again
├── SourceGone           the file is not there any more: nothing is concluded from it
└── BrokenManifest       rows of a manifest that are unusable, with their numbers
"""

from jobs.model import Problem


def shown(name: str) -> str:
    """A name as it can stand in one line: control characters and what is not UTF-8 are spelled out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name)


class ProducerError(Exception):
    """Root of what the producer raises; ``str()`` is one line for a person."""


class Refused(ProducerError):
    """A file that is not sent anywhere; its result carries the ``problem``."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem."""
        super().__init__(problem.message)
        self.problem = problem


class BrokenSidecar(Refused):
    """Instructions of a file or a folder that cannot be read."""

    def __init__(self, path: str, line: int, why: str) -> None:
        """Name the file, the line (from 1) and what is wrong there."""
        message = f"{shown(path)}, line {line}: {why}"
        advice = "Mend that line and save the file; its video is then taken by itself."
        super().__init__(Problem(kind="BrokenInstructions", message=message, advice=advice))


class SourceChanged(ProducerError):
    """The file changed while it was looked at."""


class SourceGone(ProducerError):
    """The file was moved or deleted before it was taken."""


class BrokenManifest(ProducerError):
    """A manifest with bad rows; ``errors`` has one line a row."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        """Keep the lines."""
        super().__init__(errors[0] if errors else "the manifest is unusable")
        self.errors = errors
