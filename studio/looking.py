"""Looking at what was uploaded: in the background, once for each file, kept with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from studio.media import MediaInfo
from studio.model import Look, Media
from studio.store import Store
from studio.threads import LooseThreads

Remember = Callable[..., Awaitable[Any]]


class Looks:
    """Analyses files one after the other; whoever needs a look waits for it."""

    def __init__(self, store: Store, remember: Remember) -> None:
        """Keep looks in `store`, by way of `remember`."""
        self._store = store
        self._remember = remember
        self._threads = LooseThreads(1)
        self._tasks: dict[str, asyncio.Task[Look]] = {}

    def begin(self, media: Media) -> asyncio.Task[Look]:
        """Start to look at a file unless that has begun already."""
        task = self._tasks.get(media.id)
        if task is None:
            task = self._tasks[media.id] = asyncio.create_task(self._look(media))
            task.add_done_callback(lambda _: self._tasks.pop(media.id, None))
        return task

    async def wait(self, media: Sequence[Media]) -> None:
        """Wait until every file was looked at."""
        for item in media:
            if item.look is None:
                await asyncio.shield(self.begin(item))

    async def close(self) -> None:
        """Give up; what was not looked at yet is looked at when it is needed."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _look(self, media: Media) -> Look:
        look = await self._threads.run(_look_at, media)
        await self._remember(self._store.sessions.store_look, media.id, look)
        return look


def _look_at(media: Media) -> Look:
    from studio.analyse import look  # noqa: PLC0415 - loads numpy, which the start of the server must not wait for
    from studio.music.moods import mood_for  # noqa: PLC0415 - belongs to the line above

    info: MediaInfo = media.info
    findings = look(media.path, info)
    return Look(mood=mood_for(findings), findings=findings.as_dict())
