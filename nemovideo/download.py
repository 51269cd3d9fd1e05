"""A finished video, from its URL or from the API, whole or not at all (api-contract 2.8, 2.9)."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import httpx

from nemovideo import errors, guard
from nemovideo.errors import DownloadBroken, NemoVideoError, UnsafeUrl
from nemovideo.models import Downloaded, Render
from nemovideo.transport import (
    Call,
    ShouldStop,
    Transport,
    Watch,
    origin_of,
    read_answer,
    refusal_of,
)

MAX_REDIRECTS = 5
READ_BYTES = 1024 * 1024
SLOWEST_BYTES, SLOWEST_S = 64 * 1024, 60.0
"""A body that brings less than this in this time is given up, and gone on with by the next attempt."""
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})")
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
# How the stores of this world answer to a signed URL whose time is over.
_EXPIRED = frozenset({400, 401, 403, 404, 410})


class PartFile:
    """`<name>.part`, and beside it `<name>.part.meta` with the validator of the bytes in it.

    The validator is a strong ETag or a Last-Modified date: with it a broken download can be gone on with.
    """

    def __init__(self, path: Path) -> None:
        """Use `path`; nothing is touched yet."""
        self.path = path
        self._meta = path.with_name(path.name + ".meta")

    def resume_point(self) -> tuple[int, str | None]:
        """Return how many bytes can be kept, and the validator they belong to; (0, None) to begin again."""
        try:
            kept = json.loads(self._meta.read_text(encoding="utf-8"))
            size_bytes = self.path.lstat().st_size
        except (OSError, ValueError):
            return 0, None
        validator = kept.get("validator") if isinstance(kept, dict) else None
        usable = isinstance(validator, str) and (_is_strong_tag(validator) or _is_date(validator))
        return (size_bytes, validator) if usable and size_bytes else (0, None)

    def remember(self, validator: str | None) -> None:
        """Keep the validator of the bytes to come, before the first of them is written."""
        if validator is None:
            self.forget()
            return
        fresh = self._meta.with_name(self._meta.name + ".new")
        fresh.write_text(json.dumps({"validator": validator}), encoding="utf-8")
        fresh.replace(self._meta)

    def forget(self) -> None:
        """Drop the validator: what is there is finished, or of no use."""
        self._meta.unlink(missing_ok=True)

    def open_at(self, offset_bytes: int) -> BinaryIO:
        """Open for writing after the first `offset_bytes`, cut off there. No link is followed."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.fdopen(os.open(self.path, flags, 0o644), "wb")  # buffered: a raw write may be short
        try:
            file.truncate(offset_bytes)
            file.seek(offset_bytes)
        except OSError:
            file.close()
            raise
        return file

    def hash_first(self, size_bytes: int, check: Callable[[], None]) -> "hashlib._Hash":
        """Return the running SHA-256 of the first `size_bytes`, to go on with."""
        running = hashlib.sha256()
        if size_bytes == 0:
            return running
        with self.path.open("rb", buffering=0) as file:
            while size_bytes > 0 and (chunk := file.read(min(READ_BYTES, size_bytes))):
                check()
                running.update(chunk)
                size_bytes -= len(chunk)
        return running


