"""The event stream of `/run_sse` in the two dialects of api-contract 3, from the same events."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from studio.api.messages import compact
from studio.model import Draft


@dataclass(frozen=True, slots=True)
class Thought:
    """What the agent thinks; not for the user."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the agent calls."""

    id: str
    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the tool answered; `draft` is the new draft, if it changed."""

    call: ToolCall
    draft: Draft | None
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Say:
    """Text for the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Alive:
    """A heartbeat: still working."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error inside the stream; `code` is one of api-contract 6, or None."""

    message: str
    code: int | None = None


Event = Thought | ToolCall | ToolResult | Say | Alive | Failure


class Dialect(Protocol):
    """Turns events into the bytes of the stream."""

    def encode(self, event: Event) -> Iterator[bytes]:
        """Yield the stream's pieces for one event."""
        ...


class DialectA:
    """The vendor's reference: flat objects with a `type`."""

    def encode(self, event: Event) -> Iterator[bytes]:
        """Yield the stream's pieces for one event."""
        for shape in self._shapes(event):
            yield f"data: {compact(shape)}\n\n".encode()

    def _shapes(self, event: Event) -> Iterator[Mapping[str, Any]]:
        match event:
            case Say(text):
                yield from ({"type": "text", "content": piece} for piece in pieces(text))
            case ToolCall(_, name, args):
                yield {"type": "tool_call", "name": name, "args": args}
            case ToolResult(call, draft, ok):
                yield {"type": "tool_result", "name": call.name, "result": {"ok": ok, **_write_draft(draft)}}
            case Failure(message, code):
                yield {"type": "error", "message": message, **({} if code is None else {"code": code})}
            case _:
                yield {"type": "heartbeat"}


@dataclass(slots=True)
class DialectB:
    """Google ADK's events, shape for shape as a real server sends them."""

    invocation: str = field(default_factory=lambda: f"e-{uuid.uuid4()}")
    clock: Callable[[], float] = time.time
    _beats: int = 0

    def encode(self, event: Event) -> Iterator[bytes]:
        """Yield the stream's pieces for one event."""
        match event:
            case Thought(text):
                yield self._event({"text": text, "thought": True})
            case ToolCall(id_, name, args):
                yield self._event({"functionCall": {"id": id_, "args": args, "name": name}})
            case ToolResult(call, draft, ok):
                response = {"id": call.id, "name": call.name, "response": {"ok": ok}}
                yield self._event({"functionResponse": response}, delta=_write_draft(draft))
            case Say(text):
                yield from (self._event({"text": piece}, {"partial": True}) for piece in pieces(text))
                yield self._event({"text": text}, {"turnComplete": True})
            case Failure(message, code):
                yield self._failure(message, code)
            case Alive():
                self._beats += 1
                beat = b"data:\n\n" if self._beats % 2 else b": heartbeat\n\n"
                yield beat

    def _event(
        self,
        part: Mapping[str, Any],
        flags: Mapping[str, bool] | None = None,
        delta: Mapping[str, Any] | None = None,
    ) -> bytes:
        actions = {
            "stateDelta": delta or {},
            "artifactDelta": {},
            "requestedAuthConfigs": {},
            "requestedToolConfirmations": {},
        }
        event = {
            "content": {"parts": [part], "role": "model"},
            **(flags or {}),
            "invocationId": self.invocation,
            "author": "nemo_agent",
            "actions": actions,
            "nodeInfo": {"path": ""},
            "id": str(uuid.uuid4()),
            "timestamp": self.clock(),
        }
        return f"data: {compact(event)}\n\n".encode()

    def _failure(self, message: str, code: int | None) -> bytes:
        kind = "RuntimeError" if code is None else "ApiError"
        details = {"error_type": kind, "error_message": message, "timestamp": self.clock()}
        coded = {} if code is None else {"code": code}
        shape = {"error": f"{kind}: {message}", "error_details": details, **coded}
        return f"data: {json.dumps(shape)}\n\n".encode()


def dialect_named(name: str) -> Dialect:
    """Answer the encoder of dialect "a" or "b"."""
    return DialectA() if name == "a" else DialectB()


def pieces(text: str, count: int = 3) -> list[str]:
    """Cut a text into at most `count` pieces, as a model speaks it; joined they are the text."""
    step = max(1, -(-len(text) // count))
    return [text[at : at + step] for at in range(0, len(text), step)]


def _write_draft(draft: Draft | None) -> dict[str, Draft]:
    return {} if draft is None else {"draft": draft}
