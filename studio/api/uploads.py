"""Uploads (api-contract 2.4): files in a multipart body, or addresses to fetch."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.responses import Response

from studio.api.answers import envelope
from studio.api.bodies import UploadUrls, read_body
from studio.api.call import Call
from studio.errors import BadRequest
from studio.fetch import fetch
from studio.intake import Arrived, MultipartIntake, open_up
from studio.model import Media, Upload


async def upload(call: Call) -> Response:
    """Take files into a session and make them its new draft."""
    studio = call.studio
    take = await _taker(call)
    session = await studio.remember(
        studio.store.sessions.get, call.account.id, call.request.path_params["session"]
    )
    uploads = await _opened(await take())
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


async def _opened(arrived: tuple[Arrived, ...]) -> list[Upload]:
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
