"""Tokens, sessions and the files uploaded to them (api-contract 2.1, 2.2, 2.4 to 2.6, 2.11)."""

from __future__ import annotations

import asyncio
import urllib.parse
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.responses import JSONResponse, Response

from studio import handover
from studio.api.call import Call, no_body
from studio.api.messages import ClaimToken, OpenSession, TakeFile, UploadUrls, envelope, read_body
from studio.errors import BadRequest
from studio.intake import Arrived, MultipartIntake, fetch, open_up
from studio.model import EXPORTS, Media, Upload
from studio.store import MintLimits
from studio.timeline import AUDIO, VIDEO, tracks


async def mint_token(call: Call) -> Response:
    """Answer a fresh anonymous token (2.1): one per client id and week, ten per address and week."""
    settings = call.studio.settings
    client_id = _client_id(call.request.headers.get("x-client-id", ""))
    await no_body(call.request)
    ip = call.request.client.host if call.request.client else ""
    limits = MintLimits(settings.credits, settings.token_life_s, settings.tokens_per_ip)
    minted = await call.studio.remember(call.studio.store.accounts.mint, client_id, ip, limits)
    expires_at = datetime.fromtimestamp(minted.expires, UTC).isoformat()
    return envelope(
        {
            "token": minted.token,
            "user_id": minted.account,
            "credits": minted.credits,
            "expires_at": expires_at,
        }
    )


async def show_balance(call: Call) -> Response:
    """Answer the account's credits (2.5)."""
    balance = await call.studio.remember(call.studio.store.accounts.balance, call.account.id)
    return envelope({"available": balance.available, "frozen": balance.frozen, "total": balance.total})


async def claim_token(call: Call) -> Response:
    """Answer the one token that may stand in a link for a person (2.11)."""
    body = await read_body(call.request, ClaimToken)
    studio = call.studio
    session = await studio.remember(studio.store.sessions.get, call.account.id, body.session_id)
    if session.task != body.task_id:
        raise BadRequest("task_id is not the task of this session.")
    life_s = studio.settings.token_life_s
    token = await studio.remember(studio.store.accounts.claim, call.account.id, session.id, life_s)
    return envelope({"claim_token": token})


def _client_id(header: str) -> str:
    try:
        return str(uuid.UUID(header.strip()))
    except ValueError as error:
        raise BadRequest("X-Client-Id must be a UUID.") from error


async def open_session(call: Call) -> Response:
    """Answer a new session (2.2), with the envelope or, as some deployments do, without."""
    body = await read_body(call.request, OpenSession)
    studio = call.studio
    session = await studio.remember(studio.store.sessions.open, call.account.id, body.language)
    data = {
        "session_id": session.id,
        "task_id": session.task,
        "user_id": call.account.id,
        "idempotent_edits": True,  # an extension of ours: see `api.edits`
        "file_handover": True,  # and another: see `studio.handover`
        "exports": [] if studio.settings.simulate else list(EXPORTS),  # a third: see `api.renders`
    }
    if not studio.settings.session_envelope or call.struck_by("no_envelope"):
        return JSONResponse(data)
    return envelope(data)


async def show_state(call: Call) -> Response:
    """Answer a session's draft and files (2.6)."""
    studio, session_id = call.studio, call.request.path_params["session"]
    session = await studio.remember(studio.store.sessions.get, call.account.id, session_id)
    media = await studio.remember(studio.store.sessions.media_of, session.id)
    music = (track for track in tracks(session.draft or {"t": []}, AUDIO) if track["m"].get("kind") == "bgm")
    generated = [{"type": "music", **segment["m"]} for track in music for segment in track["sg"]]
    shown = [segment["m"] for track in tracks(session.draft or {"t": []}, VIDEO) for segment in track["sg"]]
    generated += [{"type": "video", **meta} for meta in shown if meta.get("generated")]
    state = {
        "draft": session.draft,
        "video_infos": [_video_info(item) for item in media],
        "generated_media": generated,
        "canvas_config": (
            None
            if session.draft is None
            else {name: session.draft["m"][name] for name in ("width", "height", "fps")}
        ),
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


async def upload(call: Call) -> Response:
    """Take files into a session and make them its new draft."""
    take = await _taker(call)
    return await _receive(call, take)


async def take_handed_over(call: Call) -> Response:
    """Take a file that lies in the folder shared with clients on this machine; an extension of ours."""
    body, studio = await read_body(call.request, TakeFile), call.studio

    async def take() -> tuple[Arrived, ...]:
        limit_bytes = studio.settings.max_file_bytes
        folders = studio.handover_dir, studio.media_dir
        return (await asyncio.to_thread(handover.take, *folders, body.name, body.filename, limit_bytes),)

    return await _receive(call, take)


async def _receive(call: Call, take: Callable[[], Awaitable[tuple[Arrived, ...]]]) -> Response:
    """Make what `take` brings the session's new draft, and begin to look at it."""
    studio = call.studio
    session = await studio.remember(
        studio.store.sessions.get, call.account.id, call.request.path_params["session"]
    )
    uploads = await _open_arrived(await take())
    media = await studio.remember(studio.store.sessions.receive, call.account.id, session.id, uploads)
    for item in () if studio.settings.simulate else media:
        studio.looks.begin(item)
    return envelope({"files": [_file(call, item) for item in media], "session_state_applied": True})


async def _taker(call: Call) -> Callable[[], Awaitable[tuple[Arrived, ...]]]:
    """Check what kind of body this is, and answer what will take it; nothing large is read yet."""
    kind, options = parse_options_header(call.request.headers.get("content-type", ""))
    if kind == b"application/json":
        body = await read_body(call.request, UploadUrls)
        return lambda: _fetch(call, body)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise BadRequest("Content-Type must be multipart/form-data (files) or application/json (urls).")
    max_bytes = call.studio.settings.max_file_bytes
    intake = MultipartIntake(call.studio.media_dir, max_bytes, options[b"boundary"])
    return lambda: intake.take(call.request.stream())


async def _fetch(call: Call, body: UploadUrls) -> tuple[Arrived, ...]:
    """Fetch the addresses one after the other; when one cannot be had, none is kept."""
    settings = call.studio.settings
    arrived: list[Arrived] = []
    try:
        for url in body.urls:
            limits = (call.studio.media_dir, settings.max_file_bytes)
            fetched = await call.studio.fetching.run(
                fetch, url, *limits, allow_private=settings.allow_private_urls
            )
            arrived.append(fetched)
    except BaseException:
        _remove(arrived)
        raise
    return tuple(arrived)


async def _open_arrived(arrived: tuple[Arrived, ...]) -> list[Upload]:
    """Open every file; when one of them is no media, none is kept."""
    try:
        return [await asyncio.to_thread(open_up, item) for item in arrived]
    except BaseException:
        _remove(arrived)
        raise


def _remove(arrived: Sequence[Arrived]) -> None:
    for item in arrived:
        item.path.unlink(missing_ok=True)


def _file(call: Call, media: Media) -> dict[str, Any]:
    info = media.info
    return {
        "filename": media.filename,
        "file_type": info.kind,
        "cdn_url": f"{call.base_url}/cdn/{media.secret}/{urllib.parse.quote(media.filename, safe='')}",
        "duration": round(info.duration_s, 3),
        "width": info.width,
        "height": info.height,
        "fps": round(info.fps, 3),
        "hash": media.sha256,
    }
