"""A few warm processes for the work that needs a core: looking, composing, mixing, rendering."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from studio.errors import RenderCancelled, RenderFailed, StudioError

LOOK, RENDER = "look", "render"
_ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
# Blocks of sound are taken and given back all the time. glibc would hand each to the system again, and fill
# the next with zeros: a tenth of the work, and an eighth of the memory, which one arena keeps together.
_KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(64 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 1024**2),
}
_END_WITHIN_S = 5.0  # a busy machine needs more than one to clear a render away
_LINE_BYTES = 64 * 1024 * 1024  # findings of an hour's film are some 100 KB

Report = Callable[[float], None]


class WorkerCrashed(StudioError):
    """The process at work ended in the middle: a fault in a codec, or no memory left."""


class ProcessPool:
    """Runs `studio.tasks` in as many processes as cores, and looks in one process more.

    What is nearly finished goes first: a free process takes the oldest render, else the oldest look. The
    process that only looks keeps edits going while long renders hold all the others.
    """

    def __init__(self, renderers: int) -> None:
        """Use `renderers` processes for renders and looks, and one for looks alone."""
        self._workers = [_Worker((RENDER, LOOK)) for _ in range(renderers)] + [_Worker((LOOK,))]
        self._free: list[_Worker] = []
        self._waiting: dict[str, deque[asyncio.Future[_Worker]]] = {RENDER: deque(), LOOK: deque()}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._closed = False

    def start(self) -> None:
        """Start all the processes; tasks may be given at once."""
        self._start(self._workers)
        for worker in self._workers:
            self._release(worker)

    async def run(self, task: Mapping[str, Any], report: Report | None = None) -> Any:
        """Carry out a task of `studio.tasks`, in order; `report` gets its progress in percent.

        Raises RenderFailed, RenderCancelled when the pool closes, and WorkerCrashed.
        """
        worker = await self._acquire(task["kind"])
        try:
            try:
                async for answer in worker.perform(task):
                    if "progress" in answer:
                        if report is not None:
                            report(answer["progress"])
                    elif "failed" in answer:
                        raise RenderFailed(answer["failed"])
                    elif "cancelled" in answer:
                        raise RenderCancelled("the render was cancelled")
                    elif "crashed" in answer:
                        raise WorkerCrashed(f"the process at work ended by {answer['crashed']}")
                    else:
                        return answer["result"]
            except OSError:
                pass  # as when the line just ends
            if self._closed:
                raise RenderCancelled("the studio is closing")
            worker.close()
            self._start([worker])  # the process that forked it is gone too
            raise WorkerCrashed("the process at work is gone")
        finally:
            self._release(worker)

    async def close(self) -> None:
        """Stop what is being done; the processes remove their temporary files and end within five seconds."""
        self._closed = True
        for worker in self._workers:
            worker.close()
        for process in self._processes:
            await asyncio.to_thread(_end, process)

    def _start(self, workers: list[_Worker]) -> None:
        """Start one process that forks these workers."""
        theirs = [worker.open() for worker in workers]
        numbers = [connection.fileno() for connection in theirs]
        command = [sys.executable, "-P", "-m", "studio.tasks", *map(str, numbers)]
        environment = {**os.environ, **_ONE_THREAD, **_KEEP_MEMORY}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=numbers, env=environment)
        self._processes.append(process)
        for connection in theirs:
            connection.close()

    async def _acquire(self, kind: str) -> _Worker:
        if self._closed:
            raise RenderCancelled("the studio is closing")
        able = [worker for worker in self._free if kind in worker.kinds]
        if able:
            best = min(able, key=lambda worker: len(worker.kinds))
            self._free.remove(best)
            return best
        ready: asyncio.Future[_Worker] = asyncio.get_running_loop().create_future()
        self._waiting[kind].append(ready)
        try:
            return await ready
        except asyncio.CancelledError:
            if ready.done() and not ready.cancelled():
                self._release(ready.result())
            raise

    def _release(self, worker: _Worker) -> None:
        for kind in worker.kinds:
            while self._waiting[kind]:
                ready = self._waiting[kind].popleft()
                if not ready.done():
                    ready.set_result(worker)
                    return
        self._free.append(worker)


class _Worker:
    """One process of the pool, at the other end of a socket."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        """Take tasks of these `kinds`, the first ones first."""
        self.kinds = kinds
        self._ours: socket.socket | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def open(self) -> socket.socket:
        """Make a new line; answer the end that the process gets."""
        self._ours, theirs = socket.socketpair()
        self._streams = None
        return theirs

    async def perform(self, task: Mapping[str, Any]) -> Any:
        """Send a task; yield the answers, until the line ends."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(sock=self._ours, limit=_LINE_BYTES)
        reader, writer = self._streams
        writer.write(json.dumps(task).encode() + b"\n")
        await writer.drain()
        while line := await reader.readline():
            try:
                answer = json.loads(line)
            except ValueError:
                continue  # a line that a crash cut off; how it ended comes next
            yield answer

    def close(self) -> None:
        """End the line."""
        if self._streams is not None:
            self._streams[1].close()
        elif self._ours is not None:
            self._ours.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
