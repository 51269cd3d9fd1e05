"""The HTTP connection, with one ability more than ASGI has: to be dropped without an answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from studio.api.answers import DROP

_open: dict[Any, asyncio.Transport] = {}
"""The transports of all open connections, by the client's address."""


class StudioProtocol(H11Protocol):
    """uvicorn's protocol that also remembers its transport, so that a fault can cut the line."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # narrowed as in uvicorn
        """Remember the connection, and let small answers leave at once.

        asyncio does the latter by itself only for sockets made with an explicit protocol number, which the
        parent's need not be; without it each answer to a kept-alive connection waits 40 ms.
        """
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _open[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        _open.pop(self.client, None)
        super().connection_lost(exc)


class Droppable:
    """Middleware that puts a `drop` function into each request's state."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            scope.setdefault("state", {})[DROP] = _dropper(scope.get("client"))
        await self._app(scope, receive, send)


def _dropper(client: Any) -> Callable[[], None]:
    def drop() -> None:
        transport = _open.get(tuple(client)) if client else None
        if transport is not None:
            transport.abort()

    return drop
