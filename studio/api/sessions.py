"""Sessions and their state (api-contract 2.2, 2.6)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from studio.api.answers import envelope
from studio.api.bodies import OpenSession, read_body
from studio.api.call import Call
from studio.model import Draft, Media
from studio.timeline import AUDIO, tracks


async def open_session(call: Call) -> Response:
    """Answer a new session (2.2), with the envelope or, as some deployments do, without."""
    body = await read_body(call.request, OpenSession)
    studio = call.studio
    session = await studio.remember(studio.store.sessions.open, call.account.id, body.language)
    data = {"session_id": session.id, "task_id": session.task, "user_id": call.account.id}
    if not studio.settings.session_envelope or call.struck_by("no_envelope"):
        return JSONResponse(data)
    return envelope(data)


async def show_state(call: Call) -> Response:
    """Answer a session's draft and files (2.6)."""
    studio, session_id = call.studio, call.request.path_params["session"]
    session = await studio.remember(studio.store.sessions.get, call.account.id, session_id)
    media = await studio.remember(studio.store.sessions.media_of, session.id)
    state = {
        "draft": session.draft,
        "video_infos": [_video_info(item) for item in media],
        "generated_media": _generated(session.draft),
        "canvas_config": _canvas(session.draft),
    }
    return envelope({"session_id": session.id, "user_id": call.account.id, "state": state})


def _video_info(media: Media) -> dict[str, Any]:
    info = media.info
    return {
        "id": media.id,
        "filename": media.filename,
        "file_type": info.kind,
        "duration": round(info.duration_s, 3),
        "width": info.width,
        "height": info.height,
        "fps": round(info.fps, 3),
        "has_audio": info.has_audio,
        "hash": media.sha256,
        "mood": media.look.mood if media.look else None,
        "findings": media.look.findings if media.look else None,
    }


def _generated(draft: Draft | None) -> list[dict[str, Any]]:
    """List the music that was composed for the draft."""
    music = (track for track in tracks(draft or {"t": []}, AUDIO) if track["m"].get("kind") == "bgm")
    return [{"type": "music", **segment["m"]} for track in music for segment in track["sg"]]


def _canvas(draft: Draft | None) -> dict[str, Any] | None:
    if draft is None:
        return None
    return {name: draft["m"][name] for name in ("width", "height", "fps")}
