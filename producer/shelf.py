"""The sidecars that lie in buckets: a listing shows them all, and no folder is asked by itself."""

import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from producer.passing import passing
from stores import Seen, store_of

FOLDER_FILE = "_dropscore.toml"
TABLES = (".toml", ".json", ".yaml", ".yml")

Marks = Mapping[str, str]
"""Names of sidecars, each with letters that change when it does."""

_NONE: Marks = MappingProxyType({})


def is_sidecar_name(name: str) -> bool:
    """Whether a name could be a sidecar's or a folder file's."""
    return name.endswith((".txt", *TABLES))


class Shelf:
    """What the last listing of each root showed; memory grows with the sidecars, not with the videos."""

    def __init__(self) -> None:
        """Nothing is listed yet."""
        self._roots: dict[str, dict[str, dict[str, str]]] = {}
        self._lock = threading.Lock()

    def look(self, root: str) -> None:
        """List a root anew; raises StoreError."""
        folders: dict[str, dict[str, str]] = {}
        for seen in store_of(root).list(root):
            folder, _slash, name = seen.path.rpartition("/")
            if is_sidecar_name(name):
                folders.setdefault(folder, {})[name] = _mark(seen)
        self._roots[root] = folders

    def of(self, folder: str, root: str) -> Marks:
        """The sidecars of a folder below a root, listed if it never was; raises SourceGone."""
        with self._lock:
            if root not in self._roots:
                with passing():
                    self.look(root)
        return self._roots[root].get(folder, _NONE)


def beside(folder: str, names: Iterable[str]) -> Marks:
    """Those of some names that are in a folder of a bucket, each looked at by itself; raises SourceGone."""
    with passing():
        looks = [(name, store_of(folder).stat(f"{folder}/{name}")) for name in names]
    return {name: _mark(seen) for name, seen in looks if seen is not None}


def _mark(seen: Seen) -> str:
    return f"{seen.size_bytes}:{seen.tag or seen.mtime_ns}"
