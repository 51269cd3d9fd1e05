"""What docs/json.md promises."""

import re
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "json.md"


@cache
def sections() -> dict[str, frozenset[str]]:
    """The words of each heading (``status JOB``, ``error``) and the names in the table below it."""
    found: dict[str, frozenset[str]] = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        rows = "".join(line for line in body.splitlines() if line.startswith("| `"))
        for name in re.findall(r"`dropscore ([^`]*?) ?--json`", heading) or ["error"]:
            found[name] = frozenset(re.findall(r"`([^`]+)`", rows))
    return found


def documented(heading: str) -> frozenset[str]:
    """The names that the section of a command tells of."""
    return sections()[heading]


def keys(value: object) -> set[str]:
    """Every key of a JSON value, at any depth, but those of a table from names to numbers."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if isinstance(value, dict):
        return set().union(value, *(keys(below) for name, below in value.items() if name != "states"))
    return set()
