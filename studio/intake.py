"""Files on their way in, by multipart bodies or from public addresses: to disk in constant memory, hashed."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import ipaddress
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from studio.errors import BadRequest, FileTooLarge, UnreadableMedia, UnsupportedFile
from studio.media import probe
from studio.model import Upload

_TIMEOUT_S = 30.0
_CHUNK_BYTES = 256 * 1024


def fetch(url: str, folder: Path, max_bytes: int, *, allow_private: bool) -> Arrived:
    """Fetch one address into `folder`; what cannot be had is a `BadRequest` that says why."""
    try:
        parts = urllib.parse.urlsplit(url)
        known = parts.scheme in {"http", "https"} and parts.hostname
    except ValueError as error:
        raise BadRequest("urls: not an address.") from error
    if not known:
        raise BadRequest("urls: only http and https addresses are accepted.")
    name = PurePosixPath(urllib.parse.unquote(parts.path)).name
    try:
        with _opener(allow_private).open(url, timeout=_TIMEOUT_S) as answer:
            writer = Writer(folder, name, max_bytes)
            try:
                while chunk := answer.read(_CHUNK_BYTES):
                    writer.write(chunk)
                return writer.finish()
            except BaseException:
                writer.discard()
                raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise BadRequest(f"urls: {name or 'the address'} could not be fetched: {reason}.") from error


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


ACCEPTED = (
    ".mp4", ".mov", ".avi", ".webm", ".mkv", ".jpg", ".png", ".gif", ".webp", ".mp3", ".wav", ".m4a", ".aac",
)  # fmt: skip
_CONTAINERS = frozenset(
    {
        "mp4", "mov", "mkv", "webm", "avi",
        "gif", "png", "jpg", "webp", "webp_anim", "image2", "mjpeg",
        "mp3", "wav", "aac", "m4a",
    }
)  # fmt: skip
_FLUSH_BYTES = 1024 * 1024
_MAX_FILES = 50
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file whose bytes are on disk; its content was not looked at yet.

    `stamp` is that of a file which others can still write to, see `studio.handover`.
    """

    filename: str
    path: Path
    sha256: str
    stamp: str | None = None


class Writer:
    """One arriving file: named, counted, hashed and written piece by piece."""

    def __init__(self, folder: Path, filename: str, max_bytes: int) -> None:
        """Begin a file in `folder`; a name of another type is refused (4001)."""
        self.filename = filename
        self._max_bytes = max_bytes
        self._bytes = 0
        self._sha256 = hashlib.sha256()
        self.path = folder / f"{secrets.token_hex(16)}{check_suffix(filename)}"
        self._file: BinaryIO = self.path.open("wb")

    def write(self, data: bytes) -> None:
        """Add a piece, or raise `FileTooLarge` (4002)."""
        self._bytes += len(data)
        if self._bytes > self._max_bytes:
            limit = self._max_bytes // (1024 * 1024)
            raise FileTooLarge(f"{self.filename} is larger than {limit} MB; compress or trim it.")
        self._sha256.update(data)
        self._file.write(data)

    def finish(self) -> Arrived:
        """End the file."""
        self._file.close()
        return Arrived(self.filename, self.path, self._sha256.hexdigest())

    def discard(self) -> None:
        """Give the file up; nothing of it stays on disk."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class MultipartIntake:
    """Takes the `files` of one multipart body; anything else in it is refused by name."""

    def __init__(self, folder: Path, max_bytes: int, boundary: bytes) -> None:
        """Write into `folder`, at most `max_bytes` a file."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._steps: list[Callable[[], None]] = []
        self._buffered = 0
        self._header = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
        self._writers: list[Writer] = []
        self._arrived: list[Arrived] = []
        self._ended = False
        self._writing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writing.set_result(None)
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_data,
                "on_part_end": lambda: self._steps.append(self._end_file),
                "on_end": self._on_end,
            },
        )

    async def take(self, body: AsyncIterator[bytes]) -> tuple[Arrived, ...]:
        """Read the whole body; on any error nothing stays on disk."""
        try:
            async for chunk in body:
                try:
                    self._parser.write(chunk)
                except MultipartParseError as error:
                    raise BadRequest(f"The multipart body is malformed: {error}.") from error
                if self._buffered >= _FLUSH_BYTES:
                    await self._hand_over()
            await self._hand_over()
            await self._writing
            if not self._ended:
                raise BadRequest("The multipart body ended too early.")
            if not self._arrived:
                raise BadRequest("The multipart body has no field named files.")
        except BaseException:
            await asyncio.wait([self._writing])
            for writer in self._writers:
                writer.discard()
            raise
        return tuple(self._arrived)

    async def _hand_over(self) -> None:
        """Let a thread hash and write what was parsed, while the next piece arrives: at most two are held."""
        await self._writing
        steps, self._steps, self._buffered = self._steps, [], 0
        self._writing = asyncio.ensure_future(asyncio.to_thread(_do, steps))

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def _on_headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        options = parse_options_header(disposition)[1]
        field = options.get(b"name", b"").decode("utf-8", "replace")
        if field != "files":
            raise BadRequest(f"Unknown field {field or '(no name)'}; the field for files is named files.")
        if not options.get(b"filename"):
            raise BadRequest("The field files must carry a file with a filename.")
        name = options[b"filename"].decode("utf-8", "replace")
        filename = base_name(name)
        if len(self._writers) >= _MAX_FILES:
            raise BadRequest(f"More than {_MAX_FILES} files in one upload.")
        check_suffix(filename)
        self._steps.append(lambda: self._writers.append(Writer(self._folder, filename, self._max_bytes)))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        self._buffered += len(piece)
        self._steps.append(lambda: self._writers[-1].write(piece))

    def _end_file(self) -> None:
        self._arrived.append(self._writers[-1].finish())

    def _on_end(self) -> None:
        self._ended = True


def _do(steps: list[Callable[[], None]]) -> None:
    for step in steps:
        step()


def open_up(arrived: Arrived) -> Upload:
    """Look into a file that has arrived; one that is no accepted media is removed (4001)."""
    try:
        info = probe(arrived.path)
        if info.container not in _CONTAINERS:
            raise UnsupportedFile(
                f"{arrived.filename} holds {info.container}, which is not accepted. {_accepts()}"
            )
    except UnreadableMedia as error:
        arrived.path.unlink(missing_ok=True)
        raise UnsupportedFile(f"{arrived.filename} cannot be read as media. {_accepts()}") from error
    except UnsupportedFile:
        arrived.path.unlink(missing_ok=True)
        raise
    return Upload(arrived.filename, arrived.path, arrived.sha256, info, arrived.stamp)


def base_name(name: str) -> str:
    """Answer the last part of a name from outside, however the client spells paths."""
    return PureWindowsPath(PurePosixPath(name).name).name[-_MAX_NAME:]


def check_suffix(filename: str) -> str:
    """Answer the file's suffix, or raise `UnsupportedFile` (4001)."""
    suffix = PurePosixPath(filename).suffix.lower()
    if suffix not in ACCEPTED:
        raise UnsupportedFile(f"{filename} is not an accepted type. {_accepts()}")
    return suffix


def _accepts() -> str:
    return f"Accepted: {', '.join(suffix[1:] for suffix in ACCEPTED)}."
