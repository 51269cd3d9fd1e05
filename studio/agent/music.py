"""What requests do to the background music: one track whose segments are pieces of music."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from itertools import pairwise

from studio import timeline
from studio.agent.choosing import FASTEST_BPM, SLOWEST_BPM, choose
from studio.agent.picture import set_original
from studio.agent.requests import (
    AddMusic,
    DropAt,
    Feature,
    LeaveOut,
    NoMusicIn,
    PlaceMusic,
    RemoveMusic,
    SetDuck,
    SetFade,
    SetMode,
    SetTempo,
    SetVolume,
    Stage,
    Stress,
)
from studio.music.moods import style_mood
from studio.timeline import Segment

_BUILD_SHARE = 0.7  # how loud music is before its drop
_SWELL_MS = 4_000
_SHORTEST_MS = 200
_SOFT_KIT = "brushes"  # for styles that have no drums of their own
_SEAM_MS = 400  # fade between two pieces that follow each other
_VOICES = {
    "orchestral": {"pad_voice": "strings"}, "string quartet": {"pad_voice": "strings"},
    "piano": {"chord_voice": "piano"}, "acoustic": {"chord_voice": "guitar"},
    "synthwave": {"pad_voice": "saw_pad"}, "sleigh bells": {"lead_voice": "bells"},
    "harp": {"chord_voice": "harp"}, "choir": {"pad_voice": "choir"}, "organ": {"pad_voice": "organ"},
    "music box": {"lead_voice": "music_box"},
    **{name: {"lead_voice": name} for name in (
        "bells", "flute", "horn", "vibes", "trumpet", "brass", "clarinet", "oboe", "accordion", "marimba",
        "kalimba", "glockenspiel", "celesta",
    )},
}  # fmt: skip
_SHOWN = {"orchestral": "strings", "string quartet": "strings", "acoustic": "guitar", "vibes": "mallets"}
_NEAREST = {"sleigh bells": "bells"}  # what plays where an instrument is not there
# Instruments that nobody here plays: a style they belong to is taken, and the answer says so.
_LACKING = {
    "banjo": "班卓琴", "mandolin": "曼陀林", "harmonica": "口琴", "saxophone": "萨克斯", "sax": "",
    "fiddle": "", "steel drums": "", "koto": "", "guzheng": "古筝", "singing bowls": "颂钵",
}  # fmt: skip


def remove_music(asked: RemoveMusic, stage: Stage) -> None:
    """Take the background music out."""
    track = timeline.music_track(stage.draft)
    if track is not None:
        timeline.remove(stage.draft, track)
        stage.say(f"Removed the music {track['m']['title']}.", f"已删除音乐{track['m']['title']}。")
    elif asked.add:
        stage.say("As you asked, no music was added.", "按您的要求，没有添加音乐。")
    else:
        stage.say("There is no music to remove.", "没有可删除的音乐。")


def add_music(pieces: Sequence[AddMusic], stage: Stage) -> None:
    """Put new music into the timeline, one piece or several in a row; it replaces what is there."""
    if all(piece.only_if_none for piece in pieces) and stage.music:
        return
    old = stage.music
    before = old[0]["m"] if old else {}
    if len(pieces) > 1 or pieces[0].span:
        before = {name: value for name, value in before.items() if not name.startswith("fade_")}
    fresh: list[Segment] = []
    for piece in pieces:
        start_ms, end_ms = piece.span.within(stage.draft["d"]) if piece.span else (0, stage.draft["d"])
        if end_ms - start_ms < _SHORTEST_MS:
            _say_it_is_too_short(stage)
            continue
        meta = choose(piece, stage, before)
        meta["start"] = start_ms
        fresh.append({"d": end_ms - start_ms, "m": meta})
    if not fresh:
        return
    keeps = old and len(pieces) == 1 and pieces[0].span and (pieces[0].mood or pieces[0].genre)
    span = (fresh[0]["m"]["start"], fresh[0]["m"]["start"] + fresh[0]["d"])
    _put(stage, sorted([*(_outside(old, *span) if keeps else []), *fresh], key=lambda s: s["m"]["start"]))
    _name_lacking(stage)
    for segment in fresh:
        meta = segment["m"]
        percent = round(meta["volume"] * 100)
        where, in_chinese = "", ""
        if segment["d"] < stage.draft["d"]:
            start, end = meta["start"] / 1000, (meta["start"] + segment["d"]) / 1000
            where, in_chinese = f" from {start:g} s to {end:g} s", f"（第{start:g}到{end:g}秒）"
        stage.say(
            f"Added background music{where}: {meta['reason']}, at {percent}% volume.",
            f"已添加背景音乐{in_chinese}：{meta['reason']}，音量{percent}%。",
        )


def _name_lacking(stage: Stage) -> None:
    """Name the instruments that were asked for and that nobody here plays."""
    said = stage.instruction.lower()
    for name, chinese in _LACKING.items():
        if re.search(rf"\b{name}\b", said) or (chinese and chinese in said):
            stage.say(
                f"I have no {name}; another instrument plays in its place.",
                "没有这种乐器，用相近的音色代替。",
            )
            return


def _put(stage: Stage, segments: list[Segment]) -> None:
    """Make these segments the music; pieces that touch get a short fade between them."""
    old = timeline.music_track(stage.draft)
    if old is not None:
        timeline.remove(stage.draft, old)
    if not segments:
        return
    for segment, following in pairwise(segments):
        if segment["m"]["start"] + segment["d"] == following["m"]["start"]:
            segment["m"]["fade_out_ms"] = max(segment["m"]["fade_out_ms"], _SEAM_MS)
    titles = dict.fromkeys(segment["m"]["title"] for segment in segments)
    track = {"tt": timeline.AUDIO, "m": {"title": " / ".join(titles), "kind": "bgm"}, "sg": segments}
    stage.draft["t"].append(track)


def _outside(segments: list[Segment], start_ms: int, end_ms: int) -> list[Segment]:
    """Return what is left of segments when a part of the timeline is taken out of them."""
    left: list[Segment] = []
    for segment in segments:
        begin, end = segment["m"]["start"], segment["m"]["start"] + segment["d"]
        for low, high in ((begin, min(end, start_ms)), (max(begin, end_ms), end)):
            if high - low >= _SHORTEST_MS:
                meta = copy.deepcopy(segment["m"]) | {"start": low}
                left.append({"d": high - low, "m": meta})
    return left


def silence_part(asked: NoMusicIn, stage: Stage) -> None:
    """Leave a part of the timeline without music."""
    if not _has_music(stage):
        return
    start_ms, end_ms = asked.span.within(stage.draft["d"])
    if start_ms >= end_ms:
        _say_it_is_too_short(stage)
        return
    _put(stage, _outside(stage.music, start_ms, end_ms))
    start, end = f"{start_ms / 1000:g}", f"{end_ms / 1000:g}"
    stage.say(f"There is no music from {start} s to {end} s.", f"第{start}秒到第{end}秒没有音乐。")


def place_music(asked: PlaceMusic, stage: Stage) -> None:
    """Let the music play in one part of the timeline alone."""
    if not _has_music(stage):
        return
    start_ms, end_ms = asked.span.within(stage.draft["d"])
    if start_ms >= end_ms:
        _say_it_is_too_short(stage)
        return
    if len(stage.music) == 1:
        stage.music[0]["m"]["start"], stage.music[0]["d"] = start_ms, end_ms - start_ms
    else:
        _put(stage, _outside(_outside(stage.music, 0, start_ms), end_ms, stage.draft["d"]))
    start, end = f"{start_ms / 1000:g}", f"{end_ms / 1000:g}"
    stage.say(f"The music plays from {start} s to {end} s.", f"音乐从第{start}秒播放到第{end}秒。")


def drop(asked: DropAt, stage: Stage) -> None:
    """Let the music wait without drums and bass, and come in whole at a moment."""
    if not _has_music(stage) or _is_song(stage, "arrangement", "编排"):
        return
    at_ms = round(asked.at_s * 1000) if asked.at_s is not None else stage.draft["d"] // 2
    before, after = _split(stage, at_ms)
    if not before or not after:
        _say_it_is_too_short(stage)
        return
    for segment in before:
        meta = segment["m"]
        meta["without"] = list(dict.fromkeys([*meta["without"], "drums", "bass"]))
        meta["volume"] = round(meta["volume"] * _BUILD_SHARE, 2)
    _put(stage, [*before, *after])
    at = f"{at_ms / 1000:g}"
    stage.say(f"The music builds up and drops at {at} s.", f"音乐先铺垫，在第{at}秒爆发。")


def _split(stage: Stage, at_ms: int) -> tuple[list[Segment], list[Segment]]:
    length_ms = stage.draft["d"]
    before, after = _outside(stage.music, at_ms, length_ms), _outside(stage.music, 0, at_ms)
    if before and after:
        before[-1]["m"]["fade_out_ms"] = 0
        after[0]["m"]["fade_in_ms"] = 0
    return before, after


def feature(asked: Feature, stage: Stage) -> None:
    """Bring an instrument in, from a moment on where one is named."""
    name = asked.instrument
    segments = _from_moment(asked, stage) if stage.music else _begin_with(asked, stage)
    for segment in segments:
        meta = segment["m"]
        if name in _VOICES:
            meta["changes"] = meta.get("changes", {}) | _VOICES[name]
        else:
            meta["without"] = [part for part in meta["without"] if part != name]
            if name == "drums" and not style_mood(meta["mood"], meta["genre"]).drum_pattern:
                meta["changes"] = meta.get("changes", {}) | {"drum_pattern": _SOFT_KIT}
    if not segments:
        return
    for segment in stage.music[: stage.music.index(segments[0])]:
        if name not in _VOICES:
            segment["m"]["without"] = list(dict.fromkeys([*segment["m"]["without"], name]))
    shown = _SHOWN.get(name, name)
    stage.say(f"Brought in: {shown}.", f"已加入：{shown}。")
    if name in _NEAREST:
        stage.say(
            f"I have no {name}; {_NEAREST[name]} play in their place.", "没有这种乐器，用相近的音色代替。"
        )


def _from_moment(asked: Feature, stage: Stage) -> list[Segment]:
    """Return the pieces from a moment on, where the music is divided; empty when that cannot be."""
    if _is_song(stage, "instruments", "乐器"):
        return []
    start_ms = asked.span.within(stage.draft["d"])[0] if asked.span else 0
    if start_ms:
        before, after = _split(stage, start_ms)
        if not (before and after):
            _say_it_is_too_short(stage)
            return []
        _put(stage, [*before, *after])
    if asked.swell:
        stage.say(
            "They come in at once: a slow swell within a piece is not something I can do.",
            "无法做到渐强：乐器会直接进入。",
        )
    return [segment for segment in stage.music if segment["m"]["start"] >= start_ms]


def _begin_with(asked: Feature, stage: Stage) -> list[Segment]:
    """Add music for an instrument where there is none; return the pieces that still lack it."""
    name = asked.instrument
    genre = name if name in {"orchestral", "piano", "acoustic", "string quartet"} else None
    mood = "happy" if name == "sleigh bells" else "epic" if genre == "orchestral" else None
    add_music([AddMusic(mood=mood, genre=genre, span=asked.span)], stage)
    if asked.swell and stage.music:
        stage.music[0]["m"]["fade_in_ms"] = min(_SWELL_MS, stage.music[0]["d"])
        stage.say("It swells from nothing over 4 s.", "音乐用4秒渐渐增强。")
    return [] if genre else stage.music


def set_volume(asked: SetVolume, stage: Stage) -> None:
    """Set how loud the music or the original sound is."""
    if asked.target == "original" or (asked.target == "sound" and not stage.music):
        now = timeline.source_segments(stage.draft)[0]["m"].get("volume", 1.0)
        set_original(stage, asked.level if asked.level is not None else now * (asked.factor or 1.0))
        return
    if not _has_music(stage):
        return
    segments = stage.music
    if asked.span:
        start_ms, end_ms = asked.span.within(stage.draft["d"])
        segments = [s for s in segments if start_ms <= s["m"]["start"] and s["m"]["start"] + s["d"] <= end_ms]
        if not segments:
            stage.say(
                "I cannot change the volume in the middle of a piece of music; it stays as it was.",
                "无法在一段音乐中间改变音量，音量保持不变。",
            )
            return
    loudest = max(segment["m"]["volume"] for segment in segments)
    level = asked.level if asked.level is not None else loudest * (asked.factor or 1.0)
    level = round(min(1.0, max(0.0, level)), 2)
    if level == loudest:
        return
    for segment in segments:
        meta = segment["m"]
        meta["volume"] = round(level * meta["volume"] / loudest, 2) if loudest else level
    stage.say(f"Set the music to {round(level * 100)}%.", f"音乐音量已设为{round(level * 100)}%。")


def set_tempo(asked: SetTempo, stage: Stage) -> None:
    """Set how fast the music is."""
    if not _has_music(stage) or _is_song(stage, "tempo", "速度"):
        return
    for segment in stage.music:
        meta = segment["m"]
        bpm = round(min(FASTEST_BPM, max(SLOWEST_BPM, asked.bpm or meta["bpm"] * asked.factor + asked.more)))
        if meta["bpm"] != bpm:
            stage.say(f"Set the tempo to {bpm} BPM.", f"速度已设为{bpm} BPM。")
        meta["bpm"] = bpm


def set_fade(asked: SetFade, stage: Stage) -> None:
    """Set how long the music takes to come and to go."""
    if not _has_music(stage):
        return
    for name, length_s, segment in (
        ("in", asked.in_s, stage.music[0]),
        ("out", asked.out_s, stage.music[-1]),
    ):
        if length_s is None:
            continue
        length_ms = min(round(length_s * 1000), segment["d"])
        segment["m"][f"fade_{name}_ms"] = length_ms
        where = "淡入" if name == "in" else "淡出"
        stage.say(f"Fade {name}: {length_ms / 1000:g} s.", f"{where}{length_ms / 1000:g}秒。")


def set_duck(asked: SetDuck, stage: Stage) -> None:
    """Let the music step back under speech, or not."""
    if not stage.music:
        stage.say("The original sound stays as it is.", "原声保持不变。")
        return
    for segment in stage.music:
        segment["m"]["duck"] = asked.on
    stage.say(
        "The music steps back under the voice."
        if asked.on
        else "The music no longer steps back under the voice.",
        "人声出现时音乐会降低。" if asked.on else "音乐不再随人声降低。",
    )


def set_mode(asked: SetMode, stage: Stage) -> None:
    """Play the same piece in a minor or a major key."""
    if not _has_music(stage) or _is_song(stage, "key", "调性"):
        return
    for segment in stage.music:
        segment["m"]["changes"] = segment["m"].get("changes", {}) | {"scale": asked.mode}
    stage.say(
        f"The music is now in a {asked.mode} key.", f"音乐改为{'小调' if asked.mode == 'minor' else '大调'}。"
    )


def stress(asked: Stress, stage: Stage) -> None:
    """Let a part play more strongly, or less."""
    if not _has_music(stage) or _is_song(stage, "instruments", "乐器"):
        return
    for segment in stage.music:
        meta = segment["m"]
        meta["without"] = [part for part in meta["without"] if part != asked.part]
        meta["stress"] = meta.get("stress", {}) | {asked.part: asked.factor}
    how, in_chinese = ("stronger", "加重") if asked.factor > 1 else ("lighter", "减轻")
    stage.say(f"Made the {asked.part} {how}.", f"已{in_chinese}：{asked.part}。")


def leave_out(asked: LeaveOut, stage: Stage) -> None:
    """Leave parts of the band out."""
    if not _has_music(stage) or _is_song(stage, "instruments", "乐器"):
        return
    segments = stage.music
    if asked.span:
        start_ms, end_ms = asked.span.within(stage.draft["d"])
        before, rest = _split(stage, start_ms) if start_ms else ([], stage.music)
        _put(stage, [*before, *rest])
        segments, after = _split(stage, end_ms) if end_ms < stage.draft["d"] else (stage.music, [])
        segments = [segment for segment in segments if segment["m"]["start"] >= start_ms]
        _put(stage, [*before, *segments, *after])
    for segment in segments:
        segment["m"]["without"] = list(dict.fromkeys([*segment["m"]["without"], *asked.parts]))
    listed = ", ".join(asked.parts)
    stage.say(f"Left out: {listed}.", f"已去掉：{listed}。")


def _has_music(stage: Stage) -> bool:
    """Say whether there is music; where there is none, the answer says so."""
    if not stage.music:
        stage.say("There is no music yet; ask me to add some first.", "还没有音乐，请先让我添加音乐。")
    return bool(stage.music)


def _is_song(stage: Stage, what: str, in_chinese: str) -> bool:
    """Say whether the music is a recording, of which this cannot be changed; the answer says so."""
    if not any("song" in segment["m"] for segment in stage.music):
        return False
    stage.say(
        f"This is a song of your library; its {what} cannot be changed. Ask for another one instead.",
        f"这是您音乐库中的歌曲，{in_chinese}无法更改，可以换一首。",
    )
    return True


def _say_it_is_too_short(stage: Stage) -> None:
    stage.say("The video is shorter than that; the music stays as it is.", "视频比这还短，音乐不变。")
