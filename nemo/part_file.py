"""A download in progress on disk: the `.part` file, and beside it what is needed to go on with it later."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

READ_BYTES = 1024 * 1024


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

    def _validator(self) -> str | None:
        try:
            kept = json.loads(self._meta.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        found = kept.get("validator") if isinstance(kept, dict) else None
        return found if isinstance(found, str) and found.isascii() and found.isprintable() else None
