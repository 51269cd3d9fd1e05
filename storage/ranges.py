"""An object as a file: what is read is fetched, and nothing else."""

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FIRST_BYTES = 64 * 1024
"""Fetched after a seek: a header, or a sample."""

MOST_BYTES = 4 * 1024 * 1024
"""Fetched at once when a file is read from front to back."""

Fetch = Callable[[int, int], bytes | memoryview]
"""The bytes from a first offset to (not including) a last one."""


class Ranged(io.RawIOBase):
    """A read-only file over ranged requests; the window doubles as long as the reading goes straight on.

    ``failure`` is what ended a read: a demuxer may swallow the error, and go on as if the file ended there.
    """

    def __init__(self, fetch: Fetch, size_bytes: int) -> None:
        """Nothing is fetched before the first read."""
        super().__init__()
        self._fetch, self._size = fetch, size_bytes
        self._at = self._begin = self._end = 0
        self._window: memoryview = memoryview(b"")
        self._next_bytes = FIRST_BYTES
        self.failure: OSError | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to an offset; nothing is fetched for it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill a buffer, or a part of it; 0 at the end."""
        room = memoryview(buffer).cast("B")
        if self._at >= self._size or not len(room):
            return 0
        if not self._begin <= self._at < self._end:
            self._fill(len(room))
        part = self._window[self._at - self._begin :][: len(room)]
        room[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _fill(self, wanted_bytes: int) -> None:
        straight_on = self._at == self._end and self._end > 0
        self._next_bytes = min(self._next_bytes * 2, MOST_BYTES) if straight_on else FIRST_BYTES
        length = max(self._next_bytes, min(wanted_bytes, MOST_BYTES))
        end = min(self._at + length, self._size)
        self._window = memoryview(b"")  # let go of the old one first
        try:
            self._window = memoryview(self._fetch(self._at, end))
        except OSError as exc:
            self.failure = exc
            raise
        self._begin, self._end = self._at, self._at + len(self._window)
        if not len(self._window):
            raise OSError("the store sent nothing for a range that is there")

    def close(self) -> None:
        """Let go of what was fetched."""
        self._window = memoryview(b"")
        super().close()


def failure_of(file: io.BufferedReader) -> OSError | None:
    """What the store said when a read failed, whoever swallowed it."""
    return file.raw.failure if isinstance(file.raw, Ranged) else None
