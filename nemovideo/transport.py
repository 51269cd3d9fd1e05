"""One request to the service and back: connections, headers, tokens, retries, and errors translated.

httpx ends a stream at its first read time-out. One level below, at the socket, a time-out consumes nothing;
so a long wait is made of short ones there, and between them the caller is asked whether to go on. What is
asked travels with the request, as the time-out itself (`Patience`): no state beside the call, no thread.
"""

import json
import random
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import count
from typing import Any, TypeVar

import httpcore
import httpx

from nemovideo import errors
from nemovideo.attribution import Attribution
from nemovideo.auth import BearerAuth, Tokens
from nemovideo.errors import NemoVideoError
from nemovideo.models import Endpoint

SLICE_S = 0.5
"""The longest a thread waits for the network without asking whether to go on."""
THREADS_PER_POOL = 16
# Common servers close an idle connection after 5 s; an edit must not be sent into one that just closed.
KEEPALIVE_S = 2.0
CONNECT_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_RETRY_AFTER_S = 600.0

_T = TypeVar("_T")
ShouldStop = Callable[[], bool]
Trace = Callable[[str, Any], None]


# --- waiting ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Watch:
    """What may end a call: the caller, who asks to stop, or a deadline on `clock` (seconds)."""

    should_stop: ShouldStop | None = None
    clock: Callable[[], float] = time.monotonic
    deadline_s: float | None = None

    def check(self) -> None:
        """Raise Stopped or httpx.ReadTimeout when it is time; cheap enough to be called with every read."""
        if self.should_stop is not None and self.should_stop():
            raise errors.Stopped
        if self.deadline_s is not None and self.clock() >= self.deadline_s:
            raise httpx.ReadTimeout("The whole answer took too long.")

    def end_in(self, seconds: float) -> None:
        """Set the deadline to `seconds` from now."""
        self.deadline_s = self.clock() + seconds


class Patience(float):
    """A time-out in seconds for one silence, with the check that is made while it lasts.

    httpx and httpcore hand it down to the socket as the float it is.
    """

    check: Callable[[], None]

    def __new__(cls, seconds: float, check: Callable[[], None]) -> "Patience":
        """Wait for up to `seconds`; `check` ends the wait by raising."""
        made = super().__new__(cls, seconds)
        made.check = check
        return made


def pause(
    seconds: float, should_stop: ShouldStop | None = None, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Sleep for `seconds`; raise Stopped within half a second once `should_stop` is true."""
    if should_stop is None:
        sleep(seconds)
        return
    while seconds > 0:
        if should_stop():
            raise errors.Stopped
        sleep(min(SLICE_S, seconds))
        seconds -= SLICE_S


class PatientStream(httpcore.NetworkStream):
    """A socket whose waits are made of slices; between them the request's check may raise."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        """Wrap `stream`, plain or TLS."""
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what came, empty at the end."""
        sock: socket.socket = self._stream.get_extra_info("socket")

        def receive(slice_s: float) -> bytes:
            # A socket that is read from holds room for all it may get, 64 KB for each of a thousand open
            # streams: so wait until there is something to read, or the end.
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                waiting = select.poll()
                waiting.register(sock, select.POLLIN)
                if not waiting.poll(slice_s * 1000):
                    raise httpcore.ReadTimeout
            return self._stream.read(max_bytes, slice_s)

        return _in_slices(receive, httpcore.ReadTimeout, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        sock: socket.socket = self._stream.get_extra_info("socket")
        view = memoryview(buffer)

        def send(slice_s: float) -> int:
            try:
                sock.settimeout(slice_s)
                return sock.send(view)
            except TimeoutError as exc:
                raise httpcore.WriteTimeout(str(exc)) from exc
            except OSError as exc:
                raise httpcore.WriteError(str(exc)) from exc

        while view:
            view = view[_in_slices(send, httpcore.WriteTimeout, timeout) :]

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the same connection, encrypted."""
        return PatientStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Return what the wrapped stream knows."""
        return self._stream.get_extra_info(info)


def _in_slices(io: Callable[[float], _T], timed_out: type[Exception], timeout: float | None) -> _T:
    check = getattr(timeout, "check", None)
    until_s = float("inf") if timeout is None else time.monotonic() + timeout
    while True:
        if check is not None:
            check()
        left_s = max(until_s - time.monotonic(), 0.001)
        try:
            return io(min(SLICE_S, left_s))
        except timed_out:
            if time.monotonic() >= until_s:
                raise


class PatientBackend(httpcore.SyncBackend):
    """Connects as usual, and hands out patient streams."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to `host`, whose every address is tried within `timeout` seconds in all.

        Keep-alive probes find a dead peer within about two minutes.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        share_s = None if timeout is None else max(timeout / len(addresses), 0.5)
        check = getattr(timeout, "check", None)
        failure: Exception = httpcore.ConnectError(f"{host} has no address.")
        for address in addresses:
            if check is not None:
                check()
            try:
                stream = super().connect_tcp(
                    address, port, share_s, local_address, socket_options or _KEEPALIVE
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
            else:
                return PatientStream(stream)
        raise failure


_KEEPALIVE: list[tuple[int, int, int]] = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}.items()
        if hasattr(socket, name)  # macOS has other names for some
    ),
]


