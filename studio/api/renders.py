"""Renders and the files they make (api-contract 2.7 to 2.10)."""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from studio import handover
from studio.api import messages
from studio.api.call import ATTRIBUTION, Call, no_body
from studio.api.messages import GiveFile, SubmitRender, read_body
from studio.errors import BadRequest, ExportBlocked, NotFound
from studio.faults import Fault, chance
from studio.model import EXPORTS, Render, RenderStatus, export_path
from studio.store import RenderOrder
from studio.timeline import check_draft, media_ids

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

        async def send_slowly(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                left = self._allowance(message)
            elif self._fault.kind == "slow":
                await asyncio.sleep(1 / _SLICES_PER_S)
            elif len(message["body"]) >= left:
                await send({**message, "body": message["body"][:left], "more_body": True})
                await asyncio.sleep(0.05)
                messages.dropper(scope)()
                raise _EndOfFaultError
            else:
                left -= len(message["body"])
            await send(message)

        try:
            await super().__call__(scope, receive, send_slowly)
        except _EndOfFaultError:
            return

    def _allowance(self, start: Message) -> int:
        """Answer how many bytes of the promised length are sent."""
        promised = dict(start["headers"]).get(b"content-length", b"0")
        return int(int(promised) * self._fault.share)


class _EndOfFaultError(Exception):
    """The connection was dropped on purpose; nothing is left to send."""


_FATES = {"failed_render": "failed", "dead_render": "dead"}


async def submit_render(call: Call) -> Response:
    """Queue a render under the client's id (2.7); a duplicate id is refused, the first one stays."""
    studio = call.studio
    body = await read_body(call.request, SubmitRender)
    check_draft(body.draft)
    await _check_allowed(call)
    session = await studio.remember(studio.store.sessions.get, call.account.id, body.sessionId)
    await studio.remember(_check_media, call, body)
    fate = _FATES.get(call.fault.kind) if call.fault else None
    exports = tuple(sorted(set(body.output.exports)))
    order = RenderOrder(body.id, call.account.id, session.id, body.draft, body.output.quality, fate, exports)
    render = await studio.remember(studio.store.renders.submit, order)
    studio.renders.notice()
    return _answer(call, render)


async def show_render(call: Call) -> Response:
    """Answer a render's status, progress and, once complete, its address (2.8)."""
    return _answer(call, await _render(call))


async def cancel_render(call: Call) -> Response:
    """Cancel a pending render (2.10)."""
    await no_body(call.request)
    studio = call.studio
    render = await studio.remember(
        studio.store.renders.cancel, call.account.id, call.request.path_params["render"]
    )
    return _answer(call, render)


async def download_render(call: Call) -> Response:
    """Answer the file itself (2.9); ranges are served."""
    path = call.studio.render_path(await _render(call))
    if path is None or not path.is_file():
        raise NotFound("The render is not complete; ask for its status.")
    return send_file(call, path, "output.mp4")


async def download_export(call: Call) -> Response:
    """Answer a file that was exported beside a render; an extension of ours."""
    name = call.request.path_params["name"]
    return send_file(call, _find_export(call, await _render(call), name), name)


async def hand_over_render(call: Call) -> Response:
    """Link the file into the folder that is shared with clients on this machine; an extension of ours."""
    body = await read_body(call.request, GiveFile)
    render = await _render(call)
    path = call.studio.render_path(render)
    if body.export is not None:
        path = _find_export(call, render, body.export)
    if path is None or not path.is_file():
        raise NotFound("The render is not complete; ask for its status.")
    handover.give(path, call.studio.handover_dir, body.name)
    return messages.envelope({"name": body.name})


async def _render(call: Call) -> Render:
    studio = call.studio
    return await studio.remember(
        studio.store.renders.get, call.account.id, call.request.path_params["render"]
    )


def _list_exports(call: Call, render: Render) -> dict[str, Path]:
    """Answer the files that were made beside a completed render, by their names."""
    film = call.studio.renders.path_of(render)
    found = {name: export_path(film, name) for kind in render.exports for name in EXPORTS[kind]}
    return {name: path for name, path in found.items() if path.is_file()}


def _find_export(call: Call, render: Render, name: str) -> Path:
    path = _list_exports(call, render).get(name)
    if path is None:
        raise NotFound("There is no such export of this render.")
    return path


async def _check_allowed(call: Call) -> None:
    missing = [name for name in ATTRIBUTION if not call.request.headers.get(name, "").strip()]
    if missing:
        raise ExportBlocked(f"Export is blocked: the header {missing[0]} is missing.")
    studio = call.studio
    if await studio.remember(studio.store.journal.read_switch, "plan", studio.settings.plan) == "free":
        raise ExportBlocked("Export is blocked on the free plan; register or upgrade your plan.")


def _check_media(call: Call, body: SubmitRender) -> None:
    """Every file the draft names must be one of this account."""
    for name in media_ids(body.draft):
        if call.studio.store.sessions.find_media(call.account.id, name) is None:
            raise BadRequest(f"draft names a file that was never uploaded: {name}.")


def _answer(call: Call, render: Render) -> Response:
    """Answer a render in one of the two shapes in the wild (2.8)."""
    job: dict[str, Any] = {
        "id": render.id,
        "status": str(render.status),
        "progress": round(call.studio.renders.progress_of(render)),
    }
    if render.error:
        job["error"] = render.error
    url = _url(call, render) if render.status is RenderStatus.COMPLETED else None
    if url and render.exports:
        job["exports"] = sorted(_list_exports(call, render))
    if _shape(call, render) == "top":
        return JSONResponse({**job, "output": {"url": url}} if url else job)
    return JSONResponse({"success": True, "data": {**job, "outputUrl": url} if url else job})


def _shape(call: Call, render: Render) -> str:
    if call.fault and call.struck_by("shape"):
        return "top" if call.fault.variant in {"a", "top"} else "data"
    shape = call.studio.settings.render_shape
    if shape != "mixed":
        return shape
    return "top" if chance(call.studio.settings.seed, render.id) < 0.5 else "data"


def _url(call: Call, render: Render) -> str:
    return f"{call.base_url}/cdn/{render.secret}/output.mp4"
