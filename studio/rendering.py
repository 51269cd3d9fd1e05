"""The render queue: one render at a time in a session, a few at once in all, progress as it goes."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio.errors import RenderCancelled, RenderFailed
from studio.faults import chance
from studio.handover import stamp_of
from studio.model import Draft, Media, Render, RenderStatus
from studio.pool import RENDER, ProcessPool, WorkerCrashed
from studio.settings import StudioSettings
from studio.store import Store
from studio.timeline import media_ids, song_ids

_RANGES_S = {"edit": (10.0, 40.0), "render": (30.0, 90.0)}  # api-contract 2, Durations


def draw_simulated_s(what: str, name: str, settings: StudioSettings) -> float:
    """Answer the seconds an `edit` or a `render` takes, scaled by `time_scale`.

    It depends on `name` and the seed alone, so that every client meets the same times, in whatever order it
    comes.
    """
    least, most = _RANGES_S[what]
    return (least + (most - least) * chance(settings.seed, what, name)) * settings.time_scale


def find_shown_name(draft: Draft | None, otherwise: str) -> str:
    """Answer the name of the file a draft shows, without its suffix; `otherwise` where it tells none."""
    meta = (draft or {}).get("m")
    title = meta.get("title") if isinstance(meta, dict) else None
    return str(title) if title else otherwise


def remove_oldest(folder: Path, most_bytes: float, now_s: float | None = None) -> None:
    """Remove the oldest finished renders beyond so many bytes, none of the last hour: they may be fetched.

    What is asked for later is rendered again from its timeline.
    """
    found = []
    for path in folder.glob("[!.]*"):
        with suppress(OSError):
            at = path.stat()
            found.append((at.st_mtime, at.st_size, path))
    found.sort(reverse=True)
    total, until_s = 0, (time.time() if now_s is None else now_s) - _FRESH_S
    for mtime_s, size_bytes, path in found:
        total += size_bytes
        if total > most_bytes and mtime_s < until_s:
            path.unlink(missing_ok=True)


def remove_sources(folder: Path, settled: Sequence[Path], most_bytes: float) -> list[Path]:
    """Remove the first of the `settled` sources, until those in `folder` are no more than so many bytes.

    One that its owner has too (a hard link) takes no room, and stays. Answers those that were removed.
    """
    sizes, removed = {}, []
    for path in folder.iterdir():
        with suppress(OSError):
            at = path.stat()
            if at.st_nlink == 1:
                sizes[path.name] = at.st_size
    total = sum(sizes.values())
    for path in settled:
        if total > most_bytes and path.name in sizes:
            path.unlink(missing_ok=True)
            total -= sizes[path.name]
            removed.append(path)
    return removed


Remember = Callable[..., Awaitable[Any]]
_STUCK_AT = 42.0
_LOOK_AT_SOURCES_S = 60.0
_FRESH_S = 3600.0


class RenderQueue:
    """Takes pending renders from the store and makes them in the process pool.

    A render that a stop interrupts stays `processing` in the store, and is queued again at the next start.
    """

    def __init__(
        self,
        store: Store,
        remember: Remember,
        settings: StudioSettings,
        song: Callable[[str], Path | None],
        pool: ProcessPool,
    ) -> None:
        """Render into the root's `renders`, so many at once; `song` finds a song of the user's library."""
        at_once = settings.renders_at_once
        self._settings = settings
        self._store = store
        self._song = song
        self._remember = remember
        self._folder = settings.root / "renders"
        self._pool = pool
        self._free = asyncio.Semaphore(at_once)
        self._wake = asyncio.Event()
        self._progress: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sources_at_s = 0.0

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
        """Take no more renders; the pool stops those that are being made."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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
            await asyncio.to_thread(remove_oldest, self._folder, self._settings.keep_gb * 1e9)
            await self._bound_sources()
            self._progress.pop(render.id, None)
        finally:
            self._free.release()
            self._wake.set()

    async def _bound_sources(self) -> None:
        """Let go of sources beyond what is to be kept; at most once a minute."""
        now_s = time.time()
        if now_s < self._sources_at_s:
            return
        self._sources_at_s = now_s + _LOOK_AT_SOURCES_S
        settled = await self._remember(self._store.sessions.list_settled, now_s - _FRESH_S)
        most_bytes = self._settings.keep_sources_gb * 1e9
        gone = await asyncio.to_thread(remove_sources, self._settings.root / "media", settled, most_bytes)
        await self._remember(self._store.sessions.forget, gone)

    async def _render(self, render: Render) -> str | None:
        """Make the file; answer None, or in one line why it failed."""
        uploads = await self._remember(self._uploads_of, render)
        songs = ((name, self._song(name)) for name in song_ids(render.draft))
        if self._settings.simulate:
            source = next((media.path for media in uploads), None)
            whole_s, tenths = (
                draw_simulated_s("render", find_shown_name(render.draft, render.id), self._settings),
                10,
            )
            for done in range(tenths):
                self._progress[render.id] = 100.0 * done / tenths
                await asyncio.sleep(whole_s / tenths)
            if source is None or render.fate == "failed":
                return "The render failed on request." if source else "The draft shows no upload."
            await asyncio.to_thread(shutil.copyfile, source, self.path_of(render))
            return None
        if render.fate == "failed":
            return "The render failed on request."
        task = {
            "kind": RENDER,
            "draft": render.draft,
            "media": {
                **{media.id: str(media.path) for media in uploads},
                **{name: str(path) for name, path in songs if path},
            },
            "infos": {media.id: asdict(media.info) for media in uploads},
            "out": str(self.path_of(render)),
            "small": render.quality == "low",
            "exports": list(render.exports),
        }

        def report(percent: float) -> None:
            self._progress[render.id] = percent

        try:
            await self._pool.run(task, report)
        except RenderCancelled as exc:
            raise asyncio.CancelledError from exc
        except WorkerCrashed as exc:
            return f"The render broke off: {exc}."
        except RenderFailed as exc:
            return _find_changed(uploads) or str(exc)
        return _find_changed(uploads)

    def _uploads_of(self, render: Render) -> list[Media]:
        """Answer the uploads that the draft names."""
        found = (self._store.sessions.find_media(render.account, name) for name in media_ids(render.draft))
        return [media for media in found if media]

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _find_changed(uploads: Sequence[Media]) -> str | None:
    """Say in one line which file was written to since it came in; None when none was.

    A file that was handed over by a link is the client's own file, and what was made of it may be half old.
    """
    for media in uploads:
        if media.stamp and media.stamp != stamp_of(media.path.stat()):
            return f"{media.filename} was changed while it was being worked on."
    return None
