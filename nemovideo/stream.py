"""An edit: one message, one stream of events, and never the same message twice (api-contract 2.3 and 3).

The events of `/run_sse` come in two dialects. A is the vendor's reference (`{"type": "text", …}`), B is
Google ADK (`content.parts[]`, `actions.stateDelta`). Both may come in camelCase or snake_case. What is not
known becomes `Unknown`: counted, never fatal.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from nemovideo import errors, sse
from nemovideo.draft import Draft
from nemovideo.errors import NemoVideoError, mask
from nemovideo.sse import ServerEvent
from nemovideo.transport import (
    Answer,
    Call,
    ShouldStop,
    Transport,
    error_for,
    read_answer,
    refusal_of,
    translate_errors,
)

TOTAL_S = 15 * 60.0
SILENCE_S = 10 * 60.0
STILL_WORKING_S = 120.0
MAX_ERROR_CHARS = 300
MAX_FOREIGN_CHARS = 64 * 1024
# A refusal in the first event of a stream is the same as one in place of it.
_REFUSALS = frozenset({401, 402, 429, 1001, 1002, 2001, 4001, 4002})


# --- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """Words for the user. A partial piece is repeated later by a full one; two events of one id are one."""

    text: str
    partial: bool = False
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Thought:
    """The agent thinks, or does what no other event describes; not for the user, but a sign of progress."""


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
    """An error inside a stream that began well, in a sentence; `service_code` when it carries a number."""

    message: str
    service_code: int | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a shape that nobody described."""


StreamEvent = Text | Thought | Tool | Heartbeat | StateDelta | StreamError | Unknown


def read_event(event: ServerEvent) -> Iterator[StreamEvent]:
    """Yield what one server-sent event means; a foreign line is no event and yields nothing."""
    if event.foreign:
        return
    if event.comment or not event.data.strip() or sse.is_alive_name(event.event):
        yield Heartbeat()
        return
    for payload in _parse_payloads(event.data):
        if isinstance(payload, dict):
            yield from _read_object(payload, failed=event.event == "error")
        elif event.event == "error":
            yield StreamError(describe_error(event.data))
        else:
            yield Unknown()


def _parse_payloads(data: str) -> list[Any]:
    """Parse the data as one JSON text, or else line by line: the blank line between events may be missing."""

    def parse(text: str) -> list[Any]:
        try:
            return [json.loads(text)]
        except (ValueError, RecursionError):
            return []

    lines = (line for line in data.split("\n") if line.strip())
    return parse(data) or [found for line in lines for found in parse(line) or [None]]


def _read_object(payload: Mapping[str, Any], *, failed: bool = False) -> Iterator[StreamEvent]:
    """Yield all that one object holds: ADK sends a text and an error code in the same event."""
    events: list[StreamEvent] = []
    error = _read_error(payload, failed=failed)
    if isinstance(payload.get("type"), str) and payload["type"] != "error":
        events += _read_typed(payload)
    elif isinstance(payload.get("content", ""), dict | None) or not {
        "actions",
        "invocationId",
        "invocation_id",
        "author",
    }.isdisjoint(payload):
        events += _read_adk(payload)
    elif isinstance(payload.get("text"), str):
        events += _read_text(payload["text"], payload)
    if error is not None:
        yield from (found for found in events if not isinstance(found, Heartbeat | Unknown))
        yield error
    else:
        yield from events or [Unknown()]


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
                yield from _read_text(content, payload)
        case "tool_call" | "tool_result" as kind:
            yield Tool(str(payload.get("name") or "tool"), result=kind == "tool_result")
            yield from _read_state_delta(payload)
        case _:
            yield Unknown()


def _read_adk(payload: Mapping[str, Any]) -> Iterator[StreamEvent]:
    """Dialect B. An event that is well formed and holds nothing is a sign of life."""
    content = payload.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    events: list[StreamEvent] = []
    words = ""
    for part in parts if isinstance(parts, list) else []:
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            if part.get("thought"):
                events.append(Thought())
            else:
                words += part["text"]
        else:
            events += _read_tool(part)
    if payload.get("author") != "user":
        events += _read_text(words, payload)
    events += _read_state_delta(payload)
    yield from events or [Heartbeat()]


