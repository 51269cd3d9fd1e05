"""What an instruction does to the background music."""

from __future__ import annotations

from collections.abc import Callable

from studio import timeline
from studio.agent import words
from studio.agent.choosing import choose
from studio.agent.picture import set_original
from studio.agent.stage import Stage
from studio.agent.wishes import Wish
from studio.timeline import Segment

_SLOWEST_BPM, _FASTEST_BPM = 40, 200


def remove_music(wish: Wish, stage: Stage) -> None:
    """Take the background music out."""
    if not wish.remove_music:
        return
    track = timeline.music_track(stage.draft)
    if track is None:
        stage.say("There is no music to remove.", "没有可删除的音乐。")
        return
    timeline.remove(stage.draft, track)
    stage.say(f"Removed the music {track['m']['title']}.", f"已删除音乐{track['m']['title']}。")


def add_music(wish: Wish, stage: Stage) -> None:
    """Put new background music into the timeline; it replaces what is there."""
    changes = wish.mood and stage.music and wish.mood != stage.music["m"]["mood"]
    if not (wish.music or changes):
        return
    old = timeline.music_track(stage.draft)
    if old is not None:
        timeline.remove(stage.draft, old)
    meta = choose(wish, stage, old["sg"][0]["m"] if old else {})
    segment = {"d": stage.draft["d"], "m": meta}
    track = {"tt": timeline.AUDIO, "m": {"title": meta["title"], "kind": "bgm"}, "sg": [segment]}
    stage.draft["t"].append(track)
    percent = round(meta["volume"] * 100)
    stage.say(
        f"Added background music: {meta['reason']}, at {percent}% volume.",
        f"已添加背景音乐：{meta['reason']}，音量{percent}%。",
    )


def change_music(wish: Wish, stage: Stage) -> None:
    """Change the music that is there: loudness, tempo, length, fades, ducking, instruments."""
    wanted = (
        wish.volume, wish.louder, wish.bpm, wish.tempo, wish.fade_in_s, wish.fade_out_s, wish.span, wish.duck,
    )  # fmt: skip
    if all(value is None for value in wanted) and not wish.without:
        return
    music = stage.music
    if music is None:
        _change_source(wish, stage)
        return
    for step in _MUSIC_STEPS:
        step(wish, stage, music)


def _change_source(wish: Wish, stage: Stage) -> None:
    """Without music, loudness speaks of the original sound; the rest cannot be done."""
    if wish.remove_music:
        return
    speaks_of_music = words.MUSIC.search(words.ORIGINAL.sub(" ", stage.instruction))
    if speaks_of_music or (wish.volume is None and wish.louder is None):
        stage.say("There is no music yet; ask me to add some first.", "还没有音乐，请先让我添加音乐。")
        return
    now = timeline.source_segments(stage.draft)[0]["m"].get("volume", 1.0)
    set_original(stage, wish.volume if wish.volume is not None else now * (wish.louder or 1.0))


def _volume(wish: Wish, stage: Stage, music: Segment) -> None:
    volume = wish.volume
    if wish.louder is not None:
        volume = music["m"]["volume"] * wish.louder
    if volume is None:
        return
    fresh = round(min(1.0, max(0.0, volume)), 2)
    if music["m"]["volume"] != fresh:
        stage.say(f"Set the music to {round(fresh * 100)}%.", f"音乐音量已设为{round(fresh * 100)}%。")
    music["m"]["volume"] = fresh


def _tempo(wish: Wish, stage: Stage, music: Segment) -> None:
    bpm = wish.bpm or (None if wish.music or wish.tempo is None else round(music["m"]["bpm"] * wish.tempo))
    if bpm is None:
        return
    if _is_song(music):
        _say_it_is_a_song(stage, "tempo", "速度")
        return
    fresh = min(_FASTEST_BPM, max(_SLOWEST_BPM, bpm))
    if music["m"]["bpm"] != fresh:
        stage.say(f"Set the tempo to {fresh} BPM.", f"速度已设为{fresh} BPM。")
    music["m"].update({"bpm": fresh, "steady": True})


def _is_song(music: Segment) -> bool:
    return "song" in music["m"]


def _say_it_is_a_song(stage: Stage, what: str, in_chinese: str) -> None:
    stage.say(
        f"This is a song of your library; its {what} cannot be changed. Ask for another one instead.",
        f"这是您音乐库中的歌曲，{in_chinese}无法更改，可以换一首。",
    )


def _fades(wish: Wish, stage: Stage, music: Segment) -> None:
    for name, length_s in (("in", wish.fade_in_s), ("out", wish.fade_out_s)):
        if length_s is None:
            continue
        length_ms = min(round(length_s * 1000), music["d"])
        music["m"][f"fade_{name}_ms"] = length_ms
        where = "淡入" if name == "in" else "淡出"
        stage.say(f"Fade {name}: {length_ms / 1000:g} s.", f"{where}{length_ms / 1000:g}秒。")


def _duck(wish: Wish, stage: Stage, music: Segment) -> None:
    if wish.duck is None:
        return
    music["m"]["duck"] = wish.duck
    stage.say(
        "The music steps back under the voice."
        if wish.duck
        else "The music no longer steps back under the voice.",
        "人声出现时音乐会降低。" if wish.duck else "音乐不再随人声降低。",
    )


def _without(wish: Wish, stage: Stage, music: Segment) -> None:
    if not wish.without:
        return
    if _is_song(music):
        _say_it_is_a_song(stage, "instruments", "乐器")
        return
    music["m"]["without"] = list(dict.fromkeys([*music["m"]["without"], *wish.without]))
    listed = ", ".join(wish.without)
    stage.say(f"Left out: {listed}.", f"已去掉：{listed}。")


def _range(wish: Wish, stage: Stage, music: Segment) -> None:
    if wish.span is None:
        return
    start_ms, end_ms = wish.span.within(stage.draft["d"])
    if start_ms >= end_ms:
        stage.say("The video is shorter than that; the music stays as it is.", "视频比这还短，音乐不变。")
        return
    music["m"]["start"], music["d"] = start_ms, end_ms - start_ms
    start, end = f"{start_ms / 1000:g}", f"{end_ms / 1000:g}"
    stage.say(f"The music plays from {start} s to {end} s.", f"音乐从第{start}秒播放到第{end}秒。")


_MUSIC_STEPS: tuple[Callable[[Wish, Stage, Segment], None], ...] = (
    _volume,
    _tempo,
    _range,
    _fades,
    _duck,
    _without,
)
