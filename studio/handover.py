"""Files that change hands on one machine: given and taken by name in a private folder, without a copy.

A client with the same user on the same machine puts a link to its source into the folder and tells the name,
or tells a name under which it wants a link to a finished render. Names are random and nobody else can look
into the folder: that a client knows it is what allows it to. Any other client uploads and downloads.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
from pathlib import Path

from studio.errors import BadRequest, FileTooLarge
from studio.intake import Arrived, base_name, check_suffix


def open_folder(root: Path) -> Path:
    """Make the folder under `root`, readable by its owner alone; what a killed client left is removed."""
    folder = root / "handover"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def take(folder: Path, into: Path, name: str, filename: str, max_bytes: int) -> Arrived:
    """Move the file that lies in `folder` under `name` into `into`, and hash it; the upload is `filename`.

    Raises BadRequest when it is not there, UnsupportedFile, FileTooLarge.
    """
    filename = base_name(filename)
    path, target = folder / name, into / f"{secrets.token_hex(16)}{check_suffix(filename)}"
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise BadRequest("name: it is not a regular file.")
        if found.st_size > max_bytes:
            raise FileTooLarge(f"{filename} is larger than {max_bytes // 1024**2} MB; compress or trim it.")
        path.rename(target)
        with target.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise BadRequest(f"name: nothing was handed over: {exc.strerror}.") from exc
    return Arrived(filename, target, sha256, stamp_of(found))


def give(path: Path, folder: Path, name: str) -> None:
    """Link `path` into `folder` under `name`; raises BadRequest where that cannot be."""
    try:
        os.link(path, folder / name, follow_symlinks=False)
    except OSError as exc:
        raise BadRequest(f"name: it cannot be handed over: {exc.strerror}.") from exc


def stamp_of(found: os.stat_result) -> str:
    """Return what changes whenever somebody writes to a file."""
    return f"{found.st_size}:{found.st_mtime_ns}"