def _read_tool(part: Mapping[str, Any]) -> Iterator[StreamEvent]:
    call = part.get("functionCall", part.get("function_call"))
    response = part.get("functionResponse", part.get("function_response"))
    known = False
    for body, result in ((call, False), (response, True)):
        if isinstance(body, dict):
            known = True
            yield Tool(str(body.get("name") or "tool"), result)
    if part and not known:
        yield Thought()  # code that is run, a file: the agent is at work


def _read_text(content: Any, payload: Mapping[str, Any]) -> Iterator[StreamEvent]:
    if isinstance(content, str) and content:
        event_id = payload.get("id")
        partial = payload.get("partial") is True
        yield Text(content, partial, event_id if isinstance(event_id, str) else "")


def _read_state_delta(payload: Mapping[str, Any]) -> Iterator[StreamEvent]:
    actions = payload.get("actions")
    delta = actions.get("stateDelta", actions.get("state_delta")) if isinstance(actions, dict) else None
    if isinstance(delta, dict) and delta:
        draft = Draft.parse(delta.get("draft"))
        yield Thought() if draft is None else StateDelta(draft)


def _read_error(payload: Mapping[str, Any], *, failed: bool) -> StreamError | None:
    """Find an error of either dialect, an ADK event's `errorCode`, or an envelope inside the stream."""
    words = payload.get("error") or payload.get("errorMessage") or payload.get("error_message")
    code = payload.get("code", payload.get("errorCode", payload.get("error_code")))
    if isinstance(words, dict):
        code, words = words.get("code", code), words.get("message") or words.get("status") or "error"
    number = _number(code)
    if not (failed or payload.get("type") == "error" or words or number or (code and str(code) != "0")):
        return None
    fallback = payload.get("message") or payload.get("msg") or payload.get("content")
    text = words or (fallback if isinstance(fallback, str) else None)
    if _is_rate_refusal(code, text):
        number = 429
    return StreamError(describe_error(text, code), number or None)


def _number(value: Any) -> int | None:
    text = str(value)  # of anything but a whole number it holds more than digits
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


_RATE_REFUSAL = re.compile(
    r"RESOURCE_EXHAUSTED|RateLimitError|\b429\b.{0,60}\b(?:too many|quota|rate|exhausted|exceeded)"
    r"|too many requests",
    re.IGNORECASE | re.DOTALL,
)
_MODEL_ERRORS: Mapping[str, str] = {
    "MAX_TOKENS": "The AI model reached its length limit before it was done.",
    "MODEL_RETURNED_NO_CONTENT": "The AI model returned nothing.",
    "MALFORMED_FUNCTION_CALL": "The AI model called a tool in a way that cannot be understood.",
    "UNEXPECTED_TOOL_CALL": "The AI model called a tool that it does not have.",
    "SAFETY": "The AI model declined for safety reasons.",
    "PROHIBITED_CONTENT": "The AI model declined: the content is prohibited.",
    "BLOCKLIST": "The AI model declined: the content is on its blocklist.",
    "SPII": "The AI model declined: the content may hold personal data.",
    "RECITATION": "The AI model declined: the result would repeat protected content.",
    "LANGUAGE": "The AI model does not support this language.",
    "UNAVAILABLE": "The AI model behind the service is not available for now.",
    "503": "The AI model behind the service is not available for now.",
    "INTERNAL": "The AI model behind the service has a fault of its own.",
    "DEADLINE_EXCEEDED": "The AI model behind the service took too long.",
    "OTHER": "The AI model stopped without giving a reason.",
}
_RATE_SENTENCE = "The AI model behind the service is at its rate limit."


def _is_rate_refusal(code: Any, text: Any) -> bool:
    """Tell whether a model's own 429 is meant, however it is wrapped."""
    return str(code) in {"429", "RESOURCE_EXHAUSTED"} or bool(_RATE_REFUSAL.search(str(text or "")))


def describe_error(text: Any, code: Any = None) -> str:
    """Return an error of the stream as a sentence for people: no token, no raw dict, no stack, one line."""
    if _is_rate_refusal(code, text):
        return _RATE_SENTENCE
    known = _MODEL_ERRORS.get(str(code).upper()) if code is not None else None
    words = text if isinstance(text, str) else ""
    words = re.split(r"[{\[<]|\n\s*\n|Traceback \(", words, maxsplit=1)[0]
    words = " ".join(words.split()).rstrip(" :,-(")
    if known is not None and (not words or words.upper() == str(code).upper()):
        return known
    if not words:
        named = f" ({code})" if re.fullmatch(r"[A-Z][A-Z0-9_]{1,60}|[0-9]{1,9}", str(code)) else ""
        return f"The agent reported an error{named}."
    return mask(words)[:MAX_ERROR_CHARS]


