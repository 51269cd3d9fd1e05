"""One request on its way: who calls, what fault strikes it, and what is written down about it."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from studio.api import messages
from studio.errors import BadRequest, Refusal, TokenRefused
from studio.faults import Fault
from studio.model import Account
from studio.service import Knock, Studio
from studio.store import Visit

ATTRIBUTION = ("X-Skill-Source", "X-Skill-Version", "X-Skill-Platform")
_WRITTEN_DOWN = frozenset({"token", "session", "run_sse", "upload", "render", "cancel", "claim"})
_NOBODY = Account("")
_BARE_STATUS = {1001: 401, 1002: 404, 2001: 402, 4001: 415, 4002: 413}
_MESSAGES = {
    400: "X-Client-Id is missing.",
    402: "Export is blocked on the free plan.",
    1001: "The token is bad or expired.",
    1002: "Session not found.",
    2001: "Not enough credits.",
    4001: "Unsupported file type.",
    4002: "The file is too large.",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request with what a handler needs to answer it."""

    request: Request
    studio: Studio
    account: Account
    fault: Fault | None
    knock: Knock

    def struck_by(self, *kinds: str) -> bool:
        """Say whether a fault of one of these kinds strikes this call."""
        return self.fault is not None and self.fault.kind in kinds

    @property
    def attributed(self) -> bool:
        """Whether all three attribution headers are there (api-contract 1)."""
        return all(self.request.headers.get(name, "").strip() for name in ATTRIBUTION)

    @property
    def base_url(self) -> str:
        """The address by which people reach this studio, without a slash at the end."""
        return (self.studio.settings.public_url or str(self.request.base_url)).rstrip("/")


Handler = Callable[[Call], Awaitable[Response]]


def endpoint(
    studio: Studio, name: str, handler: Handler, *, bearer: bool = True
) -> Callable[[Request], Awaitable[Response]]:
    """Make the endpoint `name`: authenticate, write down, let a fault strike, else let `handler` answer."""

    async def serve(request: Request) -> Response:
        knock = studio.traffic.knock(name, request.path_params.get("render"))
        if knock.refused:
            return _too_many({"Retry-After": str(studio.traffic.retry_after_s())})
        fault = studio.faults.pick(name)
        try:
            account = await _holder(studio, request) if bearer else _NOBODY
            call = Call(request, studio, account, fault, knock)
            if name in _WRITTEN_DOWN:
                session, digest = (
                    await _subject(call.request) if name in {"run_sse", "render"} else (None, None)
                )
                visit = Visit(
                    endpoint=name,
                    account=call.account.id or None,
                    session=session or call.request.path_params.get("session"),
                    digest=digest,
                    attributed=call.attributed,
                    fault=call.fault.kind if call.fault else None,
                )
                await call.studio.remember(call.studio.store.journal.note, visit)
            return await _struck(call, handler) if fault else await handler(call)
        except Refusal as error:
            return messages.refusal(error)
        except ClientDisconnect:
            return messages.Dropped()

    return serve


async def no_body(request: Request) -> None:
    """Raise `BadRequest` when a request that has no body brings one."""
    if await request.body():
        raise BadRequest("This request has no body.")


async def _holder(studio: Studio, request: Request) -> Account:
    token = _bearer(request)
    account = await studio.remember(studio.store.accounts.holder, token) if token else None
    if account is None:
        raise TokenRefused("The token is missing, bad or expired.")
    return account


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _subject(request: Request) -> tuple[str | None, str | None]:
    """Answer the session and the instruction's digest of a body that may yet prove wrong."""
    try:
        body = json.loads(await request.body())
        session = body.get("session_id", body.get("sessionId"))
        text = (
            "\n".join(part["text"] for part in body["new_message"]["parts"])
            if "new_message" in body
            else None
        )
        digest = None if text is None else hashlib.sha256(text.strip().encode()).hexdigest()
    except (ValueError, LookupError, TypeError, AttributeError):
        return None, None
    return (session if isinstance(session, str) else None), digest


async def _struck(call: Call, handler: Handler) -> Response:
    """Answer a call that a fault strikes; what the fault leaves alone, the handler messages."""
    fault = call.fault
    assert fault is not None  # noqa: S101 - the caller has looked
    if fault.kind == "code" and fault.carrier != "stream":
        if fault.code == 1001:
            await call.studio.remember(call.studio.store.accounts.revoke, _bearer(call.request))
        message = _MESSAGES[fault.code]
        status = _BARE_STATUS.get(fault.code, fault.code)
        if fault.carrier == "status":
            return Response(status_code=status)
        return messages.problem(fault.code, message, 200 if fault.carrier == "envelope" else status)
    if fault.kind == "429":
        headers = {}
        if fault.retry_after is not None:
            until_s = call.studio.clock() + fault.retry_after
            date = email.utils.formatdate(until_s, usegmt=True)
            headers["Retry-After"] = date if fault.retry_after_date else f"{fault.retry_after:g}"
        return _too_many(headers)
    if fault.kind not in {"status", "timeout", "reset"}:
        return await handler(call)
    if fault.landed:
        await handler(call)
    if fault.kind == "status":
        return HTMLResponse(f"<h1>{fault.status}</h1>", status_code=fault.status)
    if fault.kind == "timeout":
        await asyncio.sleep(fault.hold_s)
    return messages.Dropped()


def _too_many(headers: dict[str, str]) -> Response:
    return messages.problem(429, "Too many requests.", 429, headers)
