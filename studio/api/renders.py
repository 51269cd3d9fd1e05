"""Renders: submit, ask, cancel, fetch (api-contract 2.7-2.10)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from studio.api.bodies import SubmitRender, read_body
from studio.api.call import ATTRIBUTION, Call, no_body
from studio.api.files import send_file
from studio.errors import BadRequest, ExportBlocked, NotFound
from studio.faults import chance
from studio.model import Render, RenderStatus
from studio.store import RenderOrder
from studio.timeline import check_draft, media_ids

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
    order = RenderOrder(body.id, call.account.id, session.id, body.draft, body.output.quality, fate)
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


async def _render(call: Call) -> Render:
    studio = call.studio
    return await studio.remember(
        studio.store.renders.get, call.account.id, call.request.path_params["render"]
    )


async def _check_allowed(call: Call) -> None:
    missing = [name for name in ATTRIBUTION if not call.request.headers.get(name, "").strip()]
    if missing:
        raise ExportBlocked(f"Export is blocked: the header {missing[0]} is missing.")
    studio = call.studio
    if await studio.remember(studio.store.journal.switched, "plan", studio.settings.plan) == "free":
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
