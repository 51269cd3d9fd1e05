"""The draft: how the studio writes a timeline, and how it reads one (api-contract 4).

`t` tracks, `tt` track type, `sg` segments, `d` duration in ms, `m` metadata. Everything the contract does not
name sits in `m`. Times are milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from studio.errors import BadRequest
from studio.model import Draft, Media

VIDEO, AUDIO, TEXT = 0, 1, 7
STILL_MS = 6_000
_CANVAS = (1280, 720)

Track = dict[str, Any]
Segment = dict[str, Any]


def fresh_draft(media: Sequence[Media]) -> Draft:
    """Make the draft of newly uploaded files: pictures one after the other, or the sound alone."""
    pictures = [item for item in media if item.info.kind != "audio"]
    shown = pictures or list(media)
    segments, end_ms = _in_a_row(shown)
    track: Track = {"tt": VIDEO if pictures else AUDIO, "m": {"title": _title(shown[0])}, "sg": segments}
    if not pictures:
        track["m"]["kind"] = "source"
    first = shown[0].info
    width, height = (first.width, first.height) if first.width else _CANVAS
    canvas = {
        "title": _title(shown[0]),
        "width": width,
        "height": height,
        "fps": first.fps or 25.0,
        "has_audio": any(item.info.has_audio for item in shown),
    }
    return {"t": [track], "d": end_ms, "m": canvas}


def tracks(draft: Draft, kind: int) -> list[Track]:
    """Answer the tracks of one type, e.g. `AUDIO`."""
    return [track for track in draft["t"] if track["tt"] == kind]


def music_track(draft: Draft) -> Track | None:
    """Answer the background music, or None."""
    return next((track for track in tracks(draft, AUDIO) if track["m"].get("kind") == "bgm"), None)


def source_segments(draft: Draft) -> list[Segment]:
    """Answer the segments that carry the original sound."""
    carriers = (t for t in draft["t"] if t["tt"] == VIDEO or t["m"].get("kind") == "source")
    return [segment for track in carriers for segment in track["sg"]]


def cuts_s(draft: Draft, media: Sequence[Media]) -> list[float]:
    """Answer the cuts that are known, in s: those inside the clips, and where one clip follows another."""
    known = {item.id: item.look.findings.get("cuts_s", ()) for item in media if item.look}
    cuts: set[float] = set()
    for segment in source_segments(draft):
        meta = segment["m"]
        start_s, in_s, length_s = meta["start"] / 1000, meta.get("in", 0) / 1000, segment["d"] / 1000
        cuts |= {start_s} if start_s else set()
        cuts |= {start_s + cut - in_s for cut in known.get(meta["media"], ()) if 0 < cut - in_s < length_s}
    return sorted(cuts)


def remove(draft: Draft, track: Track) -> None:
    """Take a track out of the draft."""
    draft["t"] = [kept for kept in draft["t"] if kept is not track]


def keep_findings(draft: Draft, media: Sequence[Media]) -> None:
    """Put what is known of the files into the draft, so that the render does not look again."""
    known = {item.id: item.look.findings for item in media if item.look}
    if known:
        draft["m"]["findings"] = known


def song_ids(draft: Draft) -> tuple[str, ...]:
    """Answer the songs of the user's library that the draft plays, each once."""
    metas = (segment.get("m", {}) for track in draft["t"] for segment in track["sg"])
    return tuple(dict.fromkeys(str(meta["song"]) for meta in metas if meta.get("song")))


def check_draft(draft: Draft) -> None:
    """Raise `BadRequest` unless the draft can be exported: well formed, with a non-empty track."""
    listed = draft.get("t")
    if not isinstance(listed, list):
        raise BadRequest("draft.t must be a list of tracks.")
    for index, track in enumerate(listed):
        _check_track(track, f"draft.t[{index}]")
    if not any(track["sg"] for track in listed):
        raise BadRequest("draft.t has no track with a non-empty sg: there is nothing to export.")
    if "d" in draft:
        _check_ms(draft["d"], "draft.d")
    if not isinstance(draft.get("m", {}), dict):
        raise BadRequest("draft.m must be an object.")


def media_ids(draft: Draft) -> tuple[str, ...]:
    """Answer the ids of the files the draft shows or plays, each once."""
    return tuple(dict.fromkeys(_walk_media(draft)))


def _walk_media(draft: Draft) -> Iterator[str]:
    for track in draft["t"]:
        for segment in track["sg"]:
            media = segment.get("m", {}).get("media")
            if media is not None:
                yield str(media)


def _in_a_row(media: Sequence[Media]) -> tuple[list[Segment], int]:
    segments, at_ms = [], 0
    for item in media:
        length_ms = round(item.info.duration_s * 1000) or STILL_MS
        meta = {
            "title": _title(item),
            "media": item.id,
            "start": at_ms,
            "in": 0,
            "volume": 1.0,
            "fit": "keep",
        }
        segments.append({"d": length_ms, "m": meta})
        at_ms += length_ms
    return segments, at_ms


def _title(media: Media) -> str:
    return PurePath(media.filename).stem or media.filename


def _check_track(track: object, where: str) -> None:
    if not isinstance(track, dict):
        raise BadRequest(f"{where} must be an object.")
    if track.get("tt") not in (VIDEO, AUDIO, TEXT) or isinstance(track["tt"], bool):
        raise BadRequest(f"{where}.tt must be 0 (video), 1 (audio) or 7 (text).")
    segments = track.get("sg")
    if not isinstance(segments, list):
        raise BadRequest(f"{where}.sg must be a list of segments.")
    for index, segment in enumerate(segments):
        _check_segment(segment, f"{where}.sg[{index}]")


def _check_segment(segment: object, where: str) -> None:
    if not isinstance(segment, dict):
        raise BadRequest(f"{where} must be an object.")
    _check_ms(segment.get("d"), f"{where}.d")
    if not isinstance(segment.get("m", {}), dict):
        raise BadRequest(f"{where}.m must be an object.")


def _check_ms(value: object, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise BadRequest(f"{where} must be a duration in ms, 0 or more.")
