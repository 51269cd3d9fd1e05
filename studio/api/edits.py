"""The agent's event stream (api-contract 2.3, 3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from studio.api import messages
from studio.api.call import Call
from studio.api.messages import RunAgent, read_body
from studio.dialects import Alive, Dialect, Event, Failure, Say, Thought, dialect_named
from studio.editing import Edit, Order
from studio.errors import BadRequest, OutOfCredits, SessionUnknown
from studio.faults import Fault, chance
from studio.model import Session
from studio.store import Replay, Work

_STREAM = "text/event-stream"
_KEY = "X-Idempotency-Key"
_LONGEST_KEY = 200
_LOOK_AGAIN_S = 0.1


async def run_agent(call: Call) -> Response:
    """Answer the stream of one edit; 2001 comes as an envelope, an unknown session as 404, before it."""
    accept = call.request.headers.get("accept", "*/*")
    kinds = {kind.partition(";")[0].strip().lower() for kind in accept.split(",")}
    if not kinds & {_STREAM, "text/*", "*/*"}:
        raise BadRequest("Accept must be text/event-stream.")
    body = await read_body(call.request, RunAgent)
    studio = call.studio
    try:
        session = await studio.remember(studio.store.sessions.get, call.account.id, body.session_id)
    except SessionUnknown:
        return messages.detail(f"Session not found: {body.session_id}", 404)
    dialect = _dialect(call, session, body.instruction)
    if call.struck_by("code") and call.fault:
        return _stream(_failing(call.fault, dialect))
    header = call.request.headers.get(_KEY)
    if header is not None and not 0 < len(header.strip()) <= _LONGEST_KEY:
        raise BadRequest(f"{_KEY} must have 1 to {_LONGEST_KEY} characters.")
    key = None if header is None else header.strip()
    begun = await _begin(call, session, body.instruction, key)
    if isinstance(begun, Replay):
        return _stream(_replay(call, session, body.instruction, key, dialect))
    return _stream(_tell(call, _start(call, session, body.instruction, begun), dialect))


async def _begin(call: Call, session: Session, instruction: str, key: str | None) -> Work | Replay:
    edits, price = call.studio.store.edits, call.studio.settings.edit_price
    return await call.studio.remember(edits.begin, call.account.id, session.id, instruction, price, key)


def _start(call: Call, session: Session, instruction: str, work: Work) -> Edit:
    edit = Edit(call.studio, Order(session, instruction, call.fault), work)
    edit.start()
    return edit


async def _replay(
    call: Call, session: Session, instruction: str, key: str | None, dialect: Dialect
) -> AsyncIterator[bytes]:
    """Yield the words of the edit that was charged for this key; nothing is charged or changed.

    While that edit is still at work, wait for it; should it not land, carry the instruction out now.
    """
    waited_s = 0.0
    while not call.studio.closing.is_set():
        try:
            begun = await _begin(call, session, instruction, key)
        except OutOfCredits as exc:
            events: list[Event] = [Failure(str(exc), exc.code)]
        else:
            if isinstance(begun, Work):
                async for piece in _tell(call, _start(call, session, instruction, begun), dialect):
                    yield piece
                return
            waiting = begun.said is None
            events = [Alive()] if waiting else [Say(begun.said or "")]
            if waiting and waited_s < call.studio.settings.heartbeat_s:
                await asyncio.sleep(_LOOK_AGAIN_S)
                waited_s += _LOOK_AGAIN_S
                continue
        for event in events:
            for piece in dialect.encode(event):
                yield piece
        if not isinstance(events[0], Alive):
            return
        waited_s = 0.0
    messages.dropper(call.request.scope)()


async def _tell(call: Call, edit: Edit, dialect: Dialect) -> AsyncIterator[bytes]:
    """Yield the stream's bytes; a fault or the end of the studio cuts it."""
    async for event in edit.events():
        for piece in dialect.encode(event):
            yield piece
    if call.fault and call.struck_by("stall"):
        async for piece in _stalling(call, call.fault, dialect):
            yield piece
    if call.struck_by("cut", "stall") or call.studio.closing.is_set():
        await asyncio.sleep(0)
        messages.dropper(call.request.scope)()


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
