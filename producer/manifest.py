"""Lists of work: ``-a FILE``, ``--manifest backlog.csv`` or ``.jsonl`` (expectations, "Conventions")."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from config.skills import Skill
from producer.errors import BrokenManifest, shown
from producer.instructions import Wish
from producer.sidecar import explained
from stores import StoreError, is_remote, store_of, tidy

_LONGEST_URL = 2000


class Row(Wish):
    """A row of a manifest: a sidecar's columns, and a ``path`` or a ``url``."""

    path: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A source that was asked for (an absolute path, one in a bucket, a URL), and what its row says."""

    source: str
    wish: Wish
    where: str = ""

    @property
    def is_url(self) -> bool:
        """Whether the service fetches it itself."""
        return is_url(self.source)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The good rows, and a line for each bad one."""

    entries: tuple[Entry, ...]
    errors: tuple[str, ...]

    def whole(self) -> tuple[Entry, ...]:
        """The rows, when every one is good; raises BrokenManifest."""
        if self.errors:
            raise BrokenManifest(self.errors)
        return self.entries


def is_url(source: str) -> bool:
    """Whether a source is a URL and not a path."""
    return source.startswith(("http://", "https://"))


def read_paths(paths: Iterable[str], base: Path) -> Manifest:
    """Paths and URLs as they stand on a command line."""
    return _collect((("", _source(path)) for path in paths), base, {})


def read_list(lines: Iterable[str], base: Path) -> Manifest:
    """A path or URL a line; blank lines and lines that begin with ``#`` are comments."""
    said = ((number, line.strip()) for number, line in enumerate(lines, 1))
    rows = ((f"line {number}", _source(line)) for number, line in said if line and not line.startswith("#"))
    return _collect(rows, base, {})


def _source(text: str) -> dict[str, str]:
    return {"url" if is_url(text) else "path": text}


def read_manifest(path: Path, skills: Mapping[str, Skill]) -> Manifest:
    """The rows of a ``.csv`` (its first row names the columns) or ``.jsonl`` file.

    Relative paths are taken from the manifest's folder. Raises BrokenManifest when it cannot be read at all.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as broken:
        raise BrokenManifest((f"{path}: cannot be read ({broken.strerror})",)) from broken
    except UnicodeDecodeError as broken:
        raise BrokenManifest((f"{path}: not UTF-8 text; save it as UTF-8",)) from broken
    rows = _json_rows(text) if path.suffix.lower() in {".jsonl", ".ndjson"} else _csv_rows(path, text)
    return _collect(((f"{path.name}, {where}", row) for where, row in rows), path.parent, skills)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, object]]:
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        columns = [name.strip() for name in next(rows, [])]
        if not {"path", "url"} & set(columns):
            raise BrokenManifest((f"{path}, row 1: a column 'path' or 'url' is missing",))
        for number, cells in enumerate(rows, 2):
            if any(cell.strip() for cell in cells):
                yield f"row {number}", _from_cells(columns, cells)
    except csv.Error as broken:
        raise BrokenManifest((f"{path}, line {rows.line_num}: not readable as CSV: {broken}",)) from broken


def _from_cells(columns: list[str], cells: list[str]) -> object:
    if len(cells) > len(columns):
        return f"has {len(cells)} cells, but there are {len(columns)} columns; quote cells with commas"
    return {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}


def _json_rows(text: str) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as broken:
                row = f"not readable as JSON: {getattr(broken, 'msg', 'nested too deeply')}"
            yield f"row {number}", row if isinstance(row, (str, dict)) else "should be an object"


def _collect(rows: Iterable[tuple[str, object]], base: Path, skills: Mapping[str, Skill]) -> Manifest:
    entries, errors = [], []
    for where, row in rows:
        try:
            entries.append(_entry(where, row, base, skills))
        except ValueError as broken:
            errors.append(f"{where}: {broken}" if where else str(broken))
    return Manifest(tuple(entries), tuple(errors))


def _entry(where: str, row: object, base: Path, skills: Mapping[str, Skill]) -> Entry:
    if not isinstance(row, Mapping):
        raise ValueError(str(row))  # noqa: TRY004 (a bad row is a value, whatever its type)
    said = _validated(row)
    if (said.path is None) == (said.url is None):
        raise ValueError("needs a 'path' or a 'url', and not both")
    if said.skill is not None and skills and said.skill not in skills:
        raise ValueError(f"skill '{said.skill}' is unknown; there are: {', '.join(sorted(skills))}")
    wish = Wish.model_validate(said.model_dump(exclude_none=True, exclude={"path", "url"}))
    source = checked_url(said.url) if said.url is not None else _absolute(base, said.path or "")
    return Entry(source, wish, where)


def _validated(row: Mapping[Any, Any]) -> Row:
    try:
        return Row.model_validate(dict(row))
    except ValidationError as broken:
        first = broken.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        raise ValueError(explained(first["type"], key, first["msg"], Row)) from broken


def is_folder(path: str) -> bool:
    """Whether a path is a folder; one in a bucket is where something lies below. Raises StoreError."""
    if not is_remote(path):
        return Path(path).is_dir()
    store = store_of(path)
    return store.stat(path) is None and next(iter(store.list(path)), None) is not None


def _absolute(base: Path, path: str) -> str:
    if is_remote(path):
        return _in_bucket(path)
    there = (base / path).absolute()
    if not (there.is_dir() or there.is_file()):
        what = "is no file and no folder" if there.exists() else "does not exist"
        raise ValueError(f"{shown(path)} {what}")
    return str(there)


def _in_bucket(path: str) -> str:
    try:
        there = tidy(path)
        if store_of(there).stat(there) is None and not is_folder(there):
            raise ValueError(f"{shown(path)} does not exist")
    except StoreError as broken:
        raise ValueError(shown(str(broken))) from broken
    return there


def checked_url(url: str) -> str:
    """A URL that the service may fetch: http(s), a host, no password in it; raises ValueError."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(url) > _LONGEST_URL or any(char.isspace() for char in url):
        raise ValueError("the url is not usable; it should look like https://host/clip.mp4")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the url carries a user name or password; give one without")
    return url
