"""The render queue: one render at a time in a session, a few at once in all, progress as it goes."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from studio.errors import RenderCancelled, RenderFailed
from studio.model import Render, RenderStatus
from studio.settings import StudioSettings
from studio.simulation import shown_name, simulated_s
from studio.store import Store
from studio.timeline import media_ids, song_ids

Remember = Callable[..., Awaitable[Any]]
_STUCK_AT = 42.0
_log = logging.getLogger("studio.rendering")


class RenderQueue:
    """Takes pending renders from the store and makes them in threads.

    A render that a stop interrupts stays `processing` in the store, and is queued again at the next start.
    """

    def __init__(
        self, store: Store, remember: Remember, settings: StudioSettings, song: Callable[[str], Path | None]
    ) -> None:
        """Render into the root's `renders`, so many at once; `song` finds a song of the user's library."""
        at_once = settings.renders_at_once
        self._settings = settings
        self._store = store
        self._song = song
        self._remember = remember
        self._folder = settings.root / "renders"
        self._threads = ThreadPoolExecutor(at_once, "studio-render")
        self._free = asyncio.Semaphore(at_once)
        self._wake = asyncio.Event()
        self._stop = threading.Event()
        self._progress: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to take renders; those left from before come first."""
        self._wake.set()
        self._keep(self._serve())

    def notice(self) -> None:
        """Say that there may be a render to take."""
        self._wake.set()

    def progress_of(self, render: Render) -> float:
        """Answer how far a render is, 0 to 100."""
        if render.status is RenderStatus.COMPLETED:
            return 100.0
        return self._progress.get(render.id, 0.0)

    def path_of(self, render: Render) -> Path:
        """Answer where the render's file is, or will be."""
        return self._folder / f"{render.secret}.mp4"

    async def close(self) -> None:
        """Stop all renders; their processes end within moments."""
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def _serve(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._take_all()

    async def _take_all(self) -> None:
        while True:
            await self._free.acquire()
            render = await self._remember(self._store.renders.next)
            if render is None:
                self._free.release()
                return
            self._keep(self._make(render))

    async def _make(self, render: Render) -> None:
        try:
            if render.fate == "dead":
                self._progress[render.id] = _STUCK_AT
                return
            error = await self._render(render)
            await self._remember(self._store.renders.finish, render.id, error)
            self._progress.pop(render.id, None)
        finally:
            self._free.release()
            self._wake.set()

    async def _render(self, render: Render) -> str | None:
        """Make the file; answer None, or in one line why it failed."""
        media = await self._remember(self._files_of, render)
        if self._settings.simulate:
            return await self._simulate(render, media)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._in_thread, render, media)
        except RenderCancelled as error:
            raise asyncio.CancelledError from error
        except RenderFailed as error:
            return str(error)
        except Exception:  # noqa: BLE001 - a draft from outside may be wrong in any way; the queue goes on
            _log.exception("render %s broke the renderer", render.id)
            return "The draft could not be rendered."
        return "The render failed on request." if render.fate == "failed" else None

    async def _simulate(self, render: Render, media: dict[str, Path]) -> str | None:
        whole_s, tenths = simulated_s("render", shown_name(render.draft, render.id), self._settings), 10
        for done in range(tenths):
            self._progress[render.id] = 100.0 * done / tenths
            await asyncio.sleep(whole_s / tenths)
        source = next(iter(media.values()), None)
        if source is None or render.fate == "failed":
            return "The render failed on request." if source else "The draft shows no upload."
        await asyncio.to_thread(shutil.copyfile, source, self.path_of(render))
        return None

    def _in_thread(self, render: Render, media: dict[str, Path]) -> None:
        from studio.render import render as make  # noqa: PLC0415 - loads numpy; the server starts without it

        def progress(percent: float) -> None:
            self._progress[render.id] = percent

        if render.fate != "failed":
            make(render.draft, media, self.path_of(render), progress=progress, cancelled=self._stop.is_set)

    def _files_of(self, render: Render) -> dict[str, Path]:
        found = (self._store.sessions.find_media(render.account, name) for name in media_ids(render.draft))
        songs = ((name, self._song(name)) for name in song_ids(render.draft))
        return {media.id: media.path for media in found if media} | {
            name: path for name, path in songs if path
        }

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
