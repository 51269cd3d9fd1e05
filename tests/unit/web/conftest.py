"""Results to make reports of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from web.models import Entry
from web.report import read_results

Maker = Callable[..., Path]


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def put(outbox: Path) -> Maker:
    """Write a result; answers its path. ``took`` are seconds a step, one after the other."""

    def make(name: str, *, took: dict[str, float] | None = None, **changes: Any) -> Path:
        at, steps = 0.0, []
        for step, length in (took or {}).items():
            steps.append({"step": step, "started": _iso(at), "ended": _iso(at + length), "attempts": 1})
            at += length + 1
        known = {
            "job": name,
            "source": f"/in/{name}.mp4",
            "output": None,
            "preview": False,
            "state": "done",
            "step": "download",
            "skill": "add-music",
            "instructions": ["add calm music"],
            "timeline": "",
            "texts": [],
            "changes": [],
            "steps": steps,
            "credits": {"before": None, "after": None, "spent": None},
            "error": None,
            "ids": {"session": None, "task": None, "render": None},
            "sha256": {"source": None, "output": None},
            "bytes": None,
            "duration_s": None,
            "created": _iso(0),
            "ended": _iso(at),
            "cuts_s": [],
            "bpm": None,
            "exports": [],
        }
        path = outbox / f"{name}.result.json"
        path.write_text(json.dumps({**known, **changes}))
        return path

    return make


@pytest.fixture
def entries(outbox: Path) -> Callable[[], list[Entry]]:
    return lambda: read_results(str(outbox))[0]


def _iso(at_s: float) -> str:
    return f"2026-11-20T10:{int(at_s) // 60:02}:{at_s % 60:06.3f}Z"
