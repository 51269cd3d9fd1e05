"""The user's own music, looked through in the background."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from studio.music.library import Library
from studio.threads import LooseThreads

if TYPE_CHECKING:  # numpy is loaded on first use, so that the server starts fast.
    from studio.music.song import Song


class Songs:
    """Keeps a library up to date: a first look at the start, a quick one before music is chosen."""

    def __init__(self, folder: Path | None, root: Path) -> None:
        """Look into `folder` (None: there is no library); what is measured is kept under `root`."""
        self._library = Library(folder, root / "songs.json")
        self._threads = LooseThreads(1)
        self._first: asyncio.Task[None] | None = None

    @property
    def known(self) -> tuple[Song, ...]:
        """The songs known by now."""
        return self._library.songs

    def path_of(self, song: str) -> Path | None:
        """Answer the file of a song, or None."""
        return self._library.path_of(song)

    def start(self) -> None:
        """Begin to look."""
        self._first = asyncio.create_task(self.ready())

    async def ready(self) -> None:
        """Wait until every song there is now was measured."""
        await self._threads.run(self._library.refresh)

    async def close(self) -> None:
        """Give up; what was not measured yet is measured next time."""
        self._library.stop()
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)
