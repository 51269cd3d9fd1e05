"""Files on their way out: whole, in ranges, or hampered by a fault (api-contract 2.8, 2.9)."""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from studio.api import answers
from studio.api.call import Call
from studio.errors import NotFound
from studio.faults import Fault

_CHUNK_BYTES = 512 * 1024
_SLICES_PER_S = 10


async def send_public(call: Call) -> Response:
    """Answer what lies behind an unguessable `/cdn/` path; no bearer is asked for."""
    if call.struck_by("dead_url"):
        raise NotFound("Not found.")
    found = await call.studio.remember(_find, call, call.request.path_params["secret"])
    if found is None or not found.is_file():
        raise NotFound("Not found.")
    return send_file(call, found, call.request.path_params["name"])


def send_file(call: Call, path: Path, name: str) -> Response:
    """Answer a file with Range, ETag and Last-Modified."""
    if call.struck_by("html"):
        return HTMLResponse("<html><body><h1>Please sign in</h1></body></html>")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if call.fault and call.struck_by("short", "slow"):
        return _Hampered(path, kind, call.fault)
    return _File(path, media_type=kind)


def _find(call: Call, secret: str) -> Path | None:
    render = call.studio.store.renders.by_secret(secret)
    if render is not None:
        call.knock.render = render.id
        return call.studio.render_path(render)
    media = call.studio.store.sessions.media_by_secret(secret)
    return media.path if media else None


class _File(FileResponse):
    """A file in larger chunks: fewer hops between the loop and its threads."""

    chunk_size = _CHUNK_BYTES


class _Hampered(_File):
    """A file that is cut short or comes slowly; its headers promise all of it."""

    def __init__(self, path: Path, media_type: str, fault: Fault) -> None:
        """Serve `path` as `fault` says."""
        super().__init__(path, media_type=media_type)
        self._fault = fault
        if fault.kind == "slow":
            self.chunk_size = max(1, fault.bytes_per_s // _SLICES_PER_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the file; a short one ends with a dropped connection."""
        left = 0

        async def hampered(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                left = self._allowance(message)
            elif self._fault.kind == "slow":
                await asyncio.sleep(1 / _SLICES_PER_S)
            elif len(message["body"]) >= left:
                await send({**message, "body": message["body"][:left], "more_body": True})
                await asyncio.sleep(0.05)
                answers.dropper(scope)()
                raise _EndOfFaultError
            else:
                left -= len(message["body"])
            await send(message)

        try:
            await super().__call__(scope, receive, hampered)
        except _EndOfFaultError:
            return

    def _allowance(self, start: Message) -> int:
        """Answer how many bytes of the promised length are sent."""
        promised = dict(start["headers"]).get(b"content-length", b"0")
        return int(int(promised) * self._fault.share)


class _EndOfFaultError(Exception):
    """The connection was dropped on purpose; nothing is left to send."""
