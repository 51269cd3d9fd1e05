"""The studio that the endpoints share: store, songs, looks, renders, and what is counted of the requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import shutil
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from studio import handover
from studio.errors import StudioError
from studio.faults import Faults, FaultTable, load_faults
from studio.model import Look, Media, Render, RenderStatus
from studio.music.library import Library
from studio.pool import LOOK, ProcessPool
from studio.rendering import RenderQueue
from studio.settings import StudioSettings
from studio.store import Store

if TYPE_CHECKING:  # numpy is loaded on first use, so that the server starts fast.
    from studio.music.song import Song


P = ParamSpec("P")
T = TypeVar("T")


class LooseThreads:
    """Runs functions in daemon threads, a few at once.

    An executor's threads are joined when the process ends; a download from a slow host, or the analysis of a
    long film, would hold up SIGTERM. What runs here must leave nothing broken when it ends in the middle.
    """

    def __init__(self, at_once: int) -> None:
        """Run `at_once` functions at the same time; the others wait for their turn."""
        self._free = asyncio.Semaphore(at_once)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Answer what the function answers, or raise what it raises."""
        async with self._free:
            outcome: _Outcome[T] = _Outcome(asyncio.get_running_loop())
            work = threading.Thread(target=outcome.of, args=(lambda: function(*args, **kwargs),), daemon=True)
            work.start()
            return await outcome.future


class _Outcome(Generic[T]):
    """The way of a result from a thread to the loop; when the loop is gone, nobody waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.future: asyncio.Future[T] = loop.create_future()

    def of(self, function: Callable[[], T]) -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - handed over to whoever waits
            self._tell(partial(self._fail, error))
        else:
            self._tell(partial(self._succeed, result))

    def _tell(self, message: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(message)

    def _succeed(self, result: T) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


_KEPT = 200_000
_WINDOW_S = 1.0


@dataclass(slots=True)
class Knock:
    """A request: `at` in seconds since the epoch; `render` is what it asked for, `refused` one too many."""

    at: float
    endpoint: str
    render: str | None = None
    refused: bool = False


class Traffic:
    """The latest requests, and a moving window of one second over those that were let in."""

    def __init__(self, per_s: float | None, clock: Callable[[], float]) -> None:
        """Let `per_s` requests a second in, or all of them; `clock` tells seconds since the epoch."""
        self._clock = clock
        self._window_s = _WINDOW_S if per_s is None or per_s >= 1 else 1 / per_s
        self._room = None if per_s is None else max(1, math.floor(per_s * self._window_s))
        self._let_in: deque[float] = deque()
        self._knocks: deque[Knock] = deque(maxlen=_KEPT)

    def knock(self, endpoint: str, render: str | None) -> Knock:
        """Write a request down; it is `refused` when the window is full."""
        now = self._clock()
        self._knocks.append(knock := Knock(now, endpoint, render, refused=self._is_full(now)))
        if self._room is not None and not knock.refused:
            self._let_in.append(now)
        return knock

    def retry_after_s(self) -> int:
        """Answer in whole seconds when the window has room again, at least 1."""
        if not self._let_in:
            return 1
        return max(1, math.ceil(self._let_in[0] + self._window_s - self._clock()))

    def seen(self) -> list[dict[str, Any]]:
        """Answer the latest requests, oldest first."""
        return [asdict(knock) for knock in self._knocks]

    def _is_full(self, now: float) -> bool:
        if self._room is None:
            return False
        while self._let_in and self._let_in[0] <= now - self._window_s:
            self._let_in.popleft()
        return len(self._let_in) >= self._room


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


Remember = Callable[..., Awaitable[Any]]
_log = logging.getLogger("studio.looking")


class Looks:
    """Analyses files in the order they came; whoever needs a look waits for it."""

    def __init__(self, store: Store, remember: Remember, pool: ProcessPool) -> None:
        """Keep looks in `store`, by way of `remember`."""
        self._store = store
        self._remember = remember
        self._pool = pool
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, media: Media) -> asyncio.Task[None]:
        """Start to look at a file unless that has begun already."""
        task = self._tasks.get(media.id)
        if task is None:
            task = self._tasks[media.id] = asyncio.create_task(self._look(media))
            task.add_done_callback(lambda _: self._tasks.pop(media.id, None))
        return task

    async def wait(self, media: Sequence[Media]) -> None:
        """Wait until every file was looked at."""
        await asyncio.gather(*(asyncio.shield(self.begin(item)) for item in media if item.look is None))

    async def close(self) -> None:
        """Give up; what was not looked at yet is looked at when it is needed."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, media: Media) -> None:
        task = {"kind": LOOK, "path": str(media.path), "info": asdict(media.info)}
        try:
            look = Look(**await self._pool.run(task))
        except StudioError as exc:
            # Looking only guides the music: a file that cannot be looked at gets music for a calm one.
            _log.warning("%s was not looked at: %s", media.filename, exc)
            look = Look("calm", {})
        await self._remember(self._store.sessions.store_look, media.id, look)


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
        self.handover_dir = handover.open_folder(settings.root)
        self.store = Store(settings.root, clock)
        self.pool = ProcessPool(0 if settings.simulate else settings.renders_at_once)
        self.looks = Looks(self.store, self.remember, self.pool)
        self.songs = Songs(settings.music, settings.root)
        self.renders = RenderQueue(self.store, self.remember, settings, self.songs.path_of, self.pool)
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
        if not self.settings.simulate:
            self.pool.start()
        self.songs.start()
        self.renders.start()

    async def close(self) -> None:
        """Stop quickly: what has not landed costs nothing, what was being rendered begins anew next time."""
        self.halt()
        await asyncio.gather(*self.working, return_exceptions=True)
        await self.renders.close()
        await self.looks.close()
        await self.pool.close()
        await self.songs.close()
        self._memory.shutdown()
        self.store.close()

    def _sweep(self) -> None:
        """Remove files that belong to nothing: half an upload, half a render."""
        known = self.store.list_files()
        for folder in (self.media_dir, self.renders_dir):
            for path in folder.iterdir():
                if path.name not in known:
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)

    def halt(self) -> None:
        """Let every open stream and every edit end now."""
        self.closing.set()
        for task in self.working:
            task.cancel()


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