@dataclass(frozen=True, slots=True)
class Source:
    """One place to get the file from."""

    endpoint: str
    url: str


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a response promises: where its first byte belongs, and the size of the whole file."""

    offset_bytes: int
    total_bytes: int | None
    validator: str | None

    @classmethod
    def read(cls, response: httpx.Response) -> "Head":
        """Read the head of a 200 or 206; raise DownloadBroken if a 206 does not tell its place."""
        length = response.headers.get("Content-Length", "")
        if response.status_code == 206:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if found is None:
                raise DownloadBroken("The service continued the download without saying where.")
            total = None if found[2] == "*" else int(found[2])
            return cls(int(found[1]), total, find_validator(response))
        total = int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
        return cls(0, total, find_validator(response))


@dataclass(slots=True)
class Download:
    """One download into one `.part` file. It is left there when it breaks, for the next try to go on with."""

    transport: Transport
    part: PartFile
    max_bytes: int
    on_bytes: Callable[[int], None] | None = None
    should_stop: ShouldStop | None = None
    refresh: Callable[[], Render] | None = None

    def run(self, render: Render) -> Downloaded:
        """Fetch the render's file: from its URL, from a fresh URL if that has expired, else from the API."""
        failure: NemoVideoError | None = None
        url = render.url
        while url is not None:
            try:
                return self._fetch_from(Source("cdn", self._resolve_relative(url)))
            except _TRY_OTHER as exc:
                url = self._refresh_url(render, exc) if failure is None else None
                failure = exc
        path = f"/api/render/proxy/{quote(render.id, safe='')}/download"
        try:
            return self.fetch(path)
        except (errors.RenderNotFound, errors.BadRequest) as exc:
            if failure is None:
                raise
            raise failure from exc  # the first failure tells more than "there is no such download"

    def fetch(self, path: str) -> Downloaded:
        """Fetch what lies at a path of the API."""
        return self._fetch_from(Source("download", self._resolve_relative(path)))

    def _refresh_url(self, render: Render, failure: NemoVideoError) -> str | None:
        """Ask for the render once more if its URL has expired; return a URL that is new, or None."""
        if self.refresh is None or failure.service_code not in _EXPIRED:
            return None
        try:
            fresh = self.refresh()
        except _TRY_OTHER:
            return None
        return fresh.url if fresh.url != render.url else None

    def _resolve_relative(self, url: str) -> str:
        return self.transport.endpoint.api_url.rstrip("/") + url if re.match(r"/(?!/)", url) else url

    def _fetch_from(self, source: Source) -> Downloaded:
        """Fetch from one source, going on where a broken connection ended."""

        def attempt(token: str | None) -> Downloaded:
            return self.transport.retry(True, lambda: self._fetch(source, token), self.should_stop)

        return self.transport.authorize(attempt)

    def _fetch(self, source: Source, token: str | None) -> Downloaded:
        watch = Watch(self.should_stop, self.transport.clock)
        watch.check()
        offset_bytes, validator = self.part.resume_point()
        headers = {"Accept-Encoding": "identity"}
        if validator is not None:
            headers |= {"Range": f"bytes={offset_bytes}-", "If-Range": validator}
        call = Call(source.endpoint, "GET", source.url, headers=headers, safe=True)
        watch.end_in(self.transport.endpoint.answer_s)
        with self._follow(call, token, watch) as response:
            if response.status_code == 416:
                return self._finish_complete(response, offset_bytes, validator, watch)
            head = self._inspect(call, response, offset_bytes, validator)
            watch.deadline_s = None  # a large file may take as long as it takes
            self.part.remember(head.validator or (validator if head.offset_bytes else None))
            return self._store(response, head, watch)

    @contextmanager
    def _follow(self, call: Call, token: str | None, watch: Watch) -> Iterator[httpx.Response]:
        """Open `call` and give the response at the end of its redirects; each hop is checked by itself."""
        url = call.path
        for _ in range(MAX_REDIRECTS + 1):
            with self._open_any(self._guard(call, url), token, watch) as response:
                if not (response.has_redirect_location and 300 <= response.status_code < 400):
                    yield response
                    return
                url = str(guard.parse_url(url).join(guard.parse_url(response.headers["Location"])))
        raise UnsafeUrl("The address of the finished video is redirected too often.")

    @contextmanager
    def _open_any(self, calls: list[Call], token: str | None, watch: Watch) -> Iterator[httpx.Response]:
        """Give the response of the first address that can be reached."""
        with ExitStack() as stack:
            for call in calls[:-1]:
                try:
                    response = stack.enter_context(self.transport.open(call, token, watch.check))
                except errors.Unreachable:
                    continue
                break
            else:
                response = stack.enter_context(self.transport.open(calls[-1], token, watch.check))
            yield response

    def _guard(self, call: Call, url: str) -> list[Call]:
        """Return `call` for each address of `url`; any but the API's own origin is checked."""
        parsed = guard.parse_url(url)
        if self.transport.is_ours(parsed):
            return [replace(call, path=url)]
        endpoint = self.transport.endpoint
        _, host, port = origin_of(guard.parse_url(endpoint.api_url))
        allow_private = endpoint.allow_private_urls or guard.is_private(host, port or 443)
        return [
            replace(
                call,
                endpoint="cdn",
                path=target.url,
                headers={**call.headers, **target.headers},
                extensions=target.extensions,
                ours=False,
            )
            for target in guard.check(url, allow_private=allow_private)
        ]

    def _finish_complete(
        self, response: httpx.Response, size_bytes: int, validator: str | None, watch: Watch
    ) -> Downloaded:
        """Take a part that holds the whole file already; drop it if it is not that file."""
        found = _UNSATISFIED.fullmatch(response.headers.get("Content-Range", ""))
        same = validator is not None and _matches(response, validator)
        if found is not None and int(found[1]) == size_bytes <= self.max_bytes and size_bytes and same:
            watch.deadline_s = None
            sha256 = self.part.hash_first(size_bytes, watch.check).hexdigest()
            self.part.forget()
            return Downloaded(sha256, size_bytes)
        self.part.forget()
        raise errors.ConnectionLost("The download could not be continued; it begins again.")

    def _inspect(self, call: Call, response: httpx.Response, kept_bytes: int, validator: str | None) -> Head:
        """Look at the head before a byte is written; raise DownloadBroken if this is no video that fits."""
        kind = response.headers.get("Content-Type", "").strip().lower()
        if response.status_code not in (200, 206) or kind.startswith(_NO_VIDEO):
            answer = read_answer(call, response)
            refusal = refusal_of(answer, answer.parse())
            raise refusal or DownloadBroken("The service sent a web page in place of the finished video.")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadBroken("The finished video came compressed, though that was not asked for.")
        head = Head.read(response)
        continued = (
            head.offset_bytes == kept_bytes and validator is not None and _matches(response, validator)
        )
        if head.offset_bytes and not continued:
            self.part.forget()
            raise DownloadBroken("The service continued another file, or at the wrong place.")
        if (head.total_bytes or 0) > self.max_bytes:
            raise self._too_large()
        return head

    def _too_large(self) -> DownloadBroken:
        return DownloadBroken(f"The finished video is larger than the {self.max_bytes} bytes allowed.")

    def _store(self, response: httpx.Response, head: Head, watch: Watch) -> Downloaded:
        size_bytes = head.offset_bytes
        running = self.part.hash_first(size_bytes, watch.check)
        with self.part.open_at(size_bytes) as file:
            measured_s, measured_bytes = watch.clock(), size_bytes
            for chunk in response.iter_raw():
                watch.check()
                size_bytes += len(chunk)
                if size_bytes > self.max_bytes:
                    raise self._too_large()
                file.write(chunk)
                running.update(chunk)
                if self.on_bytes is not None:
                    self.on_bytes(size_bytes)
                if (now_s := watch.clock()) - measured_s >= SLOWEST_S:
                    if size_bytes - measured_bytes < SLOWEST_BYTES:
                        raise httpx.ReadTimeout("The body comes too slowly.")
                    measured_s, measured_bytes = now_s, size_bytes
            file.flush()
            os.fsync(file.fileno())
        if size_bytes == 0 or head.total_bytes not in (None, size_bytes):
            raise DownloadBroken(f"The finished video came with {size_bytes} bytes, which is not all of it.")
        self.part.forget()
        return Downloaded(running.hexdigest(), size_bytes)


def find_validator(response: httpx.Response) -> str | None:
    """Return what a later `If-Range` may name: a strong ETag, or a strong date (RFC 9110, 8.8.2.2)."""
    tag = response.headers.get("ETag", "")
    if tag:
        return tag if _is_strong_tag(tag) else None
    modified, sent = response.headers.get("Last-Modified", ""), response.headers.get("Date", "")
    if not (_is_date(modified) and _is_date(sent)):
        return None
    # A file that was written in the second it was sent may have been written once more in that second.
    apart_s = (parsedate_to_datetime(sent) - parsedate_to_datetime(modified)).total_seconds()
    return modified if apart_s >= 1 else None


def _matches(response: httpx.Response, validator: str) -> bool:
    """Tell whether a response speaks of the file that `validator` names, as far as it says so at all."""
    name = "ETag" if _is_strong_tag(validator) else "Last-Modified"
    return bool(response.headers.get(name, validator) == validator)


def _is_strong_tag(text: str) -> bool:
    return re.fullmatch(r'"[\x21\x23-\x7e]*"', text) is not None


def _is_date(text: str) -> bool:
    try:
        parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return False
    return text.isascii() and text.isprintable() and text.endswith("GMT")
