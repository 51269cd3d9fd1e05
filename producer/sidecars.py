"""Which files beside a video say what is done with it, and what stands in them.

A folder is listed once and remembered until it changes: neither a flat folder of 100,000 files nor a bucket
is asked for each file. The instructions of a file are in ``clip.mp4.toml`` or ``clip.mp4.txt`` (nearer) and
``clip.toml`` or ``clip.txt``, in any case of letters; those of a folder in ``_dropscore.toml``.
"""

import codecs
import difflib
import os
import re
import stat
import threading
import time
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from producer.errors import UnusableSidecar, map_storage_errors, printable
from producer.preflight import is_media_name
from storage import FileStat, is_remote, storage_for

FOLDER_FILE = "_dropscore.toml"
KINDS = (".toml", ".txt")
FORMER_KINDS = (".json", ".yaml", ".yml")
"""Read until 0.1; now they are named, so that nothing is paid for without its instructions."""

MAX_CHARACTERS = 2000
"""An instruction file is not longer; a transcript that happens to have the video's name is."""

READ_BYTES = 64 * 1024
"""At most so much of a sidecar is read, however large (or sparse) it is."""

_RACY_S = 2.0  # a folder that changed so lately may change again within one tick of its clock
_NEIGHBOURS = frozenset({"html", "ttml", "xml", "tex", "vtt"})  # look a little like toml or txt, and are not
_UNFINISHED_BESIDE = (".aria2", ".ytdl", ".!qb", ".!ut")
_FRAGMENT = re.compile(r"(?P<stem>.+)\.f\d{2,4}(-\w+)?\.\w+")  # what yt-dlp merges: video.f137.mp4

Shape = TypeVar("Shape", bound=BaseModel)


def fold(name: str) -> str:
    """Return a name as a file system compares it that ignores case and Unicode form."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The names in one folder; ``marks`` are known where a listing shows sizes and times too (a bucket)."""

    path: str
    names: frozenset[str]
    notes: Mapping[str, tuple[str, ...]]  # folded name of what may be a sidecar → the names as they stand
    folded: Mapping[str, tuple[str, ...]]  # the names that are equal to another but for case or Unicode form
    misspelt: Mapping[str, tuple[str, ...]]  # folded name of a file → what is almost its sidecar (a.mp4.tmol)
    folder_files: tuple[str, ...]  # what the instructions of the whole folder are, or seem to be, in
    marks: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, path: str, names: Iterable[str], marks: Mapping[str, str] | None = None) -> "FolderListing":
        """Sort the names of a folder."""
        there = frozenset(names)
        notes: dict[str, list[str]] = {}
        folded: dict[str, list[str]] = {}
        first: dict[str, str] = {}
        misspelt: dict[str, list[str]] = {}
        for name in sorted(there):
            key = fold(name)
            if (other := first.setdefault(key, name)) is not name:
                folded.setdefault(key, [other]).append(name)
            if is_media_name(name):
                continue
            notes.setdefault(key, []).append(name)
            base, _dot, tail = key.rpartition(".")
            if is_media_name(base) and is_almost_a_kind(tail):
                misspelt.setdefault(base, []).append(name)
        return cls(
            path,
            there,
            {key: tuple(same) for key, same in notes.items()},
            {key: tuple(same) for key, same in folded.items()},
            {key: tuple(same) for key, same in misspelt.items()},
            tuple(name for key, same in notes.items() if key.startswith("_dropscore") for name in same),
            marks or {},
        )

    def sidecars_of(self, name: str) -> list[list[str]]:
        """Return the names of a file's sidecars, a list for each level, the nearest level first."""
        if not self.notes:
            return []
        bases = dict.fromkeys((fold(name), fold(name.rpartition(".")[0] or name)))
        levels = ([found for kind in KINDS for found in self.notes.get(base + kind, ())] for base in bases)
        return [level for level in levels if level]

    def rank(self, name: str) -> int:
        """Return the place of a name among those that differ from it only in case or Unicode form, from 0."""
        same = self.folded.get(fold(name)) if self.folded else None
        return sorted(same).index(name) if same else 0

    def why_busy(self, name: str) -> str:
        """Return why a file is not finished, by what is beside it; "" when nothing speaks against it."""
        for tail in _UNFINISHED_BESIDE:
            if name + tail in self.names:
                return f"{name + tail} is there: its download goes on"
        found = _FRAGMENT.fullmatch(name)
        if found and any(other.startswith(f"{found['stem']}.") and other != name for other in self.names):
            return "it is one part of a download that is merged later"
        return ""

    def former_sidecars(self, name: str) -> list[str]:
        """Return the sidecars of a file in a format that is no longer read."""
        if not self.notes:
            return []
        return [found for kind in FORMER_KINDS for found in self.notes.get(fold(name) + kind, ())]


