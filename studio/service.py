"""The studio as one object: its settings, its memory, its hands. Made once, shared by all endpoints."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from studio.faults import Faults, FaultTable, load_faults
from studio.looking import Looks
from studio.model import Render, RenderStatus
from studio.rendering import RenderQueue
from studio.settings import StudioSettings
from studio.songs import Songs
from studio.store import Store
from studio.threads import LooseThreads
from studio.traffic import Traffic

P = ParamSpec("P")
T = TypeVar("T")
_FETCHES_AT_ONCE = 8


class Studio:
    """Everything a request may need.

    The store is used from a thread of its own by `remember`, so that no request waits for the disk.
    """

    def __init__(self, settings: StudioSettings, clock: Callable[[], float] = time.time) -> None:
        """Open the store under the settings' root folder."""
        self.settings = settings
        self.clock = clock
        self.faults = Faults(
            load_faults(settings.faults) if settings.faults else FaultTable(seed=settings.seed)
        )
        self.traffic = Traffic(settings.requests_per_s, clock)
        self.closing = asyncio.Event()
        self.working: set[asyncio.Task[None]] = set()
        self.media_dir = _folder(settings.root / "media")
        self.renders_dir = _folder(settings.root / "renders")
        self.store = Store(settings.root, clock)
        self.looks = Looks(self.store, self.remember)
        self.songs = Songs(settings.music, settings.root)
        self.renders = RenderQueue(self.store, self.remember, settings, self.songs.path_of)
        self.fetching = LooseThreads(_FETCHES_AT_ONCE)
        self._memory = ThreadPoolExecutor(1, "studio-store")

    async def remember(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function of the store in the store's thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._memory, lambda: function(*args, **kwargs))

    def render_path(self, render: Render) -> Path | None:
        """Answer the file of a completed render, or None."""
        return self.renders.path_of(render) if render.status is RenderStatus.COMPLETED else None

    async def open(self) -> None:
        """Clear away what a kill left half-done; start what works in the background."""
        await self.remember(self._sweep)
        self.songs.start()
        self.renders.start()

    async def close(self) -> None:
        """Stop quickly: what has not landed costs nothing, what was being rendered begins anew next time."""
        self.halt()
        await asyncio.gather(*self.working, return_exceptions=True)
        await self.renders.close()
        await self.looks.close()
        await self.songs.close()
        self._memory.shutdown()
        self.store.close()

    def _sweep(self) -> None:
        """Remove files that belong to nothing: half an upload, half a render."""
        known = self.store.known_files()
        for folder in (self.media_dir, self.renders_dir):
            for path in folder.iterdir():
                if path.name not in known:
                    _remove(path)

    def halt(self) -> None:
        """Let every open stream and every edit end now."""
        self.closing.set()
        for task in self.working:
            task.cancel()


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _remove(path: Path) -> None:
    """Remove a file, or the folder that a render kept its unfinished parts in."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
