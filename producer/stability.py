"""When is a file whole?  Time is passed in; the tracker reads nothing itself.

A file is stable after two looks ``settle_s`` apart between which nothing happened to it: not to its size, its
mtime, or its inode. An event that says it was closed is a reason to look, and no more. An empty file gets
twice the time.
A file that had been calm before the first look, by the inode's own time of change, has that much less to
wait; two looks it gets all the same.
"""

import errno
import fcntl
import os
import signal
import sys
from dataclasses import dataclass
from typing import BinaryIO

from storage import FileStat

SECOND_LOOK_S = 0.04
"""At least so long between the two looks; also the time a sidecar has to come along."""


@dataclass(frozen=True, slots=True)
class _Pending:
    stat: FileStat
    due: float
    first_seen: float


class StabilityTracker:
    """The files that are not stable yet; looks go in, "stable" comes out. Times are seconds."""

    def __init__(self, settle_s: float, sidecar_wait_s: float = 0.0) -> None:
        """Take the time between two looks, and the least time after which a file is taken."""
        self._settle_s = max(settle_s, sidecar_wait_s)
        self._sidecar_wait_s = sidecar_wait_s
        self._shortest_s = max(min(SECOND_LOOK_S, settle_s), sidecar_wait_s)
        self._pending: dict[str, _Pending] = {}

    def __len__(self) -> int:
        """Return how many files are being waited for."""
        return len(self._pending)

    def __contains__(self, path: str) -> bool:
        """Return whether a file is being waited for."""
        return path in self._pending

    def observe(self, stat: FileStat, now: float, calm_s: float = 0.0, *, whole: bool = False) -> bool:
        """Take in a look at a file; True when it is stable with this look (and then forgotten here).

        ``calm_s`` is for how long it had been calm before this look, where that can be trusted. One that is
        seen only once it is ``whole`` (an object of a bucket) waits for its sidecar alone.
        """
        known = self._pending.get(stat.path)
        if known is not None and known.stat.is_untouched(stat):
            if now < known.due:
                return False
            del self._pending[stat.path]
            return True
        if whole and not self._sidecar_wait_s:
            return True
        wait_s = self._sidecar_wait_s
        if not whole:
            credit_s = calm_s if known is None and stat.size_bytes and not self._sidecar_wait_s else 0.0
            wait_s = max(self._settle_s * (1 if stat.size_bytes else 2) - credit_s, self._shortest_s)
        self._pending[stat.path] = _Pending(stat, now + wait_s, known.first_seen if known else now)
        return False

    def postpone(self, stat: FileStat, now: float) -> None:
        """Look at a stable file again after the full time: somebody has it open, or it is not complete."""
        known = self._pending.get(stat.path)
        first_seen = known.first_seen if known else now
        self._pending[stat.path] = _Pending(stat, now + max(self._settle_s, self._shortest_s), first_seen)

    def forget(self, path: str) -> None:
        """Stop waiting for a file: it is gone."""
        self._pending.pop(path, None)

    def due(self, now: float) -> list[str]:
        """Return the files to look at now."""
        return [path for path, pending in self._pending.items() if pending.due <= now]

    def next_due(self) -> float | None:
        """Return when the next file must be looked at; None when nothing is awaited."""
        return min((pending.due for pending in self._pending.values()), default=None)

    def waiting(self) -> list[str]:
        """Return the files that are being waited for."""
        return list(self._pending)


