"""State folders: each outbox has one of its own, in the user's state folder, and a file leads back to it.

A list (``known``) says which inbox and outbox each state folder served last. Losing it loses nothing: a state
folder is named after its outbox, and the outbox says which one it belongs to.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from config.settings import find_state_home
from storage import is_remote
from storage.mounts import OWNER_FILE

FORMER = Path(".dropscore")
"""Where the state was up to 1.0: in the folder in which a command was given."""
MOST_KNOWN = 100


def choose_state(outbox: str) -> Path:
    """Choose the state folder of an outbox: the one that served it before, else one named after it.

    What an earlier edition kept in the current folder goes on being used, so that nothing is paid twice.
    """
    former = find_state(outbox) or _read_owner(outbox) or find_former()
    return former or find_state_home() / name_state(outbox)


def name_state(outbox: str) -> str:
    """Name the state folder of an outbox: readable, and different for each path."""
    words = re.sub(r"[^\w.-]+", "-", outbox.rpartition("/")[2])[:40].strip("-.") or "outbox"
    return f"{words}-{sha256(os.fsencode(outbox)).hexdigest()[:8]}"


def find_former() -> Path | None:
    """Return the state folder that an earlier edition used in the current folder, or None."""
    here = FORMER.resolve()
    return here if (here / "run.lock").is_file() or (here / "appendonlydir").is_dir() else None


def _read_owner(outbox: str) -> Path | None:
    """Return the state folder that an outbox says it belongs to, where that is on this host."""
    if is_remote(outbox):
        return None
    with suppress(OSError, ValueError, KeyError, TypeError):
        state = Path(json.loads(Path(outbox, OWNER_FILE).read_bytes())["state_dir"])
        if state.is_absolute() and (state / "run.lock").is_file():
            return state
    return None


def remember_state(state: Path, *places: str) -> None:
    """Note which inbox and outbox a state folder serves, so that commands find it from any folder.

    A list that cannot be written is no reason to stop.
    """
    entry = {"state": str(state), "places": [place for place in places if place]}
    others = [one for one in _read_known() if one["state"] != entry["state"]]
    with suppress(OSError):
        known = find_state_home() / "known"
        known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = known.with_name(f".known.{os.getpid()}.part")
        part.write_text(json.dumps([entry, *others][:MOST_KNOWN], indent=1), encoding="utf-8")
        part.replace(known)


def find_state(path: str) -> Path | None:
    """Return the state folder that last served this file or folder, or None."""
    found = (state for state, places in _list_known() if any(_holds(one, path) for one in places))
    return next(found, None)


def find_state_below(folder: str) -> Path | None:
    """Return the state folder that last served anything in this folder, or None."""
    found = (state for state, places in _list_known() if any(_holds(folder, one) for one in places))
    return next(found, None)


def find_only_state() -> Path | None:
    """Return the state folder if there is one alone, else None."""
    found = list_states()
    return found[0] if len(found) == 1 else None


def list_states() -> list[Path]:
    """Return the state folders that are there, the last used first."""
    return [state for state, _ in _list_known()]


def find_places(state: Path) -> list[str]:
    """Return the folders that a state folder served last: the inbox first, then its outbox."""
    return next((places for one, places in _list_known() if one == state), [])


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _list_known() -> Iterator[tuple[Path, list[str]]]:
    """Yield the state folders that are there, the last used first, and what each served."""
    for entry in _read_known():
        state = Path(str(entry["state"]))
        if state.is_dir():
            yield state, list(entry["places"])


def _read_known() -> list[dict[str, Any]]:
    try:
        rows = json.loads((find_state_home() / "known").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [
        row
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("places"), list) and "state" in row
    ]
