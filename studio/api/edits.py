"""The agent's event stream (api-contract 2.3, 3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from studio.api import answers
from studio.api.bodies import RunAgent, read_body
from studio.api.call import Call
from studio.dialects import Alive, Dialect, Failure, Thought, dialect_named
from studio.editing import Edit, Order
from studio.errors import BadRequest, SessionUnknown
from studio.faults import Fault, chance
from studio.model import Session

_STREAM = "text/event-stream"


async def run_agent(call: Call) -> Response:
    """Answer the stream of one edit; 2001 comes as an envelope, an unknown session as 404, before it."""
    _check_accept(call.request.headers.get("accept", "*/*"))
    body = await read_body(call.request, RunAgent)
    studio = call.studio
    try:
        session = await studio.remember(studio.store.sessions.get, call.account.id, body.session_id)
    except SessionUnknown:
        return answers.detail("Session not found", 404)
    dialect = _dialect(call, session, body.instruction)
    if call.struck_by("code") and call.fault:
        return _stream(_failing(call.fault, dialect))
    price = studio.settings.edit_price
    work = await studio.remember(
        studio.store.edits.begin, call.account.id, session.id, body.instruction, price
    )
    edit = Edit(studio, Order(session, body.instruction, call.fault), work)
    edit.start()
    return _stream(_told(call, edit, dialect))


async def _told(call: Call, edit: Edit, dialect: Dialect) -> AsyncIterator[bytes]:
    """Yield the stream's bytes; a fault or the end of the studio cuts it."""
    async for event in edit.events():
        for piece in dialect.encode(event):
            yield piece
    if call.fault and call.struck_by("stall"):
        async for piece in _stalling(call, call.fault, dialect):
            yield piece
    if call.struck_by("cut", "stall") or call.studio.closing.is_set():
        await asyncio.sleep(0)
        answers.dropper(call.request.scope)()


async def _stalling(call: Call, fault: Fault, dialect: Dialect) -> AsyncIterator[bytes]:
    """Yield heartbeats alone for the time the fault holds."""
    beat_s = call.studio.settings.heartbeat_s
    left_s = fault.hold_s
    while left_s > 0 and not call.studio.closing.is_set():
        await asyncio.sleep(min(beat_s, left_s))
        left_s -= beat_s
        for piece in dialect.encode(Alive()):
            yield piece


async def _failing(fault: Fault, dialect: Dialect) -> AsyncIterator[bytes]:
    """Yield a stream that begins well and fails with a code of api-contract 6; nothing is edited."""
    for event in (Thought("Let me look at the timeline."), Failure("The request was refused.", fault.code)):
        for piece in dialect.encode(event):
            yield piece


def _dialect(call: Call, session: Session, instruction: str) -> Dialect:
    if call.fault and call.struck_by("dialect"):
        return dialect_named(call.fault.variant)
    name = call.studio.settings.dialect
    if name == "mixed":
        name = "a" if chance(call.studio.settings.seed, session.id, instruction) < 0.5 else "b"
    return dialect_named(name)


def _stream(pieces: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(pieces, media_type=_STREAM, headers={"Cache-Control": "no-cache"})


def _check_accept(accept: str) -> None:
    kinds = {kind.partition(";")[0].strip().lower() for kind in accept.split(",")}
    if not kinds & {_STREAM, "text/*", "*/*"}:
        raise BadRequest("Accept must be text/event-stream.")
