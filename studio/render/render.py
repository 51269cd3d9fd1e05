"""The render: draft and files in, one MP4 out, whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studio.errors import RenderCancelled, RenderFailed, UnreadableMedia
from studio.media import probe
from studio.render import ffmpeg
from studio.render.mix import mix
from studio.render.picture import Picture, can_copy, canvas_of, copied, drawn
from studio.render.plan import Plan, read_plan
from studio.render.title import draw_title

_MIX_SHARE = 35.0  # percent of the work that is done when the sound is
_CLOSE_S = 0.09
_CONTAINER = ("-movflags", "+faststart", "-map_metadata", "-1", "-map_chapters", "-1", "-f", "mp4")

Cancelled = Callable[[], bool]
Report = Callable[[float], None]


def render(
    draft: Mapping[str, Any],
    media: Mapping[str, Path],
    out: Path,
    *,
    progress: Report,
    cancelled: Cancelled,
) -> None:
    """Render `draft` (contract 4), whose files are in `media` by id, to the MP4 `out`.

    `progress` gets 0 … 100, never less than before. `out` appears whole, by rename; on any error, and when
    `cancelled` says so, nothing is left behind. Raises RenderFailed or RenderCancelled.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".render-", dir=out.parent) as name:
            folder = Path(name)
            plan = read_plan(draft, media)
            _stop_if(cancelled)
            sound = mix(plan, folder, lambda share: progress(share * _MIX_SHARE), cancelled)
            film = _film(
                plan, sound, folder, lambda s: progress(_MIX_SHARE + s * (99.0 - _MIX_SHARE)), cancelled
            )
            _stop_if(cancelled)
            film.replace(out)
    except OSError as exc:
        raise RenderFailed(f"the film could not be written: {exc.strerror or exc}") from exc
    progress(100.0)


def _film(plan: Plan, sound: Path, folder: Path, progress: Report, cancelled: Cancelled) -> Path:
    out = folder / "film.mp4"
    if can_copy(plan):
        _make(copied(plan), plan, sound, out, progress, cancelled)
        if _lasts(out, plan.length_s):
            return out
    titles = []
    for number, title in enumerate(plan.titles):
        titles.append(folder / f"title{number}.png")
        draw_title(title.text, *canvas_of(plan), titles[-1])
    _make(drawn(plan, titles), plan, sound, out, progress, cancelled)
    return out


def _make(
    picture: Picture, plan: Plan, sound: Path, out: Path, progress: Report, cancelled: Cancelled
) -> None:
    arguments = [
        *picture.inputs, "-i", str(sound), *picture.options, "-map", f"{picture.input_count}:a:0",
        "-c:a", "copy", *_CONTAINER, str(out),
    ]  # fmt: skip
    ffmpeg.run(arguments, plan.length_s, progress, cancelled)


def _lasts(path: Path, length_s: float) -> bool:
    """Say whether a copied film has the length it must have; odd time stamps can make it another."""
    try:
        return abs(probe(path).duration_s - length_s) <= _CLOSE_S
    except UnreadableMedia:
        return False


def _stop_if(cancelled: Cancelled) -> None:
    if cancelled():
        raise RenderCancelled("the render was cancelled")
