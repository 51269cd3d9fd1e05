"""Fetching an upload from an address: http(s) only, public hosts only, never more than the limit."""

from __future__ import annotations

import http.client
import ipaddress
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path, PurePosixPath

from studio.errors import BadRequest
from studio.intake import Arrived, Writer

_TIMEOUT_S = 30.0
_CHUNK_BYTES = 256 * 1024


def fetch(url: str, folder: Path, max_bytes: int, *, allow_private: bool) -> Arrived:
    """Fetch one address into `folder`; what cannot be had is a `BadRequest` that says why."""
    name = PurePosixPath(urllib.parse.unquote(_checked(url).path)).name
    try:
        with _opener(allow_private).open(url, timeout=_TIMEOUT_S) as answer:
            return _save(answer, Writer(folder, name, max_bytes))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise BadRequest(f"urls: {name or 'the address'} could not be fetched: {reason}.") from error


def _save(answer: http.client.HTTPResponse, writer: Writer) -> Arrived:
    try:
        while chunk := answer.read(_CHUNK_BYTES):
            writer.write(chunk)
        return writer.finish()
    except BaseException:
        writer.discard()
        raise


def _checked(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        known = parts.scheme in {"http", "https"} and parts.hostname
    except ValueError as error:
        raise BadRequest("urls: not an address.") from error
    if not known:
        raise BadRequest("urls: only http and https addresses are accepted.")
    return parts


class _PrivateAddressError(OSError):
    """The host is not on the public network."""

    reason = "its host is not public"


def _refuse_private(connection: http.client.HTTPConnection) -> None:
    """Look at the address that was really reached, before a byte is sent to it."""
    address = ipaddress.ip_address(connection.sock.getpeername()[0])
    if not address.is_global:
        connection.close()
        raise _PrivateAddressError


class _PublicHTTP(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _refuse_private(self)


class _PublicHTTPS(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _refuse_private(self)


class _HTTPHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicHTTP, req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicHTTPS, req)


def _opener(allow_private: bool) -> urllib.request.OpenerDirector:
    """Make an opener that knows http(s) alone, follows redirects, and uses no proxy."""
    plain = (urllib.request.HTTPHandler(), urllib.request.HTTPSHandler())
    opener = urllib.request.OpenerDirector()
    for handler in plain if allow_private else (_HTTPHandler(), _HTTPSHandler()):
        opener.add_handler(handler)
    for common in (
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPRedirectHandler(),
    ):
        opener.add_handler(common)
    return opener
