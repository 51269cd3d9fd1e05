"""What the studio remembers, in one SQLite file under its root folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from studio.store.accounts import Accounts, MintLimits
from studio.store.database import Database, Journal, Visit
from studio.store.edits import Change, Edits, Replay, Scene, Work, digest_of
from studio.store.sessions import RenderOrder, Renders, Sessions

__all__ = ["Change", "MintLimits", "RenderOrder", "Replay", "Scene", "Store", "Visit", "Work", "digest_of"]


class Store:
    """All the tables over one database; synchronous, used from one thread at a time."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        """Open (or make) the store under `root`; work a stop interrupted is put right."""
        self._database = Database(root / "studio.sqlite3")
        self.accounts = Accounts(self._database, clock)
        self.sessions = Sessions(self._database, clock)
        self.edits = Edits(self._database, self.accounts, self.sessions, clock)
        self.renders = Renders(self._database, clock)
        self.journal = Journal(self._database, clock)
        self.edits.drop_all()
        self.renders.requeue()

    def list_files(self) -> frozenset[str]:
        """Answer the names of all files that sessions and completed renders refer to."""
        return frozenset(self.sessions.file_names() + self.renders.file_names())

    def close(self) -> None:
        """Close the file."""
        self._database.close()
