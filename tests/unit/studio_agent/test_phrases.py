"""The table of phrases: each leads to its draft, and to nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from studio import agent
from studio.media import MediaInfo
from studio.model import Draft, Look, Media
from studio.timeline import TEXT, check_draft, fresh_draft, music_track, source_segments, tracks

ROWS = yaml.safe_load((Path(__file__).parent / "phrases.yaml").read_text(encoding="utf-8"))
NEW_MUSIC = {
    "volume": 0.35, "fade_in_ms": 0, "fade_out_ms": 0, "duck": True, "without": "", "start_ms": 0,
    "length_ms": 20_000,
}  # fmt: skip
INFO = MediaInfo("video", "mp4", 20.0, 640, 360, 25.0, has_audio=True, has_video=True)
CLIP = Media("med_1", "elf.mp4", Path("elf.mp4"), "secret", "abc", INFO, Look("happy", {"brightness": 0.8}))


def told(draft: Draft) -> dict[str, Any]:
    """The draft in the words of the table."""
    source = source_segments(draft)[0]["m"]
    return {
        "length_ms": draft["d"],
        "in_ms": source["in"],
        "canvas": [draft["m"]["width"], draft["m"]["height"]],
        "fit": source["fit"],
        "original": source["volume"],
        "music": _music(draft),
        "title": _title(draft),
    }


def _music(draft: Draft) -> dict[str, Any] | None:
    track = music_track(draft)
    if track is None:
        return None
    meta, length_ms = track["sg"][0]["m"], track["sg"][0]["d"]
    same = ("mood", "genre", "bpm", "volume", "fade_in_ms", "fade_out_ms", "duck")
    return {
        **{name: meta[name] for name in same},
        "without": " ".join(meta["without"]),
        "start_ms": meta["start"],
        "length_ms": length_ms,
        "piece": meta["seed"],
    }


def _title(draft: Draft) -> dict[str, Any] | None:
    shown = tracks(draft, TEXT)
    if not shown:
        return None
    (segment,) = shown[0]["sg"]
    return {
        "text": segment["m"]["text"], "start_ms": segment["m"]["start"], "length_ms": segment["d"],
    }  # fmt: skip


def expected(before: dict[str, Any], changes: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What the draft must be: as before, with the row's changes; another piece has another seed."""
    result = {**before, **changes}
    for part in ("music", "title"):
        if changes.get(part):
            result[part] = {**(before[part] or (NEW_MUSIC if part == "music" else {})), **changes[part]}
    music = changes.get("music") or {}
    if "mood" in music or "piece" in music:
        assert now["music"]["piece"] != (before["music"] or {}).get("piece")
        result["music"]["piece"] = now["music"]["piece"]
    return result


def test_the_table_is_long_enough_and_in_both_languages() -> None:
    said = {(row["say"], row.get("after")) for row in ROWS}
    assert len(said) == len(ROWS) >= 120
    assert sum(agent.words.is_chinese(row["say"]) for row in ROWS) >= 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.get('after', '')} > {row['say']}")
def test_a_phrase_leads_to_its_draft(row: dict[str, Any]) -> None:
    draft = fresh_draft([CLIP])
    if "after" in row:
        draft = agent.edit(row["after"], draft, (CLIP,)).draft or pytest.fail("nothing was there to change")
    reply = agent.edit(row["say"], draft, (CLIP,))
    now = told(reply.draft or draft)
    assert now == expected(told(draft), row["draft"], now)
    assert (reply.draft is None) == (not row["draft"])
    assert row.get("said", "") in reply.said
    assert reply.said
    check_draft(reply.draft or draft)
