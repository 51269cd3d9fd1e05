"""``python -m config.reference``: docs/settings.md, from the settings classes alone."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import IPvAnyAddress, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from config.roots import Root
from config.settings import SECRETS, Settings, file_key

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"

_HEAD = """# Settings

<!-- Made by `make docs` from config/settings.py and config/roots.py: change the words there. -->

A flag goes before the environment, that before `dropscore.toml` in the current folder, that before its
default. In the file a name is in lower case without `DROPSCORE_`: `lease = 30`. An unknown name is an error,
never ignored. Times are seconds. `dropscore doctor` checks all of it.

A secret can come from a file: {secrets}.

| Environment | `dropscore.toml` | Type | Default | |
|---|---|---|---|---|
"""

_ROOTS = """
## `[[roots]]`

Several folders, each with a way of its own, are tables of `dropscore.toml`; `dropscore watch` without a
folder takes them. What a table leaves open is taken from the settings above.

```toml
[[roots]]
path = "/srv/nas/channel-a"
outbox = "/srv/out/channel-a"
watch = "poll"
```

| `dropscore.toml` | Type | Default | |
|---|---|---|---|
"""

_WORDS = {
    str: "text",
    Path: "path",
    bool: "`true`, `false`",
    SecretStr: "secret",
    UUID: "UUID",
    int: "whole number",
    IPvAnyAddress: "address",
}


def page() -> str:
    """The whole page; raises ValueError when a field has no description."""
    secrets = ", ".join(f"`{name}_FILE`" for name in SECRETS)
    rows = "".join(
        _row([f"`{field.alias or name}`", f"`{file_key(field.alias or name)}`", *_describe(name, field)])
        for name, field in Settings.model_fields.items()
    )
    roots = "".join(_row([f"`{name}`", *_describe(name, field)]) for name, field in Root.model_fields.items())
    return _HEAD.format(secrets=secrets) + rows + _ROOTS + roots


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _describe(name: str, field: FieldInfo) -> tuple[str, str, str]:
    if not field.description:
        raise ValueError(f"{name} has no description: write a line of documentation below the field")
    return describe_type(name, field), describe_default(field), field.description


def describe_type(name: str, field: FieldInfo) -> str:
    """The type in a person's words, with the values or the range that are allowed."""
    kind, limits = _strip_annotation(field.annotation)
    if get_origin(kind) in (Union, UnionType):
        parts = (_strip_annotation(one)[0] for one in get_args(kind) if one is not NoneType)
        return " or ".join(_named(name, one, []) for one in parts)
    if get_origin(kind) is tuple:
        inner, more = _strip_annotation(get_args(kind)[0])
        return "tables" if inner is Root else f"list of {_named(name, inner, more)}"
    if get_origin(kind) is dict:
        return "tables"
    return _named(name, kind, [*limits, *field.metadata])


def _named(name: str, kind: Any, limits: list[Any]) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    words = "seconds" if kind is float and name.endswith("_s") else _WORDS.get(kind, "number")
    return f"{words}{_describe_range(limits)}"


def _strip_annotation(annotation: Any) -> tuple[Any, list[Any]]:
    """The type without ``None`` and without what is annotated to it, and the latter."""
    found: list[Any] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            found += more
        elif get_origin(annotation) in (Union, UnionType):
            parts = [part for part in get_args(annotation) if part is not NoneType]
            if len(parts) > 1:
                return annotation, found
            annotation = parts[0]
        else:
            return annotation, [one for extra in found for one in getattr(extra, "metadata", [extra])]


def _describe_range(limits: list[Any]) -> str:
    least = [f"≥ {limit.ge:g}" for limit in limits if isinstance(limit, Ge)]
    least += [f"> {limit.gt:g}" for limit in limits if isinstance(limit, Gt)]
    most = [f"≤ {limit.le:g}" for limit in limits if isinstance(limit, Le)]
    filled = ["not empty"] if any(isinstance(limit, MinLen) for limit in limits) else []
    words = [*least, *most, *filled]
    return f", {', '.join(words)}" if words else ""


def describe_default(field: FieldInfo) -> str:
    """The default as the file would have it."""
    if field.is_required():
        return "must be given"
    value = field.default  # what a factory makes depends on the machine: its words say it
    if value is None or value is PydanticUndefined or value in ((), {}):
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(str(part) for part in value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
