"""The agent: an instruction and a timeline in, a changed timeline and words about it out.

`lexicon` reads words, `grammar` puts them together, `interpret` says what they ask for as `requests`; `music`
and `picture` carry each request out on the draft. What is not understood, or cannot be done, is named in the
answer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio import timeline
from studio.agent import interpret, music, picture, requests
from studio.agent.grammar import is_chinese
from studio.agent.interpret import read
from studio.agent.requests import AddMusic, Feature, Keep, NotDone, Request, Stage
from studio.model import Draft, Media
from studio.timeline import media_ids

if TYPE_CHECKING:  # numpy is loaded on first use, so that the server starts fast.
    from studio.music.song import Song


@dataclass(frozen=True, slots=True)
class Reply:
    """What the agent did: the new draft (None: nothing changed), and its answer."""

    draft: Draft | None
    said: str


def wants_music(instruction: str) -> bool:
    """Say whether music is asked for: the agent then has to know the picture and the library."""
    return any(isinstance(request, AddMusic | Feature) for request in read(instruction))


def mood_of(words: str) -> str | None:
    """Answer the mood that words speak of, if they speak of one."""
    return interpret.mood_and_genre(words)[0]


def edit(
    instruction: str, draft: Draft | None, media: tuple[Media, ...], songs: tuple[Song, ...] = ()
) -> Reply:
    """Carry out an instruction on a copy of the draft; `songs` are those of the user's own library."""
    chinese = is_chinese(instruction)
    if not draft or not media:
        return Reply(None, "请先上传视频。" if chinese else "Please upload a video first.")
    asked = read(instruction)
    if all(isinstance(request, NotDone) and not request.what for request in asked):
        return Reply(None, _LOST_CHINESE if chinese else _LOST)
    shown = media_ids(draft)
    seen = tuple(item for item in media if item.id in shown)
    stage = Stage(copy.deepcopy(draft), seen, instruction, chinese, asked, songs)
    pieces = [request for request in stage.requests if isinstance(request, AddMusic)]
    for request in stage.requests:
        if isinstance(request, AddMusic):
            if request is pieces[0]:
                music.add_music(pieces, stage)
        elif isinstance(request, NotDone):
            _name(request, stage)
        elif isinstance(request, Keep):
            stage.say(*_KEPT[request.target])
        else:
            _HANDLERS[type(request)](request, stage)
    changed = stage.draft != draft
    if changed:
        timeline.keep_findings(stage.draft, seen)
    text = ("" if chinese else " ").join(stage.sentences)
    return Reply(stage.draft if changed else None, text or (_SAME_CHINESE if chinese else _SAME))


def _name(request: NotDone, stage: Stage) -> None:
    if request.what:
        stage.say(f"I cannot do this: {request.what}.", f"暂时无法做到：{request.words or request.what}。")
    else:
        stage.say(
            f'I did not understand "{request.words}"; that stays as it was.',
            f"我没有理解“{request.words}”，这部分保持不变。",
        )


_LOST = (
    "Sorry, I did not understand that. I can add or change music (mood, style, tempo, instruments, volume, "
    "fades, where it plays), titles and captions, the original sound, the aspect ratio and the length."
)
_LOST_CHINESE = (
    "抱歉，我没有理解。我可以添加或修改音乐（情绪、风格、速度、乐器、音量、淡入淡出、播放位置）、"
    "标题和字幕、原声、画面比例和时长。"
)
_SAME = "Nothing had to be changed: the timeline already is as you asked."
_SAME_CHINESE = "无需修改：时间线已经符合要求。"
_KEPT = {
    "music": ("The music stays as it is.", "音乐保持不变。"),
    "original": ("The original sound stays as it is.", "原声保持不变。"),
    "volume": ("The volume stays as it is.", "音量保持不变。"),
    "tempo": ("The tempo stays as it is.", "速度保持不变。"),
    "picture": ("Nothing of that was added.", "没有添加这些内容。"),
    "cuts": ("The beats of the music fall on the cuts of the picture.", "音乐的节拍对准画面的剪切点。"),
    "singing": ("There is no singing in the music.", "音乐中没有人声演唱。"),
}
_HANDLERS: dict[type[Request], Callable[[Any, Stage], None]] = {
    requests.RemoveMusic: music.remove_music,
    requests.NoMusicIn: music.silence_part,
    requests.PlaceMusic: music.place_music,
    requests.DropAt: music.drop,
    requests.SetVolume: music.set_volume,
    requests.SetTempo: music.set_tempo,
    requests.SetFade: music.set_fade,
    requests.SetDuck: music.set_duck,
    requests.SetMode: music.set_mode,
    requests.LeaveOut: music.leave_out,
    requests.Feature: music.feature,
    requests.Stress: music.stress,
    requests.ShowText: picture.show_text,
    requests.RemoveText: picture.remove_text,
    requests.Trim: picture.trim,
    requests.Reshape: picture.reshape,
}
