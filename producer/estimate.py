"""What a run over some folders would find new, by names alone: nothing is opened, and little is imported."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from config.settings import Settings
from jobs.ledger import Ledger
from jobs.sources import Sources
from producer.outputs import absolute
from producer.roots import WatchedRoot
from producer.scan import Rules, walk

_CHUNK = 1000

ASK_ABOVE = 20
"""A first run that would pay for more files than this is worth a question."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the files that are new in some folders would cost, about: nothing is read but their names."""

    files: int
    credits: int

    @property
    def is_worth_a_question(self) -> bool:
        """Return whether a person should be asked before it is paid."""
        return self.files > ASK_ABOVE and self.credits > 0


def has_new_files(settings: Settings, roots: Sequence[WatchedRoot], ledger: Ledger) -> bool:
    """Return whether the ledger has not seen all the files of some folders; of very many, it may have.

    Only names are compared: a file that has changed is found by the producer.
    Raises LedgerUnreachable; OSError when a root cannot be listed.
    """
    paths = [path for chunk in islice(_chunk_paths(settings, roots), 3) for path in chunk]
    return len(paths) > 2 * _CHUNK or None in Sources(ledger).seen(paths)


def estimate_run(settings: Settings, roots: Sequence[WatchedRoot], ledger: Ledger) -> Estimate:
    """Return how many files a run would submit that the ledger has not seen, and about what they cost.

    The local studio costs nothing. Raises LedgerUnreachable; OSError when a root cannot be listed.
    """
    sources = Sources(ledger)
    files = sum(sources.seen(chunk).count(None) for chunk in _chunk_paths(settings, roots))
    lines = len((settings.instruction or "one").splitlines())
    paid = settings.backend == "cloud" and not settings.ignore_existing
    return Estimate(files, files * settings.edit_credits * lines if paid else 0)


def _chunk_paths(settings: Settings, roots: Sequence[WatchedRoot]) -> Iterator[list[str]]:
    """Yield the paths of all media files of some folders, so many at a time."""
    kept = (*(root.outbox for root in roots), absolute(settings.state_dir))
    rules = Rules(tuple(dict.fromkeys(kept)), settings.ignore, settings.only)
    for root in roots:
        found = walk(root.path, rules)
        while chunk := [stat.path for stat in islice(found, _CHUNK)]:
            yield chunk
