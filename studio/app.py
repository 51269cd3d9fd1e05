"""The studio as an ASGI application: routes, errors, life span."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from studio.api import accounts, answers, edits, files, renders, sessions, uploads
from studio.api.call import Handler, endpoint
from studio.api.control import control_routes
from studio.openapi import describe
from studio.service import Studio
from studio.wire import Droppable

_AGENT = "nemo_agent"
_RENDERS = "/api/render/proxy"
ENDPOINTS: tuple[tuple[str, str, str, Handler], ...] = (
    ("token", "POST", "/api/auth/anonymous-token", accounts.mint_token),
    ("claim", "POST", "/api/auth/claim-token", accounts.claim_token),
    ("balance", "GET", "/api/credits/balance/simple", accounts.show_balance),
    ("session", "POST", f"/api/tasks/me/with-session/{_AGENT}", sessions.open_session),
    ("state", "GET", f"/api/state/{_AGENT}/me/{{session}}/latest", sessions.show_state),
    ("upload", "POST", f"/api/upload-video/{_AGENT}/me/{{session}}", uploads.upload),
    ("run_sse", "POST", "/run_sse", edits.run_agent),
    ("render", "POST", f"{_RENDERS}/lambda", renders.submit_render),
    ("status", "GET", f"{_RENDERS}/lambda/{{render}}", renders.show_render),
    ("cancel", "POST", f"{_RENDERS}/lambda/{{render}}/cancel", renders.cancel_render),
    ("download", "GET", f"{_RENDERS}/{{render}}/download", renders.download_render),
    ("cdn", "GET", "/cdn/{secret}/{name}", files.send_public),
)
"""Every endpoint of api-contract 2: the name faults know it by, method, path, handler."""
_WITHOUT_BEARER = frozenset({"token", "cdn"})


def make_app(studio: Studio) -> Starlette:
    """Make the application of one studio; it opens and closes with the life span."""
    routes = [
        Route(path, endpoint(studio, name, handler, bearer=name not in _WITHOUT_BEARER), methods=[method])
        for name, method, path, handler in ENDPOINTS
    ]

    description = describe(studio.settings)

    async def show_description(_: Request) -> Response:
        return JSONResponse(description)

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
    return answers.problem(error.status_code, error.detail, error.status_code, error.headers)
