"""``python -m tests.chaos.killed_worker``: a worker that ends by SIGKILL at a chosen outside effect.

``CHAOS_POINT`` is ``<what>:<when>``: what = part of ``METHOD /path``, when = ``before`` (it has not
left), ``during`` (the first bytes of the answer are there) or ``after`` (all of it is there, unnoted).
``CHAOS_CROWD`` requests have to stand at the point before the process dies, so that one death tries many.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator

import httpx

import nemovideo
from tests.chaos.stage import WORKER


class Mine:
    """Counts who stands at the point, and ends the process when the crowd is there."""

    def __init__(self, crowd: int) -> None:
        self._crowd = crowd
        self._there = 0
        self._guard = threading.Lock()

    def step_on(self) -> None:
        with self._guard:
            self._there += 1
            if self._there >= self._crowd:
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)


class Bytes(httpx.SyncByteStream):
    """An answer that ends the process at its first or after its last piece."""

    def __init__(self, inner: httpx.SyncByteStream, mine: Mine, when: str) -> None:
        self._inner = inner
        self._mine = mine
        self._when = when

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._inner:
            if self._when == "during":
                self._mine.step_on()
            yield piece
        self._mine.step_on()

    def close(self) -> None:
        self._inner.close()


class Mined(httpx.BaseTransport):
    """Lets all requests through but those at the point."""

    def __init__(self, inner: httpx.BaseTransport, what: str, when: str, mine: Mine) -> None:
        self._inner = inner
        self._what = what
        self._when = when
        self._mine = mine

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        here = self._what in f"{request.method} {request.url.path}"
        if here and self._when == "before":
            self._mine.step_on()
        response = self._inner.handle_request(request)
        if here:
            assert isinstance(response.stream, httpx.SyncByteStream)
            response.stream = Bytes(response.stream, self._mine, self._when)
        return response

    def close(self) -> None:
        self._inner.close()


def mined_client(max_connections: int) -> httpx.Client:
    what, _, when = os.environ["CHAOS_POINT"].rpartition(":")
    client = real_client(max_connections)
    client._transport = Mined(client._transport, what, when, Mine(int(os.environ["CHAOS_CROWD"])))
    return client


real_client = nemovideo.http_client

if __name__ == "__main__":
    nemovideo.http_client = mined_client  # type: ignore[assignment]  # the one seam: the rest is the product's own
    from tests.chaos.contract import app  # after the change: it opens its client when it starts

    app.worker_main([*WORKER[3:]])
