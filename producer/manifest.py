"""Lists of work: ``-a FILE``, ``--manifest backlog.csv`` or ``.jsonl``."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from config.skills import Skill
from producer.errors import UnusableManifest, printable
from producer.instructions import InstructionSpec
from producer.sidecars import explain
from storage import StorageError, is_remote, storage_for, tidy

_LONGEST_URL = 2000


class Row(InstructionSpec):
    """A row of a manifest: a sidecar's columns, and a ``path`` or a ``url``."""

    path: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A source that was asked for (an absolute path, one in a bucket, a URL), and what its row says."""

    source: str
    spec: InstructionSpec
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
        """The rows, when every one is good; raises UnusableManifest."""
        if self.errors:
            raise UnusableManifest(self.errors)
        return self.entries


def is_url(source: str) -> bool:
    """Whether a source is a URL and not a path."""
    return source.startswith(("http://", "https://"))


def read_paths(paths: Iterable[str], base: Path) -> Manifest:
    """Paths and URLs as they stand on a command line."""
    return _collect((("", _source(path)) for path in paths), base, {})


def read_list(lines: Iterable[str], base: Path) -> Manifest:
    """Read a path or URL a line; blank lines and lines that begin with ``#`` are comments.

    A name that begins with ``#`` (or with a quote) is written as ``./#name``, or in double quotes.
    """
    rows = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1].replace('\\"', '"')
        rows.append((f"line {number}", _source(text)))
    return _collect(rows, base, {})


def read_null_list(text: str, base: Path) -> Manifest:
    """Read paths and URLs with a null character after each, as ``find -print0`` writes them."""
    names = (name for name in text.split("\0") if name and name != "\n")
    return _collect(((f"name {number}", _source(name)) for number, name in enumerate(names, 1)), base, {})


def _source(text: str) -> dict[str, str]:
    return {"url" if is_url(text) else "path": text}


def read_manifest(path: Path, skills: Mapping[str, Skill]) -> Manifest:
    """Read the rows of a ``.csv`` (its first row names the columns) or ``.jsonl`` file.

    Cells are separated by commas, semicolons or tabs, whichever the first row has. Relative paths are taken
    from the manifest's folder.

    Raises:
        UnusableManifest: it cannot be read at all.
    """
    kind = path.suffix.lower()
    if kind in {".json", ".yaml", ".yml", ".toml", ".xlsx", ".xls", ".ods"}:
        raise UnusableManifest(
            (f"{path}: a manifest is a .csv or a .jsonl file (an object a line), not {kind}",)
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise UnusableManifest((f"{path}: cannot be read ({exc.strerror})",)) from exc
    except UnicodeDecodeError as exc:
        raise UnusableManifest((f"{path}: not UTF-8 text; save it as UTF-8",)) from exc
    rows = _json_rows(text) if kind in {".jsonl", ".ndjson"} else _csv_rows(path, text)
    return _collect(((f"{path.name}, {where}", row) for where, row in rows), path.parent, skills)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, object]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.reader(StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        columns = [name.strip() for name in next(rows, [])]
        lower = {name.lower(): name for name in columns}
        if not {"path", "url"} & set(lower):
            there = ", ".join(printable(name) for name in columns[:10]) or "none"
            why = f"a column 'path' or 'url' is missing; its first row names these: {there[:200]}"
            raise UnusableManifest((f"{path}, row 1: {why}",))
        columns = [name.lower() if name.lower() in Row.model_fields else name for name in columns]
        for number, cells in enumerate(rows, 2):
            if len(cells) > len(columns) and any(cell.strip() for cell in cells):
                why = f"has {len(cells)} cells, but there are {len(columns)} columns"
                yield f"row {number}", f"{why}; quote cells that have {delimiter!r} in them"
            elif row := {
                name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()
            }:
                yield f"row {number}", row
    except csv.Error as exc:
        raise UnusableManifest((f"{path}, line {rows.line_num}: not readable as CSV: {exc}",)) from exc


def _json_rows(text: str) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as exc:
                row = (
                    f"not readable as JSON: {getattr(exc, 'msg', 'a value is too long or nested too deeply')}"
                )
            yield f"row {number}", row if isinstance(row, (str, dict)) else "should be an object"


def _collect(rows: Iterable[tuple[str, object]], base: Path, skills: Mapping[str, Skill]) -> Manifest:
    entries, errors = [], []
    for where, row in rows:
        try:
            entries.append(_entry(where, row, base, skills))
        except ValueError as exc:
            why = printable(str(exc))
            errors.append(f"{where}: {why}" if where else why)
    return Manifest(tuple(entries), tuple(errors))


def _entry(where: str, row: object, base: Path, skills: Mapping[str, Skill]) -> Entry:
    if not isinstance(row, Mapping):
        raise ValueError(str(row))  # noqa: TRY004 (a bad row is a value, whatever its type)
    try:
        given = Row.model_validate(dict(row))
    except ValidationError as exc:
        first = exc.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        raise ValueError(explain(first["type"], key, first["msg"], Row)) from exc
    if (given.path is None) == (given.url is None):
        raise ValueError("needs a 'path' or a 'url', and not both")
    if given.skill is not None and skills and given.skill not in skills:
        raise ValueError(f"skill '{given.skill}' is unknown; there are: {', '.join(sorted(skills))}")
    spec = InstructionSpec.model_validate(given.model_dump(exclude_none=True, exclude={"path", "url"}))
    source = checked_url(given.url) if given.url is not None else _absolute(base, given.path or "")
    return Entry(source, spec, where)


def is_folder(path: str) -> bool:
    """Whether a path is a folder; one in a bucket is where something lies below. Raises StorageError."""
    if not is_remote(path):
        return Path(path).is_dir()
    storage = storage_for(path)
    return storage.stat(path) is None and next(iter(storage.scan()), None) is not None


def _absolute(base: Path, path: str) -> str:
    if is_remote(path):
        try:
            remote = tidy(path)
            if storage_for(remote).stat(remote) is None and not is_folder(remote):
                raise ValueError(f"{printable(path)} does not exist")
        except StorageError as exc:
            raise ValueError(str(exc)) from exc
        return remote
    if not path or "\0" in path:
        raise ValueError("the path is empty, or has a null character in it")
    there = (base / path).absolute()
    try:
        usable, exists = there.is_dir() or there.is_file(), there.exists()
    except OSError as exc:
        raise ValueError(f"{printable(path[:200])} cannot be looked at ({exc.strerror})") from exc
    if not usable:
        what = "is neither a file nor a folder" if exists else "does not exist"
        raise ValueError(f"{printable(path[:200])} {what}")
    return str(there)


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
