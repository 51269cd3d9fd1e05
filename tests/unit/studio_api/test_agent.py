"""What the agent understands: instruction in, changed timeline out."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest

from studio import agent
from studio.media import MediaInfo
from studio.model import Look, Media
from studio.timeline import check_draft, fresh_draft, music_track


def media(duration_s: float = 8.0, kind: str = "video") -> Media:
    info = MediaInfo(kind, "mp4", duration_s, 640, 360, 25.0, has_audio=True, has_video=kind != "audio")
    look = Look("happy", {"brightness": 0.8})
    return Media("med_1", "elf.mp4", Path("elf.mp4"), "secret", "abc", info, look)


def after(*instructions: str, clip: Media | None = None):
    """The draft after some instructions, and what was said last."""
    clip = clip or media()
    draft = fresh_draft([clip])
    for instruction in instructions:
        reply = agent.edit(instruction, draft, (clip,))
        draft = reply.draft or draft
    return draft, reply


def music(draft):
    return music_track(draft)["sg"][0]


def test_music_is_written_as_the_draft_has_it():
    draft, reply = after("add lo-fi music at 35% and fade it out at the end")
    segment = music(draft)
    assert segment["d"] == 8000
    assert segment["m"].pop("seed") >= 0
    assert segment["m"] == {
        "title": "Lo-fi",
        "mood": "calm",
        "genre": "lo-fi",
        "bpm": 84,
        "volume": 0.35,
        "start": 0,
        "fade_in_ms": 0,
        "fade_out_ms": 3000,
        "duck": True,
        "without": [],
        "reason": "Lo-fi, 84 BPM (calm)",
    }
    assert "Lo-fi" in reply.said
    check_draft(draft)


def test_without_a_mood_the_picture_decides():
    assert agent.wants_music("add background music")
    assert not agent.wants_music("title 'A'")
    assert music(after("add background music")[0])["m"]["mood"] == "happy"


def test_the_same_file_and_instruction_give_the_same_piece():
    first, again = after("add calm music")[0], after("add calm music")[0]
    assert music(first) == music(again)
    assert music(after("add calm music", "another song")[0])["m"]["seed"] != music(first)["m"]["seed"]
    assert music(after("add calm music", "another song")[0])["m"]["mood"] == "calm"


def test_only_the_files_on_the_timeline_count():
    old = dataclasses.replace(media(), id="med_0", sha256="other", look=Look("sad", {}))
    draft = fresh_draft([media()])
    both = agent.edit("add background music", draft, (old, media())).draft
    assert music(both) == music(agent.edit("add background music", draft, (media(),)).draft)
    assert music(both)["m"]["mood"] == "happy"


def test_follow_ups_change_what_is_there():
    draft = after("add calm music at 40%", "softer")[0]
    assert music(draft)["m"]["volume"] == 0.28
    assert music(after("add calm music", "make it faster")[0])["m"]["bpm"] == 97
    assert music(after("add calm music", "no drums")[0])["m"]["without"] == ["drums"]
    assert music_track(after("add calm music", "remove the music")[0]) is None
    both = after("add calm music", "title 'A'", "remove the title")[0]
    assert [track["tt"] for track in both["t"]] == [0, 1]


def test_a_new_mood_keeps_what_was_set():
    draft = after("add calm music at 20% without drums", "make it epic")[0]
    assert music(draft)["m"]["mood"] == "epic"
    assert music(draft)["m"]["volume"] == 0.2
    assert music(draft)["m"]["without"] == ["drums"]


def test_the_draft_that_was_given_is_left_alone():
    clip = media()
    draft = fresh_draft([clip])
    before = copy.deepcopy(draft)
    agent.edit("add calm music, mute the original sound, title 'A', 9:16", draft, (clip,))
    assert draft == before


def test_trimming_shortens_every_track():
    draft = after("add calm music and title 'A' for 6 seconds", "trim to 4 seconds")[0]
    assert draft["d"] == 4000
    assert [track["sg"][0]["d"] for track in draft["t"]] == [4000, 4000, 4000]
    cut = after("cut the first 2 seconds")[0]
    assert (cut["d"], cut["t"][0]["sg"][0]["m"]["in"], cut["t"][0]["sg"][0]["m"]["start"]) == (6000, 2000, 0)


def test_a_title_is_never_longer_than_the_video():
    draft = after("title 'A' for 60 seconds")[0]
    assert draft["t"][1]["sg"] == [{"d": 8000, "m": {"text": "A", "start": 0}}]


@pytest.mark.parametrize(
    ("shape", "size"),
    [("9:16", (1080, 1920)), ("1:1", (1080, 1080)), ("16:9", (1920, 1080)), ("4:5", (1080, 1350))],
)
def test_shapes(shape, size):
    draft = after(f"make it {shape}")[0]
    assert (draft["m"]["width"], draft["m"]["height"]) == size
    assert draft["t"][0]["sg"][0]["m"]["fit"] == "blur"


@pytest.mark.parametrize(
    "instruction",
    ["softer music", "no drums", "remove the music", "remove the title", "blorp", "trim to 60 seconds"],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(instruction):
    reply = after(instruction)[1]
    assert reply.draft is None
    assert reply.said


def test_answers_come_in_the_language_of_the_instruction():
    assert "背景音乐" in after("加一首欢快的音乐")[1].said
    assert "抱歉" in after("你好")[1].said
    assert agent.edit("加音乐", None, ()).said == "请先上传视频。"


def test_sound_alone_makes_a_source_track():
    draft = after("mute the original sound", clip=media(kind="audio"))[0]
    assert draft["t"][0]["tt"] == 1
    assert draft["t"][0]["m"]["kind"] == "source"
    assert draft["t"][0]["sg"][0]["m"]["volume"] == 0
    assert music_track(draft) is None
