"""The studio as an application and a process: routes, one socket, one event loop, a quick and clean end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from studio.api import edits, messages, renders, sessions
from studio.api.call import Handler, endpoint
from studio.api.control import control_routes
from studio.api.messages import DROP
from studio.logs import log_as_json
from studio.service import Studio
from studio.settings import StudioSettings

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
            client = scope.get("client")

            def drop() -> None:
                transport = _open.get(tuple(client)) if client else None
                if transport is not None:
                    transport.abort()

            scope.setdefault("state", {})[DROP] = drop
        await self._app(scope, receive, send)


_AGENT = "nemo_agent"
_RENDERS = "/api/render/proxy"
ENDPOINTS: tuple[tuple[str, str, str, Handler], ...] = (
    ("token", "POST", "/api/auth/anonymous-token", sessions.mint_token),
    ("claim", "POST", "/api/auth/claim-token", sessions.claim_token),
    ("balance", "GET", "/api/credits/balance/simple", sessions.show_balance),
    ("session", "POST", f"/api/tasks/me/with-session/{_AGENT}", sessions.open_session),
    ("state", "GET", f"/api/state/{_AGENT}/me/{{session}}/latest", sessions.show_state),
    ("upload", "POST", f"/api/upload-video/{_AGENT}/me/{{session}}", sessions.upload),
    ("upload", "POST", f"/api/upload-video/{_AGENT}/me/{{session}}/handover", sessions.take_handed_over),
    ("run_sse", "POST", "/run_sse", edits.run_agent),
    ("render", "POST", f"{_RENDERS}/lambda", renders.submit_render),
    ("status", "GET", f"{_RENDERS}/lambda/{{render}}", renders.show_render),
    ("cancel", "POST", f"{_RENDERS}/lambda/{{render}}/cancel", renders.cancel_render),
    ("download", "GET", f"{_RENDERS}/{{render}}/download", renders.download_render),
    ("download", "POST", f"{_RENDERS}/{{render}}/handover", renders.hand_over_render),
    ("download", "GET", f"{_RENDERS}/{{render}}/exports/{{name}}", renders.download_export),
    ("cdn", "GET", "/cdn/{secret}/{name}", renders.send_public),
)
"""Every endpoint of api-contract 2, the two of `studio.handover`, and the one for exports.

Each with the name that faults know it by, its method, path and handler.
"""
_WITHOUT_BEARER = frozenset({"token", "cdn"})


def make_app(studio: Studio) -> Starlette:
    """Make the application of one studio; it opens and closes with the life span."""
    routes = [
        Route(path, endpoint(studio, name, handler, bearer=name not in _WITHOUT_BEARER), methods=[method])
        for name, method, path, handler in ENDPOINTS
    ]

    async def show_description(_: Request) -> Response:
        from studio.openapi import describe  # noqa: PLC0415 - hardly anybody asks, and everybody would wait

        return JSONResponse(describe(studio.settings))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await studio.open()
        yield
        await studio.close()

    return Starlette(
        routes=[*routes, *control_routes(studio), Route("/openapi.json", show_description)],
        middleware=[Middleware(Droppable)],
        exception_handlers={HTTPException: _http_problem},
        lifespan=lifespan,
    )


async def _http_problem(request: Request, error: Exception) -> Response:
    """Answer an unknown path or method as an envelope."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    return messages.problem(error.status_code, error.detail, error.status_code, error.headers)


_GRACE_S = 1
_BACKLOG = 2_048


def serve(settings: StudioSettings, *, fd: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT; `fd` is a socket the parent already listens on.

    Prints `studio ready http://HOST:PORT` once requests are answered. With open streams the end takes at most
    2 s: what has not landed by then is not charged.
    """
    if settings.log_json:
        log_as_json()
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
        log_config=None if studio.settings.log_json else uvicorn.config.LOGGING_CONFIG,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=75,
        backlog=_BACKLOG,
    )


def _listen(settings: StudioSettings) -> socket.socket:
    return socket.create_server((settings.host, settings.port), backlog=_BACKLOG)