# --- the reply ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EditReply:
    """What an edit's stream held until it closed. Whether the edit landed, only the state tells (3.4).

    `closed_cleanly` is False if the stream ended with something that is no event.
    """

    texts: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    draft: Draft | None = None
    error: StreamError | None = None
    unknown_events: int = 0
    closed_cleanly: bool = True


@dataclass(slots=True)
class ReplyBuilder:
    """Gathers a stream's events into an EditReply; partial texts count once.

    `begun` tells that more than heartbeats came: from then on, an error may leave something done.
    """

    texts: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    draft: Draft | None = None
    error: StreamError | None = None
    unknown_events: int = 0
    closed_cleanly: bool = True
    begun: bool = False
    _pending: str = ""
    _places: dict[str, int] = field(default_factory=dict)  # where the text of an event's id stands in `texts`

    def add(self, event: StreamEvent) -> None:
        """Take one event."""
        self.begun = self.begun or not isinstance(event, Heartbeat)
        match event:
            case Text(text, partial=True):
                self._pending += text
            case Text(text, event_id=event_id):
                self._add_whole(text, event_id)
            case Tool(name, result=False):
                self.tools.append(name)
            case StateDelta(draft):
                self.draft = draft
            case StreamError():
                self.error = event
            case Unknown():
                self.unknown_events += 1

    def build(self) -> EditReply:
        """Return the reply when the stream has closed."""
        self._flush()
        texts = [text for text in self.texts if text.strip()]
        while len(texts) > 1 and is_temporary_noise(texts[-1]):
            texts.pop()
        return EditReply(
            tuple(texts),
            tuple(self.tools),
            self.draft,
            self.error,
            self.unknown_events,
            self.closed_cleanly,
        )

    def _add_whole(self, text: str, event_id: str) -> None:
        """Take a full text: it repeats the pieces before it, or its own event, or it is a text of its own."""
        first, second = "".join(self._pending.split()), "".join(text.split())
        if first and second.startswith(first):  # white space does not count, the last piece may be missing
            self._pending = ""
        self._flush()
        place = self._places.get(event_id) if event_id else None
        if place is not None and text.startswith(self.texts[place]):
            self.texts[place] = text
        elif not self.texts or self.texts[-1] != text:
            self.texts.append(text)
        if event_id:
            self._places[event_id] = len(self.texts) - 1 if place is None else place

    def _flush(self) -> None:
        if self._pending:
            self.texts.append(self._pending)
        self._pending = ""


_NOISE = re.compile(
    r"\b(?:encountered|ran into|hit|experienced|having|had|there (?:is|was))\b[^.!?]{0,30}"
    r"\btemporary\b[^.!?]{0,20}\b(?:issue|problem|error|glitch|difficult(?:y|ies))\b"
    r"|\btemporar(?:y|ily)\b[^.!?]{0,20}\b(?:issue|problem|error|glitch|unavailable)\b"
    r"[^.!?]*(?:try again|later|retry)"
    r"|(?:遇到|出现|发生)了?[^。！？]{0,10}(?:临时|暂时)[^。！？]{0,10}(?:问题|错误|故障)",
    re.IGNORECASE,
)


def is_temporary_noise(text: str) -> bool:
    """Tell whether this is the "temporary issue" that may follow good replies (api-contract 3.6)."""
    return _NOISE.search(text) is not None


# --- the edit -------------------------------------------------------------------------------------


