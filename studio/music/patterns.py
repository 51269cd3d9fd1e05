"""The patterns that players follow, read from `patterns.toml`; sixteenths in rows of signs."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

STRENGTHS = {
    "X": 1.0, "x": 0.75, "o": 0.5, "g": 0.28, "?": 0.3, "D": 0.9, "d": 0.65, "U": 0.8, "u": 0.5,
    "R": 0.95, "r": 0.65, "w": 0.85, "a": 0.6, "3": 0.75, "5": 0.8, "7": 0.75, "8": 0.8,
}  # fmt: skip


@lru_cache(maxsize=1)
def load_patterns() -> dict[str, dict[str, Any]]:
    """Return all patterns by part (`chords`, `bass`, `drums`, `lead`) and name."""
    loaded: dict[str, dict[str, Any]] = tomllib.loads(
        Path(__file__).with_name("patterns.toml").read_text("utf-8")
    )
    return loaded
