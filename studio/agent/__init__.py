"""The agent: an instruction and a timeline in, a changed timeline and words about it out.

`wishes` says what is asked, by the tables of `words`; `music` and `picture` turn each part of a wish into a
change of the draft. What is not understood, or does not fit the timeline, is said, and nothing is changed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio import timeline
from studio.agent import words
from studio.agent.music import add_music, change_music, remove_music
from studio.agent.picture import change_original, change_shape, change_title, trim
from studio.agent.stage import Stage
from studio.agent.wishes import Wish, read
from studio.model import Draft, Media
from studio.timeline import media_ids

if TYPE_CHECKING:  # numpy is loaded on first use, so that the server starts fast.
    from studio.music.song import Song


@dataclass(frozen=True, slots=True)
class Reply:
    """What the agent did: the new draft (None: nothing changed), and what it says."""

    draft: Draft | None
    said: str


def wants_music(instruction: str) -> bool:
    """Say whether music is asked for: the agent then has to know the picture and the library."""
    return read(instruction).music


def edit(
    instruction: str, draft: Draft | None, media: tuple[Media, ...], songs: tuple[Song, ...] = ()
) -> Reply:
    """Carry out an instruction on a copy of the draft; `songs` are those of the user's own library."""
    chinese = words.is_chinese(instruction)
    if not draft or not media:
        return Reply(None, _pick(chinese, "Please upload a video first.", "请先上传视频。"))
    wish = read(instruction)
    if wish.empty:
        return Reply(None, _pick(chinese, _LOST, _LOST_CHINESE))
    shown = media_ids(draft)
    seen = tuple(item for item in media if item.id in shown)
    stage = Stage(copy.deepcopy(draft), seen, instruction, chinese, songs)
    for step in _STEPS:
        step(wish, stage)
    changed = stage.draft != draft
    if changed:
        timeline.keep_findings(stage.draft, seen)
    _say_what_was_lost(wish, stage)
    said = ("" if chinese else " ").join(stage.said)
    return Reply(stage.draft if changed else None, said or _pick(chinese, _SAME, _SAME_CHINESE))


def _say_what_was_lost(wish: Wish, stage: Stage) -> None:
    for order in wish.lost:
        stage.say(
            f'I did not understand "{order}"; that stays as it was.', f"我没有理解“{order}”，这部分保持不变。"
        )


_LOST = (
    "Sorry, I did not understand that. I can add or change music (mood, genre, tempo, volume, fades), "
    "titles, the original sound, the aspect ratio and the length."
)
_LOST_CHINESE = (
    "抱歉，我没有理解。我可以添加或修改音乐（情绪、风格、速度、音量、淡入淡出）、标题、原声、画面比例和时长。"
)
_SAME = "Nothing had to be changed: the timeline already is as you asked."
_SAME_CHINESE = "无需修改：时间线已经符合要求。"


_STEPS: tuple[Callable[[Wish, Stage], None], ...] = (
    trim,
    remove_music,
    add_music,
    change_music,
    change_original,
    change_title,
    change_shape,
)


def _pick(chinese: bool, english: str, in_chinese: str) -> str:
    return in_chinese if chinese else english
