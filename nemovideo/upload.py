"""The bytes of an upload: one file from disk as multipart, in constant memory, hashed on the way."""

import os
import re
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from nemovideo.errors import FileTooLarge, SourceUnreadable
from nemovideo.models import MAX_FILE_BYTES

CHUNK_BYTES = 256 * 1024

_ESCAPED = {'"': "%22", "\\": "%5C"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that the caller holds open and that can be sought in; it may lie anywhere."""

    file: BinaryIO
    size_bytes: int


@contextmanager
def open_source(source: Path | OpenFile) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file, no link, and give it with its size; raise SourceUnreadable or FileTooLarge."""
    if isinstance(source, OpenFile):
        _check_size(source.size_bytes, "The file")
        yield source.file, source.size_bytes
        return
    try:
        # O_NONBLOCK: a named pipe must not hold us before we have seen what it is.
        number = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        raise SourceUnreadable(f"{source.name} cannot be read: {exc.strerror}.") from exc
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise SourceUnreadable(f"{source.name} is not a regular file.")
    with os.fdopen(number, "rb", buffering=0) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        _check_size(size_bytes, source.name)
        yield file, size_bytes


def _check_size(size_bytes: int, name: str) -> None:
    if size_bytes > MAX_FILE_BYTES:
        raise FileTooLarge(f"{name} is larger than the 500 MB the service takes.")


def name_for_service(filename: str) -> str:
    """Return the name to send a file under: the accepted types list `jpg`, and no other spelling of it."""
    return re.sub(r"\.(?:jpeg|jpe|jfif)$", ".jpg", filename, flags=re.IGNORECASE)


class MultipartFile:
    """A multipart body with one file in the field `files` (api-contract 2.4)."""

    def __init__(
        self,
        file: BinaryIO,
        size_bytes: int,
        filename: str,
        on_bytes: Callable[[int], None] | None = None,
    ) -> None:
        """Send `size_bytes` of `file` under `filename`, which may hold anything."""
        self._file = file
        self._size_bytes = size_bytes
        self._name = filename
        self._on_bytes = on_bytes
        self._hash = sha256()
        boundary = uuid.uuid4().hex
        self._head = build_head(boundary, name_for_service(filename))
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + size_bytes + len(self._tail)),
        }

    @property
    def sha256(self) -> str:
        """Return the hash (hex) of the bytes that were sent."""
        return self._hash.hexdigest()

    def iter_chunks(self) -> Iterator[bytes]:
        """Yield the body, from the start of the file; raise SourceUnreadable if that shrinks meanwhile."""
        self._file.seek(0)
        self._hash = sha256()
        yield self._head
        sent_bytes = 0
        while sent_bytes < self._size_bytes:
            try:
                chunk = self._file.read(min(CHUNK_BYTES, self._size_bytes - sent_bytes))
            except OSError as exc:
                raise SourceUnreadable(f"{self._name} cannot be read: {exc.strerror}.") from exc
            if not chunk:
                raise SourceUnreadable(f"{self._name} became shorter while it was sent.")
            self._hash.update(chunk)
            sent_bytes += len(chunk)
            yield chunk
            if self._on_bytes is not None:
                self._on_bytes(sent_bytes)
        yield self._tail


def build_head(boundary: str, filename: str) -> bytes:
    """Return the part's header; the name is escaped as browsers do it, so that no name can end the line."""
    name = _CONTROL.sub(lambda found: f"%{ord(found[0]):02X}", filename)
    for character, escaped in _ESCAPED.items():
        name = name.replace(character, escaped)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode("utf-8", "replace")
