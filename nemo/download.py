"""A finished video, from its URL or from the API, whole or not at all (api-contract 2.8, 2.9)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from nemo import answers, errors, guard
from nemo.errors import DownloadBroken, NemoError, UnsafeUrl
from nemo.model import Downloaded, Render
from nemo.network import watching
from nemo.part_file import PartFile
from nemo.receive import receive
from nemo.transfer import Watch
from nemo.transport import Call, Transport, origin, read_answer

MAX_REDIRECTS = 5
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_NO_VIDEO = ("text/", "application/json", "application/problem", "application/xml", "application/xhtml")
# With these the other source may still work; anything else (a stop, a full disk, a gate) would meet it too.
_TRY_OTHER = (
    UnsafeUrl,
    DownloadBroken,
    errors.Unreachable,
    errors.ConnectionLost,
    errors.ServerError,
    errors.RateLimited,
    errors.BadRequest,
    errors.BadAnswer,
    errors.RenderNotFound,
)


Kept = tuple[int, str | None]
"""How many bytes of an earlier try are there, and the validator they belong to."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place to get the file from."""

    endpoint: str
    url: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the head of a response promises: where its first byte belongs, and the size of the whole file."""

    offset_bytes: int
    total_bytes: int | None
    validator: str | None


class Download:
    """One download into one `.part` file. It is left there when it breaks, for the next try to go on with."""

    def __init__(self, transport: Transport, part: Path, max_bytes: int, watch: Watch) -> None:
        """Write to `part`, at most `max_bytes`."""
        self._transport = transport
        self._part = PartFile(part)
        self._max_bytes = max_bytes
        self._watch = watch

    def run(self, render: Render) -> Downloaded:
        """Fetch the render's file: its URL first, the API's own download if that does not answer."""
        first, *others = self._sources(render)
        with watching(self._watch.check):
            try:
                return self._from(first)
            except _TRY_OTHER as error:
                if not others:
                    raise
                failed = error
            return self._fall_back(others[0], failed)

    def _fall_back(self, source: Source, failed: NemoError) -> Downloaded:
        try:
            return self._from(source)
        except (errors.RenderNotFound, errors.BadRequest) as error:
            raise failed from error  # the first failure says more than "there is no such download"

    def _sources(self, render: Render) -> list[Source]:
        api = Source("download", f"{self._api_url}/api/render/proxy/{quote(render.id, safe='')}/download")
        if not render.url:
            return [api]
        url = f"{self._api_url}{render.url}" if re.match(r"/(?!/)", render.url) else render.url
        return [Source("cdn", url), api]

    @property
    def _api_url(self) -> str:
        return self._transport.endpoint.api_url.rstrip("/")

    def _from(self, source: Source) -> Downloaded:
        """Fetch from one source, going on where a broken connection ended."""

        def attempt(token: str | None) -> Downloaded:
            return self._transport.retrying(True, lambda: self._fetch(source, token))

        return self._transport.authorised(attempt)

    def _fetch(self, source: Source, token: str | None) -> Downloaded:
        self._watch.check()
        offset_bytes, validator = self._part.resume_point()
        headers = {"Accept-Encoding": "identity"}
        if validator is not None:
            headers |= {"Range": f"bytes={offset_bytes}-", "If-Range": validator}
        call = Call(source.endpoint, "GET", source.url, headers=headers, safe=True)
        with self._followed(call, token) as response:
            return self._receive(call, response, (offset_bytes, validator))

    @contextmanager
    def _followed(self, call: Call, token: str | None) -> Iterator[httpx.Response]:
        """Open `call` and give the response at the end of its redirects; each hop is checked by itself."""
        url = call.path
        for _ in range(MAX_REDIRECTS + 1):
            with self._transport.opened(self._guarded(call, url), token) as response:
                if not (response.has_redirect_location and 300 <= response.status_code < 400):
                    yield response
                    return
                url = str(guard.parse(url).join(guard.parse(response.headers["Location"])))
        raise UnsafeUrl("The address of the finished video is redirected too often.")

    def _guarded(self, call: Call, url: str) -> Call:
        """Return `call` for `url`; the API's own origin is the user's choice, every other is checked."""
        parsed = guard.parse(url)
        if self._transport.is_ours(parsed):
            return Call(call.endpoint, "GET", url, headers=call.headers, safe=True)
        target = guard.check(url, allow_private=self._private_allowed())
        headers = {**call.headers, **target.headers}
        return Call(
            "cdn", "GET", target.url, headers=headers, extensions=target.extensions, safe=True, ours=False
        )

    def _private_allowed(self) -> bool:
        endpoint = self._transport.endpoint
        _, host, port = origin(guard.parse(endpoint.api_url))
        return endpoint.allow_private_urls or guard.is_private(host, port or 443)

    def _receive(self, call: Call, response: httpx.Response, kept: Kept) -> Downloaded:
        if response.status_code == 416:
            self._part.forget()
            raise errors.ConnectionLost("The download could not be continued; it starts anew.")
        if response.status_code not in (200, 206):
            raise _refusal(call, response)
        arrival = self._inspect(call, response, kept)
        self._part.remember(arrival.validator or (kept[1] if arrival.offset_bytes else None))
        return self._store(response, arrival)

    def _inspect(self, call: Call, response: httpx.Response, kept: Kept) -> Arrival:
        """Look at the head before a byte is written; raise DownloadBroken if this is no video that fits."""
        kind = response.headers.get("Content-Type", "").strip().lower()
        if kind.startswith(_NO_VIDEO):
            raise _refusal(call, response)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadBroken("The finished video came compressed, though that was not asked for.")
        arrival = _arrival(response)
        if arrival.offset_bytes and (arrival.offset_bytes, arrival.validator or kept[1]) != kept:
            self._part.forget()
            raise DownloadBroken("The service continued another file, or at the wrong place.")
        if (arrival.total_bytes or 0) > self._max_bytes:
            raise self._too_large()
        return arrival

    def _too_large(self) -> DownloadBroken:
        return DownloadBroken(f"The finished video is larger than the {self._max_bytes} bytes allowed.")

    def _store(self, response: httpx.Response, arrival: Arrival) -> Downloaded:
        size_bytes = arrival.offset_bytes
        with self._part.arriving(size_bytes, self._watch.check) as arriving:
            for came_bytes in receive(response, arriving.room):
                self._watch.check()
                size_bytes += came_bytes
                if size_bytes > self._max_bytes:
                    raise self._too_large()
                arriving.came(came_bytes)
                self._watch.report(size_bytes)
            sha256 = arriving.finish()
        if size_bytes == 0 or arrival.total_bytes not in (None, size_bytes):
            raise DownloadBroken(f"The finished video came with {size_bytes} bytes, which is not all of it.")
        self._part.forget()
        return Downloaded(sha256, size_bytes)


def _arrival(response: httpx.Response) -> Arrival:
    tag = response.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else None
    length = response.headers.get("Content-Length", "")
    if response.status_code == 206:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None:
            raise DownloadBroken("The service continued the download without saying where.")
        return Arrival(int(found[1]), None if found[2] == "*" else int(found[2]), validator)
    return Arrival(0, int(length) if length.isascii() and length.isdigit() else None, validator)


def _refusal(call: Call, response: httpx.Response) -> NemoError:
    """Return the error for an answer that is no file: its code if it is an envelope."""
    answer = read_answer(call, response)
    refusal = answers.refusal_of(answer, answer.parsed())
    return refusal or DownloadBroken("The service sent a web page in place of the finished video.")
