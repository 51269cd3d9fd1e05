"""What requests do to the picture, its texts, its length and its own sound."""

from __future__ import annotations

from studio import timeline
from studio.agent.requests import RemoveText, Reshape, ShowText, Stage, Trim
from studio.timeline import Segment

_MAX_SHORT_SIDE = 1080
_MOST_VOLUME = 2.0
_TEXT_S = 3.0


def trim(asked: Trim, stage: Stage) -> None:
    """Shorten the whole timeline to a part of it."""
    length_ms = stage.draft["d"]
    from_ms, to_ms = asked.span.within(length_ms)
    if asked.drop and from_ms > 0 and to_ms < length_ms:
        stage.say(
            "I cannot cut a piece out of the middle; the length stays.", "无法剪掉中间部分，长度保持不变。"
        )
        return
    if asked.drop:
        from_ms, to_ms = (to_ms, length_ms) if from_ms == 0 else (0, from_ms)
    if asked.span.start < 0 and -asked.span.start * 1000 >= length_ms:
        from_ms = to_ms
    if not 0 <= from_ms < to_ms or to_ms - from_ms == length_ms:
        stage.say("The video is shorter than that; its length stays.", "视频比这还短，长度保持不变。")
        return
    for track in stage.draft["t"]:
        cut = (_cut(segment, from_ms, to_ms) for segment in track["sg"])
        track["sg"] = [segment for segment in cut if segment["d"] > 0]
    stage.draft["t"] = [track for track in stage.draft["t"] if track["sg"]]
    stage.draft["d"] = to_ms - from_ms
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


def set_original(stage: Stage, volume: float) -> None:
    """Set the loudness of the original sound: 0 is muted, 1 as it came, 2 the most."""
    fresh = round(min(_MOST_VOLUME, max(0.0, volume)), 2)
    for segment in timeline.source_segments(stage.draft):
        segment["m"]["volume"] = fresh
    if fresh == 0:
        stage.say("Muted the original sound.", "原声已静音。")
    else:
        stage.say(
            f"Set the original sound to {round(fresh * 100)}%.", f"原声音量已设为{round(fresh * 100)}%。"
        )


def show_text(asked: ShowText, stage: Stage) -> None:
    """Put a text on the picture; it replaces one that stands in the same place at the same time."""
    whole_ms = stage.draft["d"]
    length_ms = whole_ms if asked.whole else min(round((asked.length_s or _TEXT_S) * 1000), whole_ms)
    start_ms = whole_ms - length_ms if asked.last else 0
    if asked.span:
        start_ms, end_ms = asked.span.within(whole_ms)
        if asked.span.end <= whole_ms / 1000 or asked.span.shares:
            length_ms = end_ms - start_ms
        if start_ms >= whole_ms:
            stage.say(
                f'The video is shorter than that; the text "{asked.text}" was not added.',
                f"视频比这还短，没有添加文字“{asked.text}”。",
            )
            return
        length_ms = min(length_ms, whole_ms - start_ms)
    place = asked.place or ("bottom" if asked.kind == "caption" else "center")
    for track in timeline.tracks(stage.draft, timeline.TEXT):
        kept = [s for s in track["sg"] if not _collides(s, place, start_ms, start_ms + length_ms)]
        if kept:
            track["sg"] = kept
        else:
            timeline.remove(stage.draft, track)
    meta = {"text": asked.text, "start": start_ms} | ({} if place == "center" else {"place": place})
    segment = {"d": length_ms, "m": meta}
    stage.draft["t"].append({"tt": timeline.TEXT, "m": {"title": asked.kind.title()}, "sg": [segment]})
    length = f"{length_ms / 1000:g}"
    in_chinese = "字幕" if asked.kind == "caption" else "标题"
    stage.say(
        f'Added the {asked.kind} "{asked.text}" for {length} s.',
        f"已添加{in_chinese}“{asked.text}”，{length}秒。",
    )


def _collides(segment: Segment, place: str, start_ms: int, end_ms: int) -> bool:
    begin_ms: int = segment["m"]["start"]
    same_time: bool = begin_ms < end_ms and start_ms < begin_ms + segment["d"]
    return same_time and bool(segment["m"].get("place", "center") == place)


def remove_text(_: RemoveText, stage: Stage) -> None:
    """Take every text off the picture."""
    shown = timeline.tracks(stage.draft, timeline.TEXT)
    for track in shown:
        timeline.remove(stage.draft, track)
    if shown:
        stage.say("Removed the title.", "已删除标题。")
    else:
        stage.say("There is no title to remove.", "没有可删除的标题。")


def reshape(asked: Reshape, stage: Stage) -> None:
    """Change the shape of the picture; what does not fit is blurred, barred or cropped."""
    if not timeline.tracks(stage.draft, timeline.VIDEO):
        stage.say("There is no picture whose shape could change.", "没有可调整比例的画面。")
        return
    across, down = asked.aspect
    short, long = _MAX_SHORT_SIDE, round(_MAX_SHORT_SIDE * max(asked.aspect) / min(asked.aspect) / 2) * 2
    if long > 1920:
        short, long = round(1920 * min(asked.aspect) / max(asked.aspect) / 2) * 2, 1920
    width, height = (long, short) if across > down else (short, long)
    stage.draft["m"].update(width=width, height=height)
    for segment in timeline.source_segments(stage.draft):
        segment["m"]["fit"] = asked.fit
    shape = f"{asked.aspect[0]}:{asked.aspect[1]}"
    stage.say(f"Set the picture to {shape} ({asked.fit}).", f"画面比例已设为{shape}。")
