"""What an instruction does to the background music."""

from __future__ import annotations

from collections.abc import Callable

from studio import timeline
from studio.agent import words
from studio.agent.picture import set_original
from studio.agent.stage import Stage
from studio.agent.wishes import Wish
from studio.music.moods import MOODS, seed_for
from studio.timeline import Segment

DEFAULT_VOLUME = 0.35
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
    segment = _compose(wish, stage, old["sg"][0] if old else None)
    title = segment["m"]["title"]
    stage.draft["t"].append({"tt": timeline.AUDIO, "m": {"title": title, "kind": "bgm"}, "sg": [segment]})
    bpm, percent = segment["m"]["bpm"], round(segment["m"]["volume"] * 100)
    stage.say(
        f"Added {title} background music at {bpm} BPM, {percent}% volume.",
        f"已添加{title}背景音乐，{bpm} BPM，音量{percent}%。",
    )


def _compose(wish: Wish, stage: Stage, old: Segment | None) -> Segment:
    """Make the music's segment; what the old music had and the wish leaves open stays."""
    before = old["m"] if old else {}
    suggested = next((item.look.mood for item in stage.media if item.look), "calm")
    mood = MOODS[wish.mood or (before.get("mood") if wish.another else None) or suggested]
    tempo = wish.tempo if wish.tempo and old is None else 1.0
    meta = {
        "title": wish.genre or mood.title,
        "mood": mood.name,
        "genre": (wish.genre or mood.genre).lower(),
        "bpm": wish.bpm or round(mood.bpm * tempo),
        "seed": _seed(stage, before.get("seed")),
        "volume": wish.volume if wish.volume is not None else before.get("volume", DEFAULT_VOLUME),
        "start": 0,
        "fade_in_ms": before.get("fade_in_ms", 0),
        "fade_out_ms": before.get("fade_out_ms", 0),
        "duck": before.get("duck", True),
        "without": list(before.get("without", [])),
    }
    return {"d": stage.draft["d"], "m": meta}


def _seed(stage: Stage, before: int | None) -> int:
    """The same file and instruction give the same piece; asked again on top of it, another one."""
    source = "".join(item.sha256 for item in stage.media)
    return seed_for(f"{source}|{stage.instruction}|{'' if before is None else before}")


def change_music(wish: Wish, stage: Stage) -> None:
    """Change the music that is there: loudness, tempo, length, fades, ducking, instruments."""
    wanted = (wish.volume, wish.louder, wish.bpm, wish.tempo, wish.fade_in_s, wish.fade_out_s, wish.first_s)
    if all(value is None for value in wanted) and not wish.without and wish.duck is None:
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
    fresh = min(_FASTEST_BPM, max(_SLOWEST_BPM, bpm))
    if music["m"]["bpm"] != fresh:
        stage.say(f"Set the tempo to {fresh} BPM.", f"速度已设为{fresh} BPM。")
    music["m"]["bpm"] = fresh


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
    music["m"]["without"] = list(dict.fromkeys([*music["m"]["without"], *wish.without]))
    listed = ", ".join(wish.without)
    stage.say(f"Left out: {listed}.", f"已去掉：{listed}。")


def _range(wish: Wish, stage: Stage, music: Segment) -> None:
    if wish.first_s is None:
        return
    music["d"] = min(round(wish.first_s * 1000), stage.draft["d"])
    stage.say(
        f"The music plays in the first {music['d'] / 1000:g} s.", f"音乐只在前{music['d'] / 1000:g}秒播放。"
    )


_MUSIC_STEPS: tuple[Callable[[Wish, Stage, Segment], None], ...] = (
    _volume,
    _tempo,
    _range,
    _fades,
    _duck,
    _without,
)