@lru_cache(1024)
def is_almost_a_kind(tail: str) -> bool:
    """Return whether an extension is a slip of the pen for ``txt`` or ``toml``."""
    if f".{tail}" in KINDS or tail in _NEIGHBOURS or tail.endswith("~") or not tail.isalpha():
        return False
    return bool(difflib.get_close_matches(tail, ("txt", "toml"), cutoff=0.7))


class SidecarIndex:
    """The listings of folders, each made once and kept until the folder changes; shared by threads."""

    def __init__(self) -> None:
        """Nothing is listed yet."""
        self._folders: dict[str, tuple[int, FolderListing]] = {}
        self._buckets: dict[str, dict[str, FolderListing]] = {}
        self._lock = threading.Lock()

    def listing(self, folder: str, root: str) -> FolderListing:
        """Return what is in a folder below a root; raises SourceGone when a bucket cannot be listed."""
        if is_remote(folder):
            with self._lock:
                if root not in self._buckets:
                    with map_storage_errors():
                        self.refresh(root)
            return self._buckets[root].get(folder) or FolderListing.of(folder, ())
        try:
            changed_ns = os.stat(folder).st_mtime_ns  # noqa: PTH116 (plain strings: 100,000 of them)
            known = self._folders.get(folder)
            if known is not None and known[0] == changed_ns:
                return known[1]
            with os.scandir(folder) as entries:
                made = FolderListing.of(folder, (entry.name for entry in entries))
        except OSError:
            return FolderListing.of(folder, ())  # the folder is gone, and its files with it
        if time.time() - changed_ns / 1e9 > _RACY_S:
            if len(self._folders) > 64:  # a walk goes from folder to folder and does not come back
                self._folders.clear()
            self._folders[folder] = (changed_ns, made)
        return made

    def beside(self, path: str) -> FolderListing:
        """Return the sidecars of one object that was named alone; raises SourceGone."""
        folder, _slash, name = path.rpartition("/")
        stem = name.rpartition(".")[0] or name
        wanted = [base + kind for base in (name, stem) for kind in KINDS]
        with map_storage_errors():
            looks = [storage_for(folder).stat(f"{folder}/{side}") for side in wanted]
        found = {side: _mark(at) for side, at in zip(wanted, looks, strict=True) if at is not None}
        return FolderListing.of(folder, found, found)

    def refresh(self, root: str) -> None:
        """List a root in a bucket again; raises StorageError."""
        folders: dict[str, dict[str, str]] = {}
        for at in storage_for(root).scan():
            folder, _slash, name = at.path.rpartition("/")
            if not is_media_name(name):
                folders.setdefault(folder, {})[name] = _mark(at)
        self._buckets[root] = {
            folder: FolderListing.of(folder, marks, marks) for folder, marks in folders.items()
        }


def mark_of(path: str, listing: FolderListing) -> str:
    """Return letters that change when a sidecar does; "" when it is not there any more."""
    if is_remote(path):
        return listing.marks.get(path.rpartition("/")[2], "")
    try:
        at = os.lstat(path)
    except OSError:
        return ""
    return f"{at.st_size}:{at.st_mtime_ns}"