def is_open_for_writing(file: BinaryIO) -> bool:
    """Return whether any process has the file open for writing, where the kernel can tell (Linux).

    A read lease is refused while there is such a process (EAGAIN). Other people's files, file systems without
    leases, and other systems cannot tell: then the answer is no. Never ask on a network file system, where a
    lease is refused for other reasons.
    """
    if sys.platform != "linux":
        return False
    try:
        # The default signal for a broken lease would end this process; this one is ignored by default.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as exc:
        return exc.errno == errno.EAGAIN
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def missing_bytes(file: BinaryIO, size_bytes: int) -> int:
    """Return by how many bytes a container says that it is longer than the file; 0 when nothing is missing.

    MP4 and its relatives, Matroska and WebM, AVI and WAV name the sizes of their parts. A file that was
    allocated in advance is full of zeros where its content will be: those are missing too. So is what was
    never written in the middle of a film, as a torrent leaves it.
    """
    file.seek(0)
    head = file.read(16)
    if len(head) < 12:
        return 0
    if head[4:8] in _MP4_BOXES:
        return _missing_in_mp4(file, size_bytes) or _bytes_in_holes(file, size_bytes)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        missing = _missing_in_matroska(file, size_bytes) or _zeros_at_the_end(file, size_bytes)
        return missing or _bytes_in_holes(file, size_bytes)
    if head[:4] == b"RIFF" and head[8:12] in {b"AVI ", b"WAVE", b"WEBP"}:
        return max(0, int.from_bytes(head[4:8], "little") + 8 - size_bytes)
    return 0 if any(head) else size_bytes


_MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"uuid"})
_LATER_BOXES = frozenset({b"moof", b"mfra", b"sidx", b"ssix", b"prft", b"emsg", b"meta", b"udta", b"pdin"})
_TAIL_BYTES = 64 * 1024
_MOST_BOXES = 100_000
_HOLES_BYTES = 1024 * 1024


def _missing_in_mp4(file: BinaryIO, size_bytes: int) -> int:
    at, kind = 0, b""
    for _ in range(_MOST_BOXES):
        if at >= size_bytes:
            break
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return 8 - len(head)
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:16], "big")
        kind = head[4:8]
        if not any(head):
            return _zeros_at_the_end(file, size_bytes)
        if length == 0:
            return 0  # the last box goes on to the end of the file
        if length < 8 or kind not in _MP4_BOXES | _LATER_BOXES:
            return 0  # no box we know: whatever follows the film is for the reader of its content to judge
        at += length
    if at > size_bytes:
        return at - size_bytes
    # Padding may be zeros; media are not.
    return 0 if kind in {b"free", b"skip"} else _zeros_at_the_end(file, size_bytes)


def _missing_in_matroska(file: BinaryIO, size_bytes: int) -> int:
    at = 0
    while at < size_bytes:
        file.seek(at)
        head = file.read(12)
        id_bytes = _ebml_width(head[:1])
        width = _ebml_width(head[id_bytes : id_bytes + 1])
        if not 1 <= id_bytes <= 4 or not width or len(head) < id_bytes + width:
            return 0  # no element
        raw = int.from_bytes(head[id_bytes : id_bytes + width], "big")
        mask = (1 << (7 * width)) - 1
        if raw & mask == mask:
            return 0  # a live recording never says
        at += id_bytes + width + (raw & mask)
    return max(0, at - size_bytes)


def _ebml_width(first: bytes) -> int:
    return 9 - first[0].bit_length() if first and first[0] else 0


def _bytes_in_holes(file: BinaryIO, size_bytes: int) -> int:
    """Return how many bytes were never written, where the file system can tell; padding may be as well."""
    found = data = 0
    try:
        handle = file.fileno()
        place = os.lseek(handle, 0, os.SEEK_CUR)
    except OSError:
        return 0
    try:
        while (hole := os.lseek(handle, data, os.SEEK_HOLE)) < size_bytes:
            try:
                data = os.lseek(handle, hole, os.SEEK_DATA)
            except OSError:  # nothing but the hole up to the end
                data = size_bytes
            found += data - hole
    except (OSError, AttributeError):  # a system that has no word for it
        return 0
    finally:
        os.lseek(handle, place, os.SEEK_SET)  # the file's buffer counts on it
    return found if found >= _HOLES_BYTES else 0


def _zeros_at_the_end(file: BinaryIO, size_bytes: int) -> int:
    """Return the length of a tail of nothing but zeros, as a file has that was allocated in advance."""
    tail_bytes = min(_TAIL_BYTES, size_bytes // 2)
    if tail_bytes < 4096:
        return 0
    file.seek(size_bytes - tail_bytes)
    return 0 if any(file.read(tail_bytes)) else tail_bytes
