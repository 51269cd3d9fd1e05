"""A cheap fingerprint of a source: its size, and samples of its content."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader

from producer.errors import SourceChanged, SourceGone, map_storage_errors
from storage import FileStat, failure_of, is_remote, storage_for

WHOLE_BYTES = 1024 * 1024
"""Files up to this size are read whole."""

SAMPLE_BYTES = 64 * 1024
_SPREAD = 8  # samples between head and tail
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}


@contextmanager
def open_source(path: str, expected: FileStat | None = None) -> Iterator[BufferedReader]:
    """Open a source for reading: a regular file, and no link in its last place.

    Raises:
        SourceGone: it is not there any more, or became something else than a regular file.
        SourceChanged: size or mtime are not the ``expected`` ones, before or after the reading.
        OSError: it cannot be read.
    """
    if is_remote(path):
        with map_storage_errors(), storage_for(path).open(path, expected) as file:
            try:
                yield file
            finally:
                if failure := failure_of(file):  # a demuxer swallows it, and finds the file cut short
                    raise failure
        return
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, flags)
    except OSError as exc:
        if exc.errno in _GONE or exc.errno == errno.ELOOP:
            raise SourceGone(f"{path}: not there any more") from exc
        raise
    with os.fdopen(handle, "rb") as file:
        _check(file, path, expected)
        yield file
        _check(file, path, expected)


def _check(file: BufferedReader, path: str, expected: FileStat | None) -> None:
    now = os.fstat(file.fileno())
    if not stat.S_ISREG(now.st_mode):
        raise SourceGone(f"{path}: no regular file")
    if expected is not None and expected != FileStat(path, now.st_size, now.st_mtime_ns):
        raise SourceChanged(f"{path}: still changing")


def fingerprint(file: BufferedReader, size_bytes: int) -> str:
    """Size and BLAKE2 of head, tail and evenly spread samples; of all of it up to 1 MiB."""
    digest = hashlib.blake2b(digest_size=16)
    if size_bytes <= WHOLE_BYTES:
        file.seek(0)
        digest.update(file.read(WHOLE_BYTES + 1))
    else:
        last = size_bytes - SAMPLE_BYTES
        for place in range(_SPREAD + 2):
            file.seek(last * place // (_SPREAD + 1))
            digest.update(file.read(SAMPLE_BYTES))
    return f"{size_bytes:x}-{digest.hexdigest()}"


def full_hash(path: str) -> str:
    """SHA-256 of the whole file, for two sources whose samples agree."""
    with open_source(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
