"""Reads a sidecar or a folder file; whatever is wrong with it becomes one line with its number."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from producer.errors import BrokenSidecar
from producer.passing import passing
from stores import is_remote, store_of

MAX_BYTES = 256 * 1024
"""More than that is no instruction."""

Shape = TypeVar("Shape", bound=BaseModel)


def read(path: str, shape: type[Shape]) -> Shape:
    """The wish in a file, by its extension; a plain text has one instruction a line, ``#`` begins a comment.

    Raises:
        BrokenSidecar: the file, the line (from 1) and what is wrong there.
    """
    text = _text(path)
    if path.endswith(".txt"):
        return _shaped(path, text, _plain(text), shape)
    parse = next(parse for tails, parse in _PARSERS.items() if path.endswith(tails))
    table = parse(path, text)
    if not isinstance(table, Mapping):
        raise BrokenSidecar(path, 1, 'should be a table such as instructions = ["..."]')
    return _shaped(path, text, table, shape)


def line_of(path: str, word: str) -> int:
    """The first line (from 1) of a readable sidecar in which a word stands."""
    return next((number for number, said in enumerate(_text(path).splitlines(), 1) if word in said), 1)


def _text(path: str) -> str:
    try:
        raw = _bytes(path)
    except OSError as broken:
        raise BrokenSidecar(path, 1, f"cannot be read ({broken.strerror})") from broken
    if len(raw) > MAX_BYTES:
        raise BrokenSidecar(path, 1, "too large for instructions")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as broken:
        line = raw.count(b"\n", 0, broken.start) + 1
        raise BrokenSidecar(path, line, "not UTF-8 text; save it as UTF-8") from broken


def _bytes(path: str) -> bytes:
    if not is_remote(path):
        return Path(path).read_bytes()
    with passing():
        return store_of(path).read(path, MAX_BYTES + 1)


def _plain(text: str) -> Mapping[str, Any]:
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith("#")]
    return {"instructions": said} if said else {}


def _toml(path: str, text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        found = re.search(r"\(at line (\d+)", str(broken))
        line = int(found[1]) if found else text.count("\n") + 1
        why = str(broken).partition(" (at ")[0]
        raise BrokenSidecar(path, line, f"not readable as TOML: {why}") from broken
    except RecursionError as broken:
        raise BrokenSidecar(path, 1, "not readable as TOML: nested too deeply") from broken


def _json(path: str, text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as broken:
        raise BrokenSidecar(path, broken.lineno, f"not readable as JSON: {broken.msg}") from broken
    except RecursionError as broken:
        raise BrokenSidecar(path, 1, "not readable as JSON: nested too deeply") from broken


def _yaml(path: str, text: str) -> object:
    try:
        return yaml.safe_load(text) or {}
    except (yaml.YAMLError, RecursionError, ValueError) as broken:
        mark = getattr(broken, "problem_mark", None)
        why = getattr(broken, "problem", None) or "not a document"
        raise BrokenSidecar(path, mark.line + 1 if mark else 1, f"not readable as YAML: {why}") from broken


_PARSERS: Mapping[str | tuple[str, ...], Callable[[str, str], object]] = {
    ".toml": _toml,
    ".json": _json,
    (".yaml", ".yml"): _yaml,
}


def _shaped(path: str, text: str, table: Mapping[Any, Any], shape: type[Shape]) -> Shape:
    try:
        return shape.model_validate(table)
    except ValidationError as broken:
        raise BrokenSidecar(path, *_where(text, broken, shape)) from broken


def _where(text: str, broken: ValidationError, shape: type[BaseModel]) -> tuple[int, str]:
    first = broken.errors()[0]
    key = str(first["loc"][0]) if first["loc"] else ""
    lines = enumerate(text.splitlines(), 1)
    line = next((number for number, said in lines if key and key in said), 1)
    return line, explained(first["type"], key, first["msg"], shape)


def explained(kind: str, key: str, message: str, shape: type[BaseModel]) -> str:
    """What is wrong with a key, in words."""
    if kind == "extra_forbidden":
        return f"'{key}' is not known; there are: {', '.join(shape.model_fields)}"
    return f"{key}: {message.removeprefix('Value error, ')}"
