"""What an instruction does to the picture, its titles, its length and its own sound."""

from __future__ import annotations

from studio import timeline
from studio.agent.stage import Stage
from studio.agent.wishes import Wish
from studio.timeline import Segment

_MAX_SHORT_SIDE = 1080


def trim(wish: Wish, stage: Stage) -> None:
    """Shorten the whole timeline."""
    if wish.skip_s:
        _keep(stage, round(wish.skip_s * 1000), stage.draft["d"])
    if wish.keep_s:
        _keep(stage, 0, round(wish.keep_s * 1000))
    if wish.keep_last_s:
        _keep(stage, stage.draft["d"] - round(wish.keep_last_s * 1000), stage.draft["d"])
    if wish.drop_last_s:
        _keep(stage, 0, stage.draft["d"] - round(wish.drop_last_s * 1000))


def _keep(stage: Stage, from_ms: int, to_ms: int) -> None:
    """Keep the part of the timeline from `from_ms` to `to_ms`; what lies outside goes."""
    end_ms = min(to_ms, stage.draft["d"])
    if not 0 <= from_ms < end_ms or end_ms - from_ms == stage.draft["d"]:
        stage.say("The video is shorter than that; its length stays.", "视频比这还短，长度保持不变。")
        return
    for track in stage.draft["t"]:
        cut = (_cut(segment, from_ms, end_ms) for segment in track["sg"])
        track["sg"] = [segment for segment in cut if segment["d"] > 0]
    stage.draft["t"] = [track for track in stage.draft["t"] if track["sg"]]
    stage.draft["d"] = end_ms - from_ms
    length = f"{stage.draft['d'] / 1000:g}"
    stage.say(f"Trimmed the video to {length} s.", f"视频已剪辑为{length}秒。")


def _cut(segment: Segment, from_ms: int, to_ms: int) -> Segment:
    meta = dict(segment["m"])
    start_ms = meta["start"]
    begin_ms, end_ms = max(start_ms, from_ms), min(start_ms + segment["d"], to_ms)
    meta["start"] = begin_ms - from_ms
    if "in" in meta:
        meta["in"] += begin_ms - start_ms
    return {"d": max(0, end_ms - begin_ms), "m": meta}


def change_original(wish: Wish, stage: Stage) -> None:
    """Change the loudness of the original sound."""
    if wish.original is not None:
        set_original(stage, wish.original)


def set_original(stage: Stage, volume: float) -> None:
    """Set the loudness of the original sound, 0 (muted) to 1."""
    fresh = round(min(1.0, max(0.0, volume)), 2)
    for segment in timeline.source_segments(stage.draft):
        segment["m"]["volume"] = fresh
    if fresh == 0:
        stage.say("Muted the original sound.", "原声已静音。")
    else:
        stage.say(
            f"Set the original sound to {round(fresh * 100)}%.", f"原声音量已设为{round(fresh * 100)}%。"
        )


def change_title(wish: Wish, stage: Stage) -> None:
    """Put a title on the picture, or take it off."""
    if not (wish.title or wish.remove_title):
        return
    shown = timeline.tracks(stage.draft, timeline.TEXT)
    for track in shown:
        timeline.remove(stage.draft, track)
    if wish.title is not None:
        _add_title(stage, wish.title, wish)
    elif shown:
        stage.say("Removed the title.", "已删除标题。")
    else:
        stage.say("There is no title to remove.", "没有可删除的标题。")


def _add_title(stage: Stage, text: str, wish: Wish) -> None:
    length_ms = min(round((wish.title_s or 0) * 1000), stage.draft["d"])
    start_ms = stage.draft["d"] - length_ms if wish.title_last else 0
    segment = {"d": length_ms, "m": {"text": text, "start": start_ms}}
    stage.draft["t"].append({"tt": timeline.TEXT, "m": {"title": "Title"}, "sg": [segment]})
    length = f"{length_ms / 1000:g}"
    stage.say(f'Added the title "{text}" for {length} s.', f"已添加标题“{text}”，{length}秒。")


def change_shape(wish: Wish, stage: Stage) -> None:
    """Change the shape of the picture; what does not fit is blurred, barred or cropped as asked."""
    if wish.aspect is None or not timeline.tracks(stage.draft, timeline.VIDEO):
        return
    fit = wish.fit or "blur"
    width, height = _canvas(wish.aspect)
    stage.draft["m"].update(width=width, height=height)
    for segment in timeline.source_segments(stage.draft):
        segment["m"]["fit"] = fit
    shape = f"{wish.aspect[0]}:{wish.aspect[1]}"
    stage.say(f"Set the picture to {shape} ({fit}).", f"画面比例已设为{shape}。")


def _canvas(aspect: tuple[int, int]) -> tuple[int, int]:
    """Answer the largest even canvas of a shape within 1080x1920 / 1920x1080."""
    across, down = aspect
    long_side = round(_MAX_SHORT_SIDE * max(aspect) / min(aspect) / 2) * 2
    return (long_side, _MAX_SHORT_SIDE) if across > down else (_MAX_SHORT_SIDE, long_side)
