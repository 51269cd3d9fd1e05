"""A download in progress on disk: the `.part` file, and beside it what is needed to go on with it later."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

READ_BYTES = 1024 * 1024
STORE_BYTES = 1024 * 1024
"""So much is gathered before it is written and hashed; twice that is held at the most."""
FIRST_BYTES = 64 * 1024
"""The first piece: many downloads are small."""
FLUSH_BYTES = 16 * 1024 * 1024
"""After so much the system is told to begin writing to the disk; the last flush then waits for little."""


class PartFile:
    """`<name>.part`, and `<name>.part.meta` with the validator (a strong ETag) of the bytes in it."""

    def __init__(self, path: Path) -> None:
        """Use `path`; nothing is touched yet."""
        self.path = path
        self._meta = path.with_name(path.name + ".meta")

    def resume_point(self) -> tuple[int, str | None]:
        """Return how many bytes can be kept, and the validator they belong to; (0, None) to start anew."""
        validator = self._validator()
        try:
            size_bytes = self.path.lstat().st_size
        except OSError:
            size_bytes = 0
        return (size_bytes, validator) if validator and size_bytes else (0, None)

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

    def hash_of(self, size_bytes: int, check: Callable[[], None]) -> "hashlib._Hash":
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

    @contextmanager
    def arriving(self, offset_bytes: int, check: Callable[[], None]) -> Iterator["Arriving"]:
        """Open what goes on after the first `offset_bytes`; what came is in the file, however it ends."""
        running = self.hash_of(offset_bytes, check)
        with self.open_at(offset_bytes) as file, ThreadPoolExecutor(1, "store") as thread:
            arriving = Arriving(file, running, thread)
            try:
                yield arriving
            finally:
                arriving.settle()

    def _validator(self) -> str | None:
        try:
            kept = json.loads(self._meta.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        found = kept.get("validator") if isinstance(kept, dict) else None
        return found if isinstance(found, str) and found.isascii() and found.isprintable() else None


class Arriving:
    """Bytes on their way to disk: a thread writes and hashes a piece while the network brings the next."""

    def __init__(self, file: BinaryIO, running: "hashlib._Hash", thread: ThreadPoolExecutor) -> None:
        """Write to `file` and go on with the hash `running`; the thread starts with the first whole piece."""
        self._file = file
        self._running = running
        self._thread = thread
        self._piece = memoryview(bytearray(FIRST_BYTES))
        self._spare: memoryview | None = None
        self._filled_bytes = 0
        self._unflushed_bytes = 0
        self._storing: Future[None] | None = None

    def room(self) -> memoryview:
        """Where the next bytes go; never empty."""
        return self._piece[self._filled_bytes :]

    def came(self, size_bytes: int) -> None:
        """So many bytes are in the room; raises OSError when an earlier piece could not be written."""
        self._filled_bytes += size_bytes
        if self._filled_bytes < len(self._piece):
            return
        self._wait()
        full, self._filled_bytes = self._piece, 0
        self._storing = self._thread.submit(self._store, full)
        self._piece = self._spare or memoryview(bytearray(STORE_BYTES))
        self._spare = full if len(full) == STORE_BYTES else None

    def settle(self) -> None:
        """Wait until all that was taken is written; raises OSError."""
        self._wait()
        rest, self._filled_bytes = self._piece[: self._filled_bytes], 0
        self._store(rest)

    def finish(self) -> str:
        """Flush all of it to disk; answers the SHA-256 (hex) of the whole file. Raises OSError."""
        self.settle()
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._running.hexdigest()

    def _wait(self) -> None:
        storing, self._storing = self._storing, None
        if storing is None:
            return
        try:
            storing.result()
        except OSError:
            self._filled_bytes = 0  # the next try goes on at the file's end: no gap may be in it
            raise

    def _store(self, piece: memoryview) -> None:
        self._file.write(piece)
        self._running.update(piece)
        self._unflushed_bytes += len(piece)
        if self._unflushed_bytes >= FLUSH_BYTES and hasattr(os, "posix_fadvise"):
            # Linux begins to write what is named here and does not wait; pages being written stay in memory.
            begin_bytes = self._file.tell() - self._unflushed_bytes
            os.posix_fadvise(self._file.fileno(), begin_bytes, self._unflushed_bytes, os.POSIX_FADV_DONTNEED)
            self._unflushed_bytes = 0
