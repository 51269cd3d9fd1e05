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

from nemo.errors import FileTooLarge, SourceUnreadable, Stopped
from nemo.model import MAX_FILE_BYTES

CHUNK_BYTES = 256 * 1024

_ESCAPED = {'"': "%22", "\\": "%5C"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Watch:
    """What a transfer reports, and what may end it."""

    on_bytes: Callable[[int], None] | None = None
    should_stop: Callable[[], bool] | None = None

    def check(self) -> None:
        """Raise Stopped if the caller asked for it."""
        if self.should_stop is not None and self.should_stop():
            raise Stopped

    def report(self, done_bytes: int) -> None:
        """Tell the caller how many bytes have gone."""
        if self.on_bytes is not None:
            self.on_bytes(done_bytes)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that the caller holds open and that can be sought in; it may lie anywhere."""

    file: BinaryIO
    size_bytes: int


@contextmanager
def open_source(source: Path | OpenFile) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file, no link, and give it with its size; raise SourceUnreadable or FileTooLarge."""
    if isinstance(source, OpenFile):
        yield source.file, _checked(source.size_bytes, "The file")
        return
    with _open(source) as file:
        yield file, _checked(os.fstat(file.fileno()).st_size, source.name)


def _checked(size_bytes: int, name: str) -> int:
    if size_bytes > MAX_FILE_BYTES:
        raise FileTooLarge(f"{name} is larger than the 500 MB the service takes.", code=4002)
    return size_bytes


def _open(path: Path) -> BinaryIO:
    try:
        # O_NONBLOCK: a named pipe must not hold us before we have seen what it is.
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SourceUnreadable(f"{path.name} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(source).st_mode):
        os.close(source)
        raise SourceUnreadable(f"{path.name} is not a regular file.")
    return os.fdopen(source, "rb", buffering=0)


class MultipartFile:
    """A multipart body with one file in the field `files` (api-contract 2.4)."""

    def __init__(self, file: BinaryIO, size_bytes: int, filename: str, watch: Watch) -> None:
        """Send `size_bytes` of `file` under `filename`, which may hold anything."""
        self._file = file
        self._size_bytes = size_bytes
        self._name = filename
        self._watch = watch
        self._hash = sha256()
        boundary = uuid.uuid4().hex
        self._head = _head(boundary, filename)
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + size_bytes + len(self._tail)),
        }

    @property
    def sha256(self) -> str:
        """Return the hash (hex) of the bytes that were sent."""
        return self._hash.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """Yield the body, from the start of the file; raise SourceUnreadable if that shrinks meanwhile."""
        self._file.seek(0)
        self._hash = sha256()
        yield self._head
        sent_bytes = 0
        while sent_bytes < self._size_bytes:
            self._watch.check()
            chunk = self._read(min(CHUNK_BYTES, self._size_bytes - sent_bytes))
            self._hash.update(chunk)
            sent_bytes += len(chunk)
            yield chunk
            self._watch.report(sent_bytes)
        yield self._tail

    def _read(self, size_bytes: int) -> bytes:
        try:
            chunk = self._file.read(size_bytes)
        except OSError as error:
            raise SourceUnreadable(f"{self._name} cannot be read: {error.strerror}.") from error
        if not chunk:
            raise SourceUnreadable(f"{self._name} became shorter while it was sent.")
        return chunk


def _head(boundary: str, filename: str) -> bytes:
    """Return the part's header; the name is escaped as browsers do it, so that no name can end the line."""
    name = _CONTROL.sub(lambda found: f"%{ord(found[0]):02X}", filename)
    for character, escaped in _ESCAPED.items():
        name = name.replace(character, escaped)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode("utf-8", "replace")
