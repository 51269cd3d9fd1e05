"""A decoder of event streams that does no input or output: bytes in, events out.

It follows the WHATWG rules (api-contract 3): LF, CR or CRLF, a BOM, several `data:` lines, comments,
characters split between chunks. Two deliberate differences: an event that is pending at the end counts, and
a line that belongs to no event stream (JSON or HTML in its place) is handed out as `foreign`.
"""

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nemovideo.errors import BadAnswer

MAX_EVENT_CHARS = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. A comment is an event too (`comment`), for it shows that the other side is alive.

    `foreign` marks a line that is none of an event stream's; `data` holds it.
    """

    data: str = ""
    event: str = "message"
    id: str = ""
    retry_ms: int | None = None
    comment: bool = False
    foreign: bool = False


class LineSplitter:
    """Cuts chunks of bytes into lines without their ends."""

    def __init__(self) -> None:
        """Start at the head of a stream."""
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._parts: list[str] = []
        self._held_chars = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes, *, final: bool = False) -> Iterator[str]:
        """Yield the lines that `chunk` completes; with `final`, the rest too."""
        text = self._decode(chunk, final)
        if self._at_start and text:
            self._at_start = False
            text = text.removeprefix("\ufeff")
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r") or (self._after_cr and not text)
        *lines, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            yield self._take_held() + line if self._parts else line
        if rest:
            self._parts.append(rest)
            self._held_chars += len(rest)
            if self._held_chars > MAX_EVENT_CHARS:
                raise BadAnswer("The service sent an event without an end.")
        if final and self._parts:
            yield self._take_held()

    def _take_held(self) -> str:
        line = "".join(self._parts)
        self._parts.clear()
        self._held_chars = 0
        return line


class EventDecoder:
    """Builds events from lines."""

    def __init__(self) -> None:
        """Start at the head of a stream."""
        self._data: list[str] = []
        self._chars = 0
        self._event = ""
        self._id = ""
        self._retry_ms: int | None = None

    def line(self, line: str) -> ServerEvent | None:
        """Take one line; return the event it completes, if any."""
        if not line:
            return self.flush()
        if line.startswith(":"):
            return ServerEvent(comment=True)
        name, _, value = line.partition(":")
        if name not in _FIELDS:
            return ServerEvent(line, foreign=True)
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._chars += len(value) + 1
            if self._chars > MAX_EVENT_CHARS:
                raise BadAnswer("The service sent an event without an end.")
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) < 10:
            self._retry_ms = int(value)
        return None

    def flush(self) -> ServerEvent | None:
        """Return the pending event, as a blank line or the end of the stream does."""
        data, event = self._data, self._event
        self._data, self._chars, self._event = [], 0, ""
        if not data and event.lower() not in _ALIVE:
            return None
        return ServerEvent("\n".join(data), event or "message", self._id, self._retry_ms)


_FIELDS = frozenset({"data", "event", "id", "retry"})
_ALIVE = frozenset({"heartbeat", "ping", "keepalive", "keep-alive"})
"""Events that show life by their name alone, even without data."""


def decode(chunks: Iterable[bytes]) -> Iterator[ServerEvent]:
    """Yield the events of a whole stream, cut into chunks anywhere; the last needs no blank line."""
    splitter, decoder = LineSplitter(), EventDecoder()
    for chunk in chunks:
        yield from _decode_lines(decoder, splitter.feed(chunk))
    yield from _decode_lines(decoder, splitter.feed(b"", final=True))
    if (last := decoder.flush()) is not None:
        yield last


def _decode_lines(decoder: EventDecoder, lines: Iterable[str]) -> Iterator[ServerEvent]:
    for line in lines:
        if (event := decoder.line(line)) is not None:
            yield event


def is_alive_name(name: str) -> bool:
    """Tell whether an event's name alone makes it a sign of life."""
    return name.lower() in _ALIVE
