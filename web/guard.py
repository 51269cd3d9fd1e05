"""Who may use the page, and what a browser may do with it.

Every request passes `Guard`: its ``Host`` must be a name of this page (a foreign name that points here is
a rebinding attack), a request that changes something must come from the page itself, and where a password is
set nothing but the sign-in answers without it. Every answer carries headers that keep scripts, frames and
addresses of others out.
"""

import asyncio
import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Collection
from http.cookies import SimpleCookie
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from storage import is_loopback

Scope: TypeAlias = Any
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "dropscore"
MARK = "x-dropscore"
"""A header that a form of another site cannot send, and its script only with a permission we never give."""
SESSION_S = 30 * 24 * 3600
MOST_SESSIONS = 1000
WRONG_PASSWORD_S = 1.0
"""One guess a second, whoever guesses."""
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """An ASGI app before the page's own; ``sign_in`` renders the page that asks for the password."""

    def __init__(
        self,
        app: App,
        *,
        names: Collection[str],
        password: str | None,
        sign_in: Callable[[str], str],
        wrong_password_s: float = WRONG_PASSWORD_S,
    ) -> None:
        """Guard an app that is reached by these names, by addresses of this machine, or by any IP address."""
        self._app = app
        self._names = {name.casefold() for name in names if name}
        self._password = password
        self._sign_in = sign_in
        self._wrong_password_s = wrong_password_s
        self._sessions: dict[str, None] = {}
        self._guesses = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refuse(request)
        if refusal is None and self._password is not None and not self._is_signed_in(request):
            refusal = await self._ask_for_password(request)
        elif refusal is None and request.url.path == "/sign-in":
            refusal = RedirectResponse("/", status_code=303)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refuse(self, request: Request) -> Response | None:
        """Refuse a request that no page of ours makes."""
        host = request.headers.get("host", "")
        if not self._is_ours(host):
            return JSONResponse(
                {"error": "this name is not known here; add it to DROPSCORE_WEB_NAMES"}, status_code=421
            )
        if request.method in {"GET", "HEAD"}:
            return None
        origin = request.headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc.casefold() != host.casefold()
        foreign |= request.headers.get("sec-fetch-site", "same-origin") != "same-origin"
        unmarked = MARK not in request.headers and request.url.path != "/sign-in"
        if foreign or unmarked or (request.url.path == "/sign-in" and origin is None):
            return JSONResponse({"error": "this can be asked for by the page alone"}, status_code=403)
        return None

    def _is_ours(self, host: str) -> bool:
        """A name we were told, or a bare address of loopback; with a password any bare address."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name.casefold() in self._names or is_loopback(name):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._password is not None  # no foreign site has a bare address

    # --- the password -----------------------------------------------------------------------------

    def _is_signed_in(self, request: Request) -> bool:
        found = SimpleCookie(_cookies(request.headers)).get(COOKIE)
        return found is not None and found.value in self._sessions

    async def _ask_for_password(self, request: Request) -> Response | None:
        path = request.url.path
        if path.startswith("/static/"):
            return None
        if path != "/sign-in":
            wants_page = request.method == "GET" and path == "/"
            return (
                RedirectResponse("/sign-in", status_code=303)
                if wants_page
                else JSONResponse({"error": "sign in first"}, status_code=401)
            )
        if request.method != "POST":
            return HTMLResponse(self._sign_in(""))
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > 4096:
                return JSONResponse({"error": "too much"}, status_code=413)
        given = parse_qs(body.decode(errors="replace")).get("password", [""])[0]
        if not hmac.compare_digest(given.encode(), (self._password or "").encode()):
            async with self._guesses:
                await asyncio.sleep(self._wrong_password_s)
            return HTMLResponse(self._sign_in("That is not the password."), status_code=401)
        token = secrets.token_urlsafe(32)
        self._sessions[token] = None
        while len(self._sessions) > MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        answer = RedirectResponse("/", status_code=303)
        secure = "https" in {request.url.scheme, request.headers.get("x-forwarded-proto")}
        answer.set_cookie(
            COOKIE, token, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure, path="/"
        )
        return answer


def _cookies(headers: Headers) -> str:
    # A cookie of another page of this machine may be odd: only what is ours is read.
    parts = (part.strip() for part in headers.get("cookie", "").split(";"))
    return "; ".join(part for part in parts if part.startswith(f"{COOKIE}="))
