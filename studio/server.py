"""The studio as a process: one socket, one event loop, a quick and clean end."""

from __future__ import annotations

import socket

import uvicorn

from studio.app import make_app
from studio.service import Studio
from studio.settings import StudioSettings
from studio.wire import StudioProtocol

_GRACE_S = 1
_BACKLOG = 2_048


def serve(settings: StudioSettings, *, fd: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT; `fd` is a socket the parent already listens on.

    Prints `studio ready http://HOST:PORT` once requests are answered. With open streams the end takes at most
    2 s: what has not landed by then is not charged.
    """
    with socket.socket(fileno=fd) if fd is not None else _listen(settings) as listener:
        studio = Studio(settings)
        _Server(_config(studio), studio).run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn, with a word when it is ready and an end that does not wait for the agent to think."""

    def __init__(self, config: uvicorn.Config, studio: Studio) -> None:
        super().__init__(config)
        self._studio = studio

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            print(f"studio ready http://{host}:{port}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._studio.halt()
        await super().shutdown(sockets)


def _config(studio: Studio) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(studio),
        http=StudioProtocol,
        ws="none",
        loop="asyncio",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=75,
        backlog=_BACKLOG,
    )


def _listen(settings: StudioSettings) -> socket.socket:
    return socket.create_server((settings.host, settings.port), backlog=_BACKLOG)
