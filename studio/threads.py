"""Work that may take long, and that the end of the process need not wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, ParamSpec, TypeVar

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
