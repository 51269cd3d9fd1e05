"""Files that are dropped on the page: streamed into an inbox under a hidden name, then renamed, whole.

UploadRefused
├── BadName      the name is none for a file of an inbox       code bad_name     400
├── TooLarge     larger than the service takes                  code too_large    413
├── NoRoom       the disk is full                               code no_room      507
└── Cut          the connection ended before the file did       code cut          400
"""

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from io import BufferedWriter
from pathlib import Path
from typing import ClassVar

from starlette.concurrency import run_in_threadpool

from storage.local import rename_without_replacing

SPARE_BYTES = 64 * 1024 * 1024
"""What stays free on the disk of the inbox."""
NAME_BYTES, DEPTH, TRIES = 240, 16, 1000
CHUNK_BYTES = 1 << 20


class UploadRefused(Exception):
    """Root of why a file is not taken; ``str()`` is one line for the person."""

    code: ClassVar[str] = "upload_refused"
    status: ClassVar[int] = 400


class BadName(UploadRefused):
    """The name leads out of the inbox, is hidden, or is no name of media."""

    code = "bad_name"


class TooLarge(UploadRefused):
    """The file is larger than the service takes."""

    code, status = "too_large", 413


class NoRoom(UploadRefused):
    """The disk of the inbox has no room for it."""

    code, status = "no_room", 507


class Cut(UploadRefused):
    """Fewer bytes came than were announced."""

    code = "cut"


class Uploads:
    """The door to one inbox on this host."""

    def __init__(self, inbox: Path, *, refuse: Callable[[str, str], str], most_bytes: int) -> None:
        """``refuse`` says why the producer would not take a name (folder or file), or nothing."""
        self.inbox = inbox.resolve()
        self._refuse = refuse
        self._most_bytes = most_bytes

    def check(self, name: str, size_bytes: int) -> Path:
        """Return the path a file gets, its folders made; ``name`` may have folders in it.

        Raises:
            BadName, TooLarge, NoRoom: it is not taken.
        """
        *folders, bare = name.split("/")
        if len(folders) > DEPTH or any(not _is_plain(part) for part in (*folders, bare)):
            raise BadName(f"{name}: a name without '..', control characters or a dot in front is needed")
        for part, kind in (*((part, "folder") for part in folders), (bare, "file")):
            if why := self._refuse(part, kind):
                raise BadName(f"{name}: {why}")
        if size_bytes > self._most_bytes:
            raise TooLarge(f"{name}: larger than the {self._most_bytes // 10**6} MB the service takes")
        folder = self.inbox.joinpath(*folders)
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        if not nearest.resolve().is_relative_to(self.inbox):  # a link in the inbox that leads out of it
            raise BadName(f"{name}: its folder is not in the inbox")
        if shutil.disk_usage(nearest).free < size_bytes + SPARE_BYTES:
            raise NoRoom(f"{name}: the disk of the inbox is full")
        folder.mkdir(parents=True, exist_ok=True)
        return folder / bare

    async def receive(self, name: str, size_bytes: int, pieces: AsyncIterator[bytes]) -> str:
        """Write a file of ``size_bytes`` from its pieces; answers its name in the inbox.

        A file that is there already is never replaced: the new one becomes ``clip (2).mp4``.

        Raises:
            UploadRefused: it is not taken, and nothing of it is left.
        """
        target = await run_in_threadpool(self.check, name, size_bytes)
        part = target.with_name(f".{secrets.token_hex(8)}.part")
        got, waiting = 0, bytearray()
        try:
            with part.open("xb") as file:
                async for piece in pieces:
                    got += len(piece)
                    if got > size_bytes:
                        raise Cut(f"{name}: more came than was announced")
                    waiting += piece
                    if len(waiting) >= CHUNK_BYTES:
                        await run_in_threadpool(file.write, bytes(waiting))
                        waiting.clear()
                await run_in_threadpool(file.write, bytes(waiting))
                await run_in_threadpool(_flush, file)
            if got != size_bytes:
                raise Cut(f"{name}: the connection ended before the file did; drop it again")
            return str((await run_in_threadpool(_put, part, target)).relative_to(self.inbox))
        finally:
            part.unlink(missing_ok=True)


def _flush(file: BufferedWriter) -> None:
    file.flush()
    os.fsync(file.fileno())


def _is_plain(part: str) -> bool:
    plain = part.isprintable() and "\\" not in part and len(part.encode("utf-8", "replace")) <= NAME_BYTES
    return plain and bool(part.strip()) and not part.startswith(".")


def _put(part: Path, target: Path) -> Path:
    """Give a file its name, or the next one that is free."""
    for number in range(1, TRIES):
        free = target if number == 1 else target.with_stem(f"{target.stem} ({number})")
        try:
            rename_without_replacing(str(part), str(free))
        except FileExistsError:
            continue
        return free
    raise BadName(f"{target.name}: there are {TRIES} files of that name")
