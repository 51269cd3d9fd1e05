"""The two dialects of `/run_sse` (api-contract 3) as one set of events.

A is the vendor's reference (`{"type": "text", …}`), B is Google ADK (`content.parts[]`,
`actions.stateDelta`). Both may come in camelCase or snake_case. What is not known becomes `Unknown`: counted,
never fatal.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nemo.draft import Draft
from nemo.errors import mask
from nemo.sse import ServerEvent

MAX_ERROR_CHARS = 300


@dataclass(frozen=True, slots=True)
class Text:
    """Words for the user. A partial piece is repeated later by a full one."""

    text: str
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Thought:
    """The agent thinks; not for the user, but a sign of progress."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool was called, or gave its result; stays internal."""

    name: str
    result: bool = False


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Still alive, nothing new."""


@dataclass(frozen=True, slots=True)
class StateDelta:
    """The session's state changed; it carries the new draft."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class StreamError:
    """An error inside a stream that began well; `code` when it carries one of the contract's."""

    message: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a shape that nobody described."""


StreamEvent = Text | Thought | Tool | Heartbeat | StateDelta | StreamError | Unknown


def read(event: ServerEvent) -> Iterator[StreamEvent]:
    """Yield what one server-sent event means."""
    if event.comment or not event.data.strip():
        yield Heartbeat()
        return
    for payload in _payloads(event.data):
        if isinstance(payload, dict):
            yield from _read_object(payload)
        else:
            yield Unknown()


def _payloads(data: str) -> list[Any]:
    """Parse the data as one JSON text, or else line by line: the blank line between events may be missing."""
    try:
        return [json.loads(data)]
    except (ValueError, RecursionError):
        lines = [line for line in data.split("\n") if line.strip()]
    return [_parse(line) for line in lines]


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _read_object(payload: Mapping[str, Any]) -> Iterator[StreamEvent]:
    if (error := _error(payload)) is not None:
        yield error
    elif isinstance(payload.get("type"), str):
        yield from _read_typed(payload)
    elif "content" in payload or "actions" in payload:
        yield from _read_adk(payload)
    elif isinstance(payload.get("text"), str):
        yield from _text(payload["text"], payload)
    else:
        yield Unknown()


def _read_typed(payload: Mapping[str, Any]) -> Iterator[StreamEvent]:
    """Dialect A."""
    match payload["type"]:
        case "heartbeat" | "ping":
            yield Heartbeat()
        case "text" | "message":
            content = payload.get("content", payload.get("text"))
            if isinstance(content, dict):
                yield from _read_adk(payload)
            else:
                yield from _text(content, payload)
        case "tool_call" | "tool_result" as kind:
            yield Tool(str(payload.get("name") or "tool"), result=kind == "tool_result")
            yield from _state_delta(payload)
        case _:
            yield Unknown()


def _read_adk(payload: Mapping[str, Any]) -> Iterator[StreamEvent]:
    """Dialect B. An event that is well formed and says nothing is a sign of life."""
    events = [*_read_parts(payload), *_state_delta(payload)]
    yield from events or [Heartbeat()]


def _read_parts(payload: Mapping[str, Any]) -> Iterator[StreamEvent]:
    content = payload.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    words = ""
    for part in parts if isinstance(parts, list) else []:
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            if part.get("thought"):
                yield Thought()
            else:
                words += part["text"]
        else:
            yield from _tool(part)
    yield from _text(words, payload)


def _tool(part: Mapping[str, Any]) -> Iterator[StreamEvent]:
    call = part.get("functionCall", part.get("function_call"))
    response = part.get("functionResponse", part.get("function_response"))
    for body, result in ((call, False), (response, True)):
        if isinstance(body, dict):
            yield Tool(str(body.get("name") or "tool"), result)


def _text(content: Any, payload: Mapping[str, Any]) -> Iterator[StreamEvent]:
    if isinstance(content, str) and content:
        yield Text(content, partial=payload.get("partial") is True)


def _state_delta(payload: Mapping[str, Any]) -> Iterator[StreamEvent]:
    actions = payload.get("actions")
    if not isinstance(actions, dict):
        return
    delta = actions.get("stateDelta", actions.get("state_delta"))
    if isinstance(delta, dict) and (draft := Draft.parse(delta.get("draft"))) is not None:
        yield StateDelta(draft)


def _error(payload: Mapping[str, Any]) -> StreamError | None:
    """Find an error of either dialect, an ADK event's `errorCode`, or an envelope inside the stream."""
    words = payload.get("error") or payload.get("errorMessage") or payload.get("error_message")
    code = payload.get("code", payload.get("errorCode", payload.get("error_code")))
    if isinstance(words, dict):
        code, words = words.get("code", code), words.get("message") or "error"
    failed = payload.get("type") == "error" or words or _number(code) or (code and not _is_zero(code))
    if not failed:
        return None
    said = words or payload.get("message") or payload.get("msg") or payload.get("content") or code or "error"
    return StreamError(mask(str(said))[:MAX_ERROR_CHARS], _number(code) or None)


def _number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return int(value) if str(value).isascii() and str(value).isdigit() else None


def _is_zero(value: Any) -> bool:
    return str(value) == "0"
