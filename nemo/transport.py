"""One request to the service and back: headers, tokens, retries, and every foreign error translated."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from nemo import answers, errors
from nemo.answers import Answer
from nemo.attribution import Attribution
from nemo.errors import NemoError
from nemo.model import Endpoint
from nemo.tokens import Tokens

MAX_ANSWER_BYTES = 64 * 1024 * 1024
CONNECT_TIMEOUT_S = 10.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request as data.

    `path` may be a whole URL, `safe` means that sending it twice does no harm, and `ours` is False for an
    address that somebody else named: it gets no token, wherever it leads.
    """

    endpoint: str
    method: str
    path: str
    json: Any = None
    body: Callable[[], Iterable[bytes]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)
    read_timeout_s: float | None = None
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

    def data(self, call: Call) -> Mapping[str, Any]:
        """Make `call` and return the fields of its answer; raise the error its code stands for."""
        return answers.data_of(self.answer(call))

    def answer(self, call: Call) -> Answer:
        """Make `call` and return its answer if it is no refusal; a fresh token and safe retries included."""

        def attempt(token: str | None) -> Answer:
            return self.retrying(call.safe, lambda: self._once(call, token))

        return self.authorised(attempt)

    def authorised(self, attempt: Callable[[str | None], _T]) -> _T:
        """Run `attempt` with the token; if it is refused, once more with a new one (api-contract 6, 1001)."""
        if self.tokens is None:
            return attempt(None)
        token = self.tokens.bearer()
        try:
            return attempt(token)
        except errors.TokenRefused:
            fresh = self.tokens.refresh(token)
        return attempt(fresh)

    def retrying(self, safe: bool, attempt: Callable[[], _T]) -> _T:
        """Run `attempt`, again on faults of the network or the service if it is `safe`."""
        for failures in range(1, self.endpoint.retry.attempts):
            try:
                return attempt()
            except (errors.Unreachable, errors.ConnectionLost, errors.ServerError) as error:
                asked_s = error.retry_after_s or 0.0
                if not safe or asked_s > self.endpoint.retry.cap_s:
                    raise
                self.sleep(asked_s or self.endpoint.retry.delay_s(failures, self.rng))
        return attempt()

    def _once(self, call: Call, token: str | None) -> Answer:
        with self.opened(call, token) as response:
            answer = read_answer(call, response)
        if (refusal := answers.refusal_of(answer, answer.parsed())) is not None:
            raise refusal
        return answer

    @contextmanager
    def opened(self, call: Call, token: str | None) -> Iterator[httpx.Response]:
        """Send `call` and give its response, whatever its status, the body unread; errors are translated."""
        if self.before_request is not None:
            self.before_request(call.endpoint)
        with translated(call):
            response = self.http.send(self._request(call, token), stream=True)
        try:
            with translated(call):
                yield response
        finally:
            response.close()

    def _request(self, call: Call, token: str | None) -> httpx.Request:
        url = httpx.URL(call.path if "://" in call.path else self.endpoint.api_url.rstrip("/") + call.path)
        read_s = call.read_timeout_s or self.endpoint.timeout_s
        return self.http.build_request(
            call.method,
            url,
            json=call.json,
            content=call.body() if call.body else None,
            headers=self._headers(call, url, token),
            timeout=httpx.Timeout(self.endpoint.timeout_s, connect=CONNECT_TIMEOUT_S, read=read_s),
            extensions=dict(call.extensions),
        )

    def _headers(self, call: Call, url: httpx.URL, token: str | None) -> dict[str, str]:
        """Return the headers; attribution and bearer go to the API's own origin and nowhere else."""
        headers = {"User-Agent": "dropscore", **call.headers}
        if call.ours and self.is_ours(url):
            headers |= self.attribution.headers()
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
        return headers

    def is_ours(self, url: httpx.URL) -> bool:
        """Tell whether `url` has the API's scheme, host and port."""
        return origin(url) == origin(httpx.URL(self.endpoint.api_url))


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return scheme, host and port, the default port filled in."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def read_answer(call: Call, response: httpx.Response) -> Answer:
    """Read a whole answer, up to a size that no honest one has."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise errors.BadAnswer(f"The answer to `{call.endpoint}` has no end.", outcome_unknown=call.paid)
    wait_s = answers.retry_after_s(response.headers.get("Retry-After"))
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
def translated(call: Call) -> Iterator[None]:
    """Turn every exception of httpx into one of ours; others pass."""
    try:
        yield
    except (httpx.LocalProtocolError, UnicodeError) as error:
        raise translate(error, call) from None  # its text shows the header that cannot be sent: the token
    except (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError) as error:
        raise translate(error, call) from error


def translate(error: Exception, call: Call) -> NemoError:
    """Return our error for one of httpx; `outcome_unknown` for a paid call that may have been taken."""
    for kind, message in _NEVER_LEFT.items():
        if isinstance(error, kind):
            return errors.Unreachable(message)
    if isinstance(error, _BAD_ANSWER):
        return errors.BadAnswer(outcome_unknown=call.paid)
    if call.paid:
        timed_out = isinstance(error, httpx.TimeoutException)
        return (errors.StreamTimeout if timed_out else errors.StreamLost)()
    slow = isinstance(error, httpx.TimeoutException)
    return errors.ConnectionLost(
        f"The service {'did not answer in time' if slow else 'broke the connection'} (`{call.endpoint}`)."
    )
