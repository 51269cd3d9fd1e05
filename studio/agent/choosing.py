"""Choose a song of the user's library, or say what to compose; with the reason in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio import timeline
from studio.agent.grammar import values_of
from studio.agent.interpret import mood_and_genre
from studio.agent.requests import AddMusic, LeaveOut, SetTempo, SetVolume, Stage
from studio.music.moods import seed_for, style_mood
from studio.music.tempo import find_tempo

if TYPE_CHECKING:  # numpy is loaded on first use, so that the server starts fast.
    from studio.music.song import Song

DEFAULT_VOLUME = 0.35
SLOWEST_BPM, FASTEST_BPM = 40, 200
_FEW, _MANY = 0.15, 0.5  # cuts a second
_IN_PLACE_OF = ("calm", "happy", "dreamy")  # what is played where the picture's own mood is not wanted
_CHINESE = {
    "calm": "平静", "happy": "欢快", "epic": "史诗", "sad": "忧伤", "energetic": "动感", "romantic": "浪漫",
    "dark": "黑暗", "dreamy": "梦幻", "no cuts": "无剪切", "few cuts": "剪切少", "steady cuts": "剪切适中",
    "many cuts": "剪切多",
}  # fmt: skip

Meta = dict[str, Any]


def choose(asked: AddMusic, stage: Stage, before: Meta) -> Meta:
    """Return the metadata of a music segment; what the music `before` had and nobody named stays."""
    suggested = next((item.look.mood for item in stage.media if item.look), "calm")
    if suggested in asked.avoid:
        suggested = next(mood for mood in _IN_PLACE_OF if mood not in asked.avoid)
    mood = asked.mood or (before.get("mood") if asked.another else None) or suggested
    meta = _compose(asked, stage, mood, before)
    song = _song(asked, stage, meta, before)
    if song is not None:
        traits = song.traits
        recorded = {
            "title": song.name,
            "genre": song.genre.lower(),
            "bpm": round(traits.bpm),
            "key": traits.key,
            "song": song.id,
            "first_bar_ms": round(traits.first_bar_s * 1000, 1),
            "bar_ms": round(traits.bar_s * 1000, 3),
            "song_ms": round(traits.duration_s * 1000),
            "heard": _heard(before),
        }
        meta |= recorded
    meta["reason"] = _reason(stage, meta)
    return meta


def find_named_mood(text: str) -> str | None:
    """Return the mood that words or a genre speak of, or None."""
    return mood_and_genre(text)[0]


def _compose(asked: AddMusic, stage: Stage, mood: str, before: Meta) -> Meta:
    genre = asked.genre or ""
    style = style_mood(mood, genre)
    bpm = next((r.bpm for r in stage.requests if isinstance(r, SetTempo) and r.bpm), None)
    loudness = (
        r.level for r in stage.requests if isinstance(r, SetVolume) and r.target != "original" and not r.span
    )
    level = next((level for level in loudness if level is not None), None)
    start_ms, end_ms = asked.span.within(stage.draft["d"]) if asked.span else (0, stage.draft["d"])
    cuts_s = [cut - start_ms / 1000 for cut in timeline.cuts_s(stage.draft, stage.media)]
    length_s = (end_ms - start_ms) / 1000
    # The same file and instruction give the same piece; asked again on top of it, another one.
    source = "".join(item.sha256 for item in stage.media)
    own = find_tempo(style.bpm * asked.pace, length_s, [cut for cut in cuts_s if 0 < cut < length_s])
    return {
        "title": values_of("style_title").get(genre, genre.title()) or style.title,
        "mood": mood,
        "genre": (genre or style.genre).lower(),
        "bpm": round(min(FASTEST_BPM, max(SLOWEST_BPM, bpm or own))),
        "seed": seed_for(f"{source}|{stage.instruction}|{before.get('seed', '')}"),
        "volume": round(level, 2) if level is not None else before.get("volume", DEFAULT_VOLUME),
        "start": 0,
        "fade_in_ms": before.get("fade_in_ms", 0),
        "fade_out_ms": before.get("fade_out_ms", 0),
        "duck": before.get("duck", True),
        "without": list(before.get("without", [])),
    }


def _song(asked: AddMusic, stage: Stage, meta: Meta, before: Meta) -> Song | None:
    """Return the song that suits; a recording cannot leave parts out, so then there is none."""
    leaves_out = any(isinstance(request, LeaveOut) for request in stage.requests)
    if not stage.songs or leaves_out or meta["without"]:
        return None
    from studio.music.song import Wanted, best_song  # noqa: PLC0415 - loads numpy; the server starts without it

    wanted = Wanted(
        mood=meta["mood"],
        genre=asked.genre or "",
        bpm=meta["bpm"],
        length_s=stage.draft["d"] / 1000,
        text=stage.instruction,
        seed=meta["seed"],
        heard=tuple(_heard(before)) if asked.another else (),
    )
    return best_song(stage.songs, wanted, find_named_mood)


def _heard(before: Meta) -> list[str]:
    return [*before.get("heard", []), *([before["song"]] if before.get("song") else [])]


def _reason(stage: Stage, meta: Meta) -> str:
    """Say what was chosen and why, e.g. "Lo-fi, 84 BPM (calm, few cuts)"."""
    why = [meta["mood"], *_pace(stage)]
    if stage.chinese:
        return f"{meta['title']}，{meta['bpm']} BPM（{'，'.join(_CHINESE[word] for word in why)}）"
    return f"{meta['title']}, {meta['bpm']} BPM ({', '.join(why)})"


def _pace(stage: Stage) -> list[str]:
    """Return how quickly the picture is cut, in words, when that is known and it moves at all."""
    looks = [item.look.findings for item in stage.media if item.look and "cuts_s" in item.look.findings]
    length_s = sum(float(findings.get("duration_s", 0.0)) for findings in looks)
    if length_s <= 0:
        return []
    pace = sum(len(findings["cuts_s"]) for findings in looks) / length_s
    words = (
        "no cuts"
        if pace == 0
        else "few cuts"
        if pace < _FEW
        else "many cuts"
        if pace > _MANY
        else "steady cuts"
    )
    return [words]
