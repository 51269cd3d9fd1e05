"""A video from words alone (api-contract 2.6, `generated_media`), against a real studio process."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.integration


def test_words_become_a_clip_with_a_title_and_music(studio):
    guest = studio.guest()
    guest.open()
    guest.edit("create a video with background music: 3 seconds of a calm lake")
    state = guest.state()
    assert [track["tt"] for track in state["draft"]["t"]] == [0, 7, 1]
    assert [made["type"] for made in state["generated_media"]] == ["music", "video"]
    assert state["draft"]["t"][1]["sg"][0]["m"]["text"] == "a calm lake"
    assert len(guest.charges()) == 1
    guest.edit("make the music softer")
    assert len(guest.state()["generated_media"]) == 2  # no second clip
    assert len(guest.charges()) == 2


def test_an_edit_without_a_clip_asks_for_one(studio):
    guest = studio.guest()
    guest.open()
    assert "upload a video first" in json.dumps(guest.edit("add calm music"))
    assert guest.charges() == []
