"""An edit: one message, one stream, and never the same message twice (api-contract 2.3 and 3)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx

from nemo import answers, dialects, errors, sse
from nemo.dialects import Heartbeat, StateDelta, StreamError, StreamEvent, Text, Tool, Unknown
from nemo.draft import Draft
from nemo.errors import NemoError
from nemo.model import EditReply
from nemo.network import watching
from nemo.phrases import is_temporary_noise
from nemo.transport import Call, Transport, read_answer, translated

TOTAL_S = 15 * 60.0
SILENCE_S = 10 * 60.0
# A refusal in the first event of a stream is the same as one in place of it.
_REFUSALS = frozenset({401, 402, 429, 1001, 1002, 2001, 4001, 4002})


@dataclass(slots=True)
class StreamWatch:
    """The two limits of a stream and the caller's wish to stop, seen in silence too."""

    should_stop: Callable[[], bool] | None = None
    clock: Callable[[], float] = time.monotonic
    started_s: float = field(init=False)
    progress_s: float = field(init=False)

    def __post_init__(self) -> None:
        """Start both limits now."""
        self.started_s = self.progress_s = self.clock()

    def check(self) -> None:
        """Raise StreamStopped or StreamTimeout when it is time."""
        if self.should_stop is not None and self.should_stop():
            raise errors.StreamStopped
        now_s = self.clock()
        if now_s - self.started_s >= TOTAL_S or now_s - self.progress_s >= SILENCE_S:
            raise errors.StreamTimeout

    def saw(self, event: StreamEvent) -> None:
        """Note that the agent got on; a heartbeat is no progress."""
        if not isinstance(event, Heartbeat | Unknown):
            self.progress_s = self.clock()


@dataclass(slots=True)
class Reply:
    """Gathers a stream's events into an EditReply; partial texts count once.

    `begun` tells that more than heartbeats came: from then on, an error may leave something done.
    """

    texts: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    draft: Draft | None = None
    error: StreamError | None = None
    unknown_events: int = 0
    begun: bool = False
    _pending: str = ""

    def add(self, event: StreamEvent) -> None:
        """Take one event."""
        self.begun = self.begun or not isinstance(event, Heartbeat)
        match event:
            case Text(text, partial=True):
                self._pending += text
            case Text(text):
                self._whole(text)
            case Tool(name, result=False):
                self.tools.append(name)
            case StateDelta(draft):
                self.draft = draft
            case StreamError():
                self.error = event
            case Unknown():
                self.unknown_events += 1

    def done(self) -> EditReply:
        """Return the reply when the stream has closed."""
        self._flush()
        texts = [text for text in self.texts if text.strip()]
        while len(texts) > 1 and is_temporary_noise(texts[-1]):
            texts.pop()
        return EditReply(tuple(texts), tuple(self.tools), self.draft, self.error, self.unknown_events)

    def _whole(self, text: str) -> None:
        """Take a full text: it repeats the pieces before it, or it is a text of its own."""
        if _same(self._pending, text):
            self._pending = ""
        self._flush()
        if not self.texts or self.texts[-1] != text:
            self.texts.append(text)

    def _flush(self) -> None:
        if self._pending:
            self.texts.append(self._pending)
        self._pending = ""


def _same(pieces: str, whole: str) -> bool:
    """Tell whether `whole` repeats `pieces`; white space does not count, the last piece may be missing."""
    first, second = "".join(pieces.split()), "".join(whole.split())
    return bool(first) and second.startswith(first)


@dataclass(frozen=True, slots=True)
class Edit:
    """One instruction to one session."""

    transport: Transport
    call: Call
    on_event: Callable[[StreamEvent], None] | None = None
    should_stop: Callable[[], bool] | None = None

    def run(self) -> EditReply:
        """Send it and read its stream to the end. Raises as `NemoClient.edit` says."""
        return self.transport.authorised(self._once)

    def _once(self, token: str | None) -> EditReply:
        if self.should_stop is not None and self.should_stop():
            raise errors.Stopped
        watch = StreamWatch(self.should_stop, self.transport.clock)
        reply = Reply()
        with watching(watch.check), self.transport.opened(self.call, token) as response:
            if not _is_stream(response):
                raise _refusal(self.call, response)
            try:
                self._read(response, watch, reply)
            except errors.BadAnswer as error:
                raise errors.BadAnswer(str(error), outcome_unknown=True) from error
        return reply.done()

    def _read(self, response: httpx.Response, watch: StreamWatch, reply: Reply) -> None:
        for event in _events(response, watch):
            if not reply.begun and isinstance(event, StreamError) and event.code in _REFUSALS:
                raise answers.error_for(self.call.endpoint, event.code)
            watch.saw(event)
            reply.add(event)
            if self.on_event is not None:
                self.on_event(event)


def _events(response: httpx.Response, watch: StreamWatch) -> Iterator[StreamEvent]:
    for event in sse.decode(_chunks(response, watch)):
        yield from dialects.read(event)


def _chunks(response: httpx.Response, watch: StreamWatch) -> Iterator[bytes]:
    for chunk in response.iter_bytes():
        watch.check()
        yield chunk


def _is_stream(response: httpx.Response) -> bool:
    kind = response.headers.get("Content-Type", "").lower()
    return response.status_code == 200 and kind.startswith("text/event-stream")


def _refusal(call: Call, response: httpx.Response) -> NemoError:
    """Return the error for an answer that is no stream; one without a code leaves the outcome open."""
    with translated(call):
        answer = read_answer(call, response)
    refusal = answers.refusal_of(answer, answer.parsed())
    return refusal or errors.BadAnswer(
        "The service answered the edit with no event stream.", outcome_unknown=True
    )
