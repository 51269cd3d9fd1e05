"""Choose a song of the user's library, or say what to compose; with the reason in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.agent import words
from studio.agent.stage import Stage
from studio.agent.wishes import Wish
from studio.music.genres import styled
from studio.music.moods import seed_for

if TYPE_CHECKING:  # numpy is loaded on first use, so that the server starts fast.
    from studio.music.song import Song

DEFAULT_VOLUME = 0.35
_FEW, _MANY = 0.15, 0.5  # cuts a second
_CHINESE = {
    "calm": "平静", "happy": "欢快", "epic": "史诗", "sad": "忧伤", "energetic": "动感", "romantic": "浪漫",
    "dark": "黑暗", "dreamy": "梦幻", "no cuts": "无剪切", "few cuts": "剪切少", "steady cuts": "剪切适中",
    "many cuts": "剪切多",
}  # fmt: skip

Meta = dict[str, Any]


def choose(wish: Wish, stage: Stage, before: Meta) -> Meta:
    """Return the metadata of a music segment; what the music `before` had and the wish leaves open stays."""
    suggested = next((item.look.mood for item in stage.media if item.look), "calm")
    mood = wish.mood or (before.get("mood") if wish.another else None) or suggested
    meta = _composed(wish, stage, mood, before)
    song = _song(wish, stage, meta, before)
    if song is not None:
        meta |= _recorded(song, before)
    meta["reason"] = _reason(stage, meta)
    return meta


def _composed(wish: Wish, stage: Stage, mood: str, before: Meta) -> Meta:
    tempo = wish.tempo if wish.tempo and not before else 1.0
    style = styled(mood, wish.genre or "")
    meta = {
        "title": wish.genre or style.title,
        "mood": mood,
        "genre": (wish.genre or style.genre).lower(),
        "bpm": wish.bpm or round(style.bpm * tempo),
        "seed": _seed(stage, before.get("seed")),
        "volume": wish.volume if wish.volume is not None else before.get("volume", DEFAULT_VOLUME),
        "start": 0,
        "fade_in_ms": before.get("fade_in_ms", 0),
        "fade_out_ms": before.get("fade_out_ms", 0),
        "duck": before.get("duck", True),
        "without": list(before.get("without", [])),
    }
    return meta | ({"steady": True} if wish.bpm else {})


def _seed(stage: Stage, before: int | None) -> int:
    """The same file and instruction give the same piece; asked again on top of it, another one."""
    source = "".join(item.sha256 for item in stage.media)
    return seed_for(f"{source}|{stage.instruction}|{'' if before is None else before}")


def _song(wish: Wish, stage: Stage, meta: Meta, before: Meta) -> Song | None:
    """Return the song that suits; a recording cannot leave parts out, so then there is none."""
    if not stage.songs or wish.without or meta["without"]:
        return None
    from studio.music.match import Wanted, best_song  # noqa: PLC0415 - loads numpy; the server starts without it

    wanted = Wanted(
        mood=meta["mood"],
        genre=wish.genre or "",
        bpm=meta["bpm"],
        length_s=stage.draft["d"] / 1000,
        text=stage.instruction,
        seed=meta["seed"],
        heard=tuple(_heard(before)) if wish.another else (),
    )
    return best_song(stage.songs, wanted, mood_told)


def _heard(before: Meta) -> list[str]:
    return [*before.get("heard", []), *([before["song"]] if before.get("song") else [])]


def mood_told(text: str) -> str | None:
    """Return the mood that words or a genre speak of, or None."""
    genre = words.meaning_of(words.GENRES, text)
    return words.meaning_of(words.MOODS, text) or (genre[1] if genre else None)


def _recorded(song: Song, before: Meta) -> Meta:
    traits = song.traits
    return {
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
    return [
        "no cuts"
        if pace == 0
        else "few cuts"
        if pace < _FEW
        else "many cuts"
        if pace > _MANY
        else "steady cuts"
    ]
