"""How the studio answers: envelopes, refusals, dropped connections (api-contract 1, 6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from studio.errors import Refusal

Json = Mapping[str, Any]
DROP = "studio.drop"
"""The key in the ASGI scope's state under which the connection can be dropped."""


def envelope(data: Json, **extra: Any) -> Response:
    """Answer `{"code":0,"message":"success","data":…}`."""
    return JSONResponse({"code": 0, "message": "success", "data": data, **extra})


def refusal(error: Refusal) -> Response:
    """Answer an error's envelope with its HTTP status."""
    return problem(error.code, str(error), error.status)


def problem(code: int, message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Answer an envelope with a code other than 0."""
    return JSONResponse({"code": code, "message": message}, status_code=status, headers=headers)


def detail(message: str, status: int) -> Response:
    """Answer `{"detail":…}`, as the agent server does where no envelope is spoken."""
    return JSONResponse({"detail": message}, status_code=status)


def dropper(scope: Scope) -> Callable[[], None]:
    """Answer what closes this request's connection at once; does nothing without a real connection."""
    drop: Callable[[], None] = scope.get("state", {}).get(DROP, _nothing)
    return drop


class Dropped(Response):
    """No answer at all: the connection is closed, as a crash or a cut line would."""

    def __init__(self, background: BackgroundTask | None = None) -> None:
        """Make the non-answer."""
        super().__init__(status_code=503, background=background)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection; what is sent afterwards goes nowhere."""
        dropper(scope)()
        await super().__call__(scope, receive, send)


def compact(value: object) -> str:
    """Write JSON without spaces, as the event streams do."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _nothing() -> None:
    return None