@dataclass(slots=True)
class StreamWatch:
    """The limits of a stream, the caller's stop and the two-minute report; silence delays none of them."""

    should_stop: ShouldStop | None = None
    clock: Callable[[], float] = time.monotonic
    on_still_working: Callable[[float], None] | None = None
    sent: bool = False
    answer_until_s: float = float("inf")
    started_s: float = field(init=False)
    progress_s: float = field(init=False)
    reported_s: float = field(init=False)

    def __post_init__(self) -> None:
        """Start all limits now."""
        self.started_s = self.progress_s = self.reported_s = self.clock()

    def check(self) -> None:
        """Raise StreamStopped (Stopped if nothing has left yet) or StreamTimeout when it is time."""
        if self.should_stop is not None and self.should_stop():
            raise errors.StreamStopped if self.sent else errors.Stopped
        now_s = self.clock()
        over = now_s - self.started_s >= TOTAL_S or now_s - self.progress_s >= SILENCE_S
        if over or now_s >= self.answer_until_s:
            raise errors.StreamTimeout
        if self.on_still_working is not None and now_s - self.reported_s >= STILL_WORKING_S:
            self.reported_s = now_s
            self.on_still_working(now_s - self.started_s)

    def trace(self, event: str, _info: object) -> None:
        """Note that the first byte is about to leave."""
        self.sent = self.sent or event.endswith("send_request_headers.started")

    def note(self, event: StreamEvent) -> None:
        """Note that the agent got on; a heartbeat is no progress."""
        if not isinstance(event, Heartbeat | Unknown):
            self.progress_s = self.clock()


@dataclass(slots=True)
class Edit:
    """One instruction to one session."""

    transport: Transport
    call: Call
    on_event: Callable[[StreamEvent], None] | None = None
    on_started: Callable[[], None] | None = None
    on_still_working: Callable[[float], None] | None = None
    should_stop: ShouldStop | None = None

    def run(self) -> EditReply:
        """Send it and read its stream to the end. Raises as `NemoVideo.edit` tells."""
        return self.transport.authorize(self._send_once)

    def _send_once(self, token: str | None) -> EditReply:
        watch = StreamWatch(self.should_stop, self.transport.clock, self.on_still_working)
        reply = ReplyBuilder()
        with self.transport.open(self.call, token, watch.check, watch.trace) as response:
            kind = response.headers.get("Content-Type", "").lower()
            if response.status_code != 200 or not kind.startswith("text/event-stream"):
                watch.answer_until_s = watch.clock() + self.transport.endpoint.answer_s
                with translate_errors(self.call):
                    answer = read_answer(self.call, response)
                raise _refusal_of_edit(answer)
            if self.on_started is not None:
                self.on_started()
                self.on_started = None  # once, even if the first event refuses the token
            try:
                self._read(response, watch, reply)
            except errors.BadAnswer as exc:
                raise errors.BadAnswer(str(exc), outcome_unknown=True) from exc
        return reply.build()

    def _read(self, response: httpx.Response, watch: StreamWatch, reply: ReplyBuilder) -> None:
        foreign: list[str] = []
        foreign_chars = 0
        for server_event in sse.decode(response.iter_bytes()):
            watch.check()
            if server_event.foreign and foreign_chars < MAX_FOREIGN_CHARS:
                foreign.append(server_event.data)
                foreign_chars += len(server_event.data)
            for event in read_event(server_event):
                if not reply.begun and isinstance(event, StreamError) and event.service_code in _REFUSALS:
                    if event.service_code == 429:  # the model's, most likely: its sentence tells more
                        raise errors.RateLimited(event.message, service_code=429)
                    raise error_for("run_sse", event.service_code)
                watch.note(event)
                reply.add(event)
                if self.on_event is not None:
                    self.on_event(event)
        if foreign:
            _end_with_foreign(reply, Answer("run_sse", 200, "\n".join(foreign).encode()))


def _refusal_of_edit(answer: Answer) -> NemoVideoError:
    """Return the error for an answer that is no stream; one without a code leaves the outcome open."""
    refusal = refusal_of(answer, answer.parse())
    return refusal or errors.BadAnswer(
        "The service answered the edit with no event stream.", outcome_unknown=True
    )


def _end_with_foreign(reply: ReplyBuilder, answer: Answer) -> None:
    """Judge a body, or the end of one, that is no event stream though it was announced as one.

    Raises the refusal it holds, or BadAnswer, if no event came before it; else the reply's `error` tells.
    """
    refusal = refusal_of(answer, answer.parse())
    if not reply.begun:
        raise refusal or _refusal_of_edit(answer)
    if answer.body.lstrip()[:1] in (b"{", b"[", b"<"):
        reply.closed_cleanly = False
        words = refusal.summary if refusal else "The stream ended with an answer that is no event."
        reply.error = reply.error or StreamError(words, refusal.service_code if refusal else None)
