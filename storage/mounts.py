"""On which disk an outbox lies, kept in the state folder: an unmounted disk looks like an empty folder."""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

from storage.paths import is_remote

MOUNTS_FILE = "mounts.json"
"""In the state folder: the mount point of every outbox that was used with it."""

OWNER_FILE = ".dropscore-outbox"
"""In an outbox: the ledger it belongs to."""

_GUARD = threading.Lock()


def remember_mount(outbox: str, state_dir: Path | str) -> str:
    """Note on which mount point an outbox that is there lies; returns it. Raises OSError."""
    if is_remote(outbox):
        return "/"
    point = find_mount(outbox)
    with _GUARD:
        mounts = read_mounts(state_dir)
        if mounts.get(outbox) != point:
            file = Path(state_dir, MOUNTS_FILE)
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(f".{os.getpid()}.part")
            part.write_text(
                json.dumps({**mounts, outbox: point}, indent=1), encoding="utf-8", errors="surrogateescape"
            )
            part.replace(file)
    return point


def find_mount(folder: str) -> str:
    """Return the mount point that holds a folder that is there."""
    at = Path(folder).resolve()
    while not at.is_mount():
        at = at.parent
    return str(at)


def is_unmounted(outbox: str, point: str) -> bool:
    """Return whether the mount point an outbox was on is none now, and no outbox is there in its place."""
    with suppress(OSError):
        os.scandir(point).close()  # an automatic mount is made by asking for what is in it
    return not os.path.ismount(point) and not os.path.lexists(f"{outbox}/{OWNER_FILE}")


def find_unmounted(path: str, state_dir: Path | str) -> tuple[str, str] | None:
    """Return the outbox that holds a path and the mount point it was on, if that is not mounted now."""
    for outbox, point in read_mounts(state_dir).items():
        if f"{path}/".startswith(f"{outbox}/") and is_unmounted(outbox, point):
            return outbox, point
    return None


def read_mounts(state_dir: Path | str) -> dict[str, str]:
    """Read the noted mount points; a file that says nothing is as none."""
    try:
        table = json.loads(Path(state_dir, MOUNTS_FILE).read_text(encoding="utf-8", errors="surrogateescape"))
        return {str(outbox): str(point) for outbox, point in table.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