def http_client(max_connections: int = 1100, *, verify: ssl.SSLContext | bool = True) -> httpx.Client:
    """Return the one HTTP client a process shares among all its threads: no cookies, no redirects, patient.

    `max_connections` must be at least the number of calls in flight. Close it when the process ends. Proxies
    named in the environment are not used: the addresses of downloads are checked before they are opened, and
    a proxy would resolve them a second time.
    """
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    transport = ShardedTransport(max_connections, verify)
    return httpx.Client(transport=transport, cookies=no_cookies, follow_redirects=False)


class ShardedTransport(httpx.BaseTransport):
    """Several connection pools, each for its share of the threads.

    httpcore looks at all connections of a pool, under one lock, for each request: with hundreds of threads on
    one pool that costs more than the requests themselves (a quarter of a worker's time at 400 streams).
    """

    def __init__(self, max_connections: int, verify: ssl.SSLContext | bool) -> None:
        """Open a pool for each `THREADS_PER_POOL` of `max_connections`; `verify` is as in httpx."""
        context = verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify=verify)
        self._transports = []
        for _ in range(max(1, max_connections // THREADS_PER_POOL)):
            transport = httpx.HTTPTransport(verify=context)
            # httpx passes no network backend through: its pool, a public class of httpcore, is made here.
            transport._pool = httpcore.ConnectionPool(
                ssl_context=context,
                max_connections=max_connections,
                keepalive_expiry=KEEPALIVE_S,
                network_backend=PatientBackend(),
            )
            self._transports.append(transport)
        self._numbers = count()
        self._local = threading.local()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send by this thread's pool."""
        number: int | None = getattr(self._local, "number", None)
        if number is None:
            number = self._local.number = next(self._numbers)
        return self._transports[number % len(self._transports)].handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports:
            transport.close()


# --- from an answer to its data or its error (api-contract 1 and 6) -------------------------------

_BY_CODE: Mapping[int, type[NemoVideoError]] = {
    401: errors.TokenRefused,
    402: errors.ExportBlocked,
    413: errors.FileTooLarge,
    415: errors.UnsupportedFile,
    429: errors.RateLimited,
    1001: errors.TokenRefused,
    1002: errors.SessionNotFound,
    2001: errors.OutOfCredits,
    4001: errors.UnsupportedFile,
    4002: errors.FileTooLarge,
}
_BY_ENDPOINT: Mapping[tuple[str, int], type[NemoVideoError]] = {
    ("token", 400): errors.ClientIdMissing,
    ("token", 429): errors.TokenRateLimited,
    ("run_sse", 404): errors.SessionNotFound,
    ("state", 404): errors.SessionNotFound,
    ("upload", 404): errors.SessionNotFound,
    ("claim", 404): errors.SessionNotFound,
    ("status", 404): errors.RenderNotFound,
    ("cancel", 404): errors.RenderNotFound,
    ("download", 404): errors.RenderNotFound,
    ("render", 409): errors.DuplicateRender,
}
# The refusals of api-contract 6, and 422, with which the web framework turns a malformed body away before the
# agent sees it. After anything else a paid message may have been taken.
_EDIT_NOT_TAKEN = frozenset({400, 401, 402, 404, 413, 415, 422, 429, 1001, 1002, 2001, 4001, 4002})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: its status, its body, and how long the service asks us to wait."""

    endpoint: str
    status: int
    body: bytes
    retry_after_s: float | None = None

    def parse(self) -> Any:
        """Return the JSON, or None if the body is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def data_of(answer: Answer) -> Mapping[str, Any]:
    """Return the fields of a good answer: `data` of the envelope, or the bare object.

    Raises the error of api-contract 6 that fits a refusal, BadAnswer for anything else.
    """
    document = answer.parse()
    if (refusal := refusal_of(answer, document)) is not None:
        raise refusal
    if not isinstance(document, dict):
        raise errors.BadAnswer(f"The answer to `{answer.endpoint}` is not the JSON it should be.")
    return _inner(document)


def refusal_of(answer: Answer, document: Any) -> NemoVideoError | None:
    """Return the error an answer stands for, or None if it is a good one.

    A code may come in the envelope with HTTP 200, in the envelope with another status, or as the bare status;
    the most exact one counts. A code that is no number is no envelope's. What the service wrote beside it is
    not repeated: it may hold anything.
    """
    code = document.get("code") if isinstance(document, dict) else None
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 10:
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool) and code != 0:
        return error_for(answer.endpoint, code, status=answer.status, retry_after_s=answer.retry_after_s)
    if not 200 <= answer.status < 300:
        return error_for(answer.endpoint, answer.status, retry_after_s=answer.retry_after_s)
    if isinstance(document, dict) and document.get("success") is False and "status" not in _inner(document):
        unknown = answer.endpoint == "run_sse"
        return errors.BadRequest(f"The service refused `{answer.endpoint}`.", outcome_unknown=unknown)
    return None


def error_for(
    endpoint: str, code: int, *, status: int = 200, retry_after_s: float | None = None
) -> NemoVideoError:
    """Return the error for a code of the contract or an HTTP status, whichever `code` is."""
    kind = _kind_of(endpoint, code)
    if kind is errors.BadRequest and not 200 <= status < 300:
        kind = _kind_of(endpoint, status)
    taken = endpoint == "run_sse" and code not in _EDIT_NOT_TAKEN and status not in _EDIT_NOT_TAKEN
    message = f"{kind.summary} (`{endpoint}` answered {code})"
    return kind(message, service_code=code, retry_after_s=retry_after_s, outcome_unknown=taken)


def _kind_of(endpoint: str, code: int) -> type[NemoVideoError]:
    if (endpoint, code) in _BY_ENDPOINT:
        return _BY_ENDPOINT[endpoint, code]
    if code in _BY_CODE and (endpoint != "cdn" or code == 429):
        return _BY_CODE[code]
    if 500 <= code < 600:
        return errors.ServerError
    return errors.DownloadBroken if endpoint == "cdn" else errors.BadRequest


def _inner(document: Mapping[str, Any]) -> Mapping[str, Any]:
    data = document.get("data")
    return data if isinstance(data, dict) else document


def parse_retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds a `Retry-After` header asks for, 600 at the most, given as seconds or a date."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return min(float(value), MAX_RETRY_AFTER_S)
    try:
        until = parsedate_to_datetime(value)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        wait_s = (until - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S)


# --- requests -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """One request as data.

    `path` may be a whole URL, `safe` means that sending it twice does no harm, and `ours` is False for an
    address that somebody else named: it gets no token, wherever it leads. `answer_s` is how long a whole
    answer may take, from the moment the request is sent.
    """

    endpoint: str
    method: str
    path: str
    json: Any = None
    body: Callable[[], Iterable[bytes]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)
    read_timeout_s: float | None = None
    answer_s: float | None = None
    should_stop: ShouldStop | None = None
    safe: bool = False
    paid: bool = False
    ours: bool = True


@dataclass(frozen=True)
class Transport:
    """All that requests share. Frozen, so that a thousand threads may use it."""

    endpoint: Endpoint
    attribution: Attribution
    tokens: Tokens | None
    http: httpx.Client
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    rng: random.Random = field(default_factory=random.Random)
    before_request: Callable[[str], None] | None = None

    def fetch_data(self, call: Call) -> Mapping[str, Any]:
        """Make `call` and return the fields of its answer; raise the error its code stands for."""
        return data_of(self.fetch(call))

    def fetch(self, call: Call) -> Answer:
        """Make `call` and return its answer if it is no refusal; a fresh token and safe retries included."""

        def attempt(token: str | None) -> Answer:
            return self.retry(call.safe, lambda: self._fetch_once(call, token), call.should_stop)

        return self.authorize(attempt)

    def authorize(self, attempt: Callable[[str | None], _T]) -> _T:
        """Run `attempt` with the token; if it is refused, once more with a new one (api-contract 6, 1001)."""
        if self.tokens is None:
            return attempt(None)
        token = self.tokens.bearer()
        try:
            return attempt(token)
        except errors.TokenRefused:
            fresh = self.tokens.refresh(token)
        return attempt(fresh)

    def retry(self, safe: bool, attempt: Callable[[], _T], should_stop: ShouldStop | None = None) -> _T:
        """Run `attempt`, again on faults of the network or the service if it is `safe`."""
        for failures in range(1, self.endpoint.retry.attempts):
            try:
                return attempt()
            except (errors.Unreachable, errors.ConnectionLost, errors.ServerError) as exc:
                asked_s = exc.retry_after_s or 0.0
                if not safe or asked_s > self.endpoint.retry.cap_s:
                    raise
                wait_s = asked_s or self.endpoint.retry.delay_s(failures, self.rng)
            pause(wait_s, should_stop, self.sleep)
        return attempt()

    def _fetch_once(self, call: Call, token: str | None) -> Answer:
        # The head counts too: a server may send it byte by byte. Sending a large body may take as long as it
        # takes.
        watch = Watch(call.should_stop, self.clock)
        answer_s = call.answer_s or self.endpoint.answer_s
        if call.body is None:
            watch.end_in(answer_s)

        def trace(event: str, _info: object) -> None:
            if event.endswith("send_request_body.complete"):
                watch.end_in(answer_s)

        with self.open(call, token, watch.check, trace) as response:
            answer = read_answer(call, response)
        if (refusal := refusal_of(answer, answer.parse())) is not None:
            raise refusal
        return answer

    @contextmanager
    def open(
        self, call: Call, token: str | None, check: Callable[[], None], trace: Trace | None = None
    ) -> Iterator[httpx.Response]:
        """Send `call` and give its response, whatever its status, the body unread; errors are translated.

        `check` is called before each read and write and at least twice a second between them; what it raises
        comes out. `trace` is called with the name of each of httpcore's steps.
        """
        if self.before_request is not None:
            self.before_request(call.endpoint)
        auth = BearerAuth(token, self.is_ours) if token is not None and call.ours else None
        with translate_errors(call):
            check()
            response = self.http.send(self._build_request(call, check, trace), stream=True, auth=auth)
        try:
            with translate_errors(call):
                yield response
        finally:
            response.close()

    def _build_request(self, call: Call, check: Callable[[], None], trace: Trace | None) -> httpx.Request:
        """Return the request; attribution goes to the API's own origin and nowhere else."""
        url = httpx.URL(call.path if "://" in call.path else self.endpoint.api_url.rstrip("/") + call.path)
        headers = {"User-Agent": "dropscore", **call.headers}
        if call.ours and self.is_ours(url):
            headers |= self.attribution.headers()
        content: Any = call.body() if call.body else None
        if call.json is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(call.json).encode()  # in ASCII: a draft may hold half a character
        quiet = Patience(self.endpoint.timeout_s, check)
        read = Patience(call.read_timeout_s or self.endpoint.timeout_s, check)
        timeout = httpx.Timeout(quiet, connect=Patience(CONNECT_TIMEOUT_S, check), read=read)
        return self.http.build_request(
            call.method,
            url,
            content=content,
            headers=headers,
            timeout=timeout,
            extensions={**call.extensions, "trace": trace} if trace else dict(call.extensions),
        )

    def is_ours(self, url: httpx.URL) -> bool:
        """Tell whether `url` has the API's scheme, host and port."""
        return origin_of(url) == origin_of(httpx.URL(self.endpoint.api_url))


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return scheme, host and port; httpx gives None for a scheme's own port, named or not."""
    return url.scheme, url.host, url.port


def read_answer(call: Call, response: httpx.Response) -> Answer:
    """Read a whole answer, up to a size that no honest one has."""
    return collect_answer(call, response, response.iter_bytes())


def collect_answer(call: Call, response: httpx.Response, chunks: Iterable[bytes]) -> Answer:
    """Return the answer whose body is `chunks`."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise errors.BadAnswer(f"The answer to `{call.endpoint}` has no end.", outcome_unknown=call.paid)
    wait_s = parse_retry_after_s(response.headers.get("Retry-After"))
    return Answer(call.endpoint, response.status_code, bytes(body), wait_s)


_NEVER_LEFT: Mapping[type[Exception], str] = {
    httpx.ConnectError: "No connection to the service could be made.",
    httpx.ConnectTimeout: "The service did not accept the connection in time.",
    httpx.PoolTimeout: "No connection was free in time.",
    httpx.ProxyError: "The proxy refused the connection.",
    httpx.UnsupportedProtocol: "The address of the service must begin with http:// or https://.",
    httpx.InvalidURL: "The address of the service is no valid URL.",
    httpx.LocalProtocolError: "The request could not be built.",
    httpx.CookieConflict: "The request could not be built.",
    UnicodeError: "The request holds characters that no header may hold; look at NEMO_TOKEN.",
}
_BAD_ANSWER = (httpx.DecodingError, httpx.TooManyRedirects, httpx.HTTPStatusError)


@contextmanager
def translate_errors(call: Call) -> Iterator[None]:
    """Turn every exception of httpx into one of ours; others pass."""
    try:
        yield
    except (httpx.LocalProtocolError, UnicodeError) as exc:
        raise translate(exc, call) from None  # its text shows the header that cannot be sent: the token
    except (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError) as exc:
        raise translate(exc, call) from exc


def translate(exc: Exception, call: Call) -> NemoVideoError:
    """Return our error for one of httpx; `outcome_unknown` for a paid call that may have been taken."""
    for kind, message in _NEVER_LEFT.items():
        if isinstance(exc, kind):
            return errors.Unreachable(message)
    if isinstance(exc, _BAD_ANSWER):
        return errors.BadAnswer(outcome_unknown=call.paid)
    slow = isinstance(exc, httpx.TimeoutException)
    if call.paid:
        return (errors.StreamTimeout if slow else errors.StreamLost)()
    return errors.ConnectionLost(
        f"The service {'did not answer in time' if slow else 'broke the connection'} (`{call.endpoint}`)."
    )