def is_settled(path: str, settle_s: float, wall_s: float) -> bool:
    """Return whether nobody wrote to a sidecar of this host lately: half a file is half the instructions."""
    if is_remote(path):
        return True
    try:
        at = os.lstat(path)
    except OSError:
        return True
    calm_s = wall_s - max(at.st_mtime_ns, at.st_ctime_ns) / 1e9
    return not 0 <= calm_s < settle_s


def _mark(at: FileStat) -> str:
    return f"{at.size_bytes}:{at.etag or at.mtime_ns}"


def read_sidecar(path: str, root: str, shape: type[Shape]) -> Shape:
    """Read a sidecar by its extension; a plain text has one instruction a line, ``#`` begins a comment.

    Raises:
        UnusableSidecar: the file, the line (from 1) and what is wrong there.
        SourceGone: its bucket does not answer.
    """
    text = _read_text(path, root)
    if path.lower().endswith(".toml"):
        table = _parse_toml(path, text)
    else:
        lines = [line.strip() for line in text.splitlines()]
        wanted = [line for line in lines if line and not line.startswith("#")]
        table = {"instructions": wanted} if wanted else {}
    try:
        return shape.model_validate(table)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        why = explain(first["type"], key, first["msg"], shape)
        setting = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=""")
        numbered = enumerate(text.splitlines(), 1)
        line = next((number for number, line in numbered if key and setting.match(line)), None)
        raise UnusableSidecar(path, line, why) from exc


def explain(kind: str, key: str, message: str, shape: type[BaseModel]) -> str:
    """Return what is wrong with a key, in words and one line."""
    key = printable(key[:60])
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(key, list(shape.model_fields), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(shape.model_fields)}"
        return f"'{key}' is not known; {hint}"
    return f"{key}: {message.removeprefix('Value error, ')}"


def _read_text(path: str, root: str) -> str:
    try:
        if is_remote(path):
            with map_storage_errors():
                raw = storage_for(path).read(path, READ_BYTES + 1)
        else:
            if os.path.islink(path):  # noqa: PTH114 (plain strings)
                real, real_root = os.path.realpath(path), os.path.realpath(root or os.path.dirname(path))  # noqa: PTH120
                if not real.startswith(real_root.rstrip("/") + "/"):
                    why = "a link that leads out of the folder is not read"
                    raise UnusableSidecar(path, None, why, "Copy the file itself.")
            if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 (plain strings)
                raise UnusableSidecar(path, None, "not a regular file")
            with Path(path).open("rb") as file:
                raw = file.read(READ_BYTES + 1)
    except OSError as exc:
        raise UnusableSidecar(path, None, f"cannot be read ({exc.strerror})") from exc
    too_long = UnusableSidecar(
        path,
        None,
        f"longer than {MAX_CHARACTERS:,} characters, so it is not taken for instructions",
        "If it is none (a transcript, say), move or rename it; else shorten it. Nothing was paid.",
    )
    if len(raw) > READ_BYTES:
        raise too_long
    try:
        is_utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # Windows' "Unicode"
        text = raw.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise UnusableSidecar(path, line, "not UTF-8 text; save it as UTF-8") from exc
    if len(text.strip()) > MAX_CHARACTERS:
        raise too_long
    if "\0" in text:
        raise UnusableSidecar(path, None, "not a text file")
    return text


def _parse_toml(path: str, text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        found = re.search(r"\(at line (\d+)", str(exc))
        line = int(found[1]) if found else text.count("\n") + 1
        why = str(exc).partition(" (at ")[0]
        raise UnusableSidecar(path, line, f"not readable as TOML: {why}") from exc
    except (RecursionError, ValueError) as exc:  # a number of 5,000 digits is a ValueError
        why = "nested too deeply" if isinstance(exc, RecursionError) else "a number is too long"
        raise UnusableSidecar(path, None, f"not readable as TOML: {why}") from exc
