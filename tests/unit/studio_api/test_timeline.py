"""The draft: fresh from an upload, and ready to export or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import BadRequest
from studio.media import MediaInfo
from studio.model import Media
from studio.timeline import check_draft, fresh_draft, media_ids


def media(name, kind="video", duration_s=8.0):
    size = (0, 0) if kind == "audio" else (640, 360)
    info = MediaInfo(kind, "mp4", duration_s, *size, 25.0, has_audio=True, has_video=kind != "audio")
    return Media(f"med_{name}", f"{name}.mp4", Path(name), f"secret_{name}", "abc", info, None)


def test_a_video_alone():
    assert fresh_draft([media("elf")]) == {
        "t": [
            {
                "tt": 0,
                "m": {"title": "elf"},
                "sg": [
                    {
                        "d": 8000,
                        "m": {
                            "title": "elf",
                            "media": "med_elf",
                            "start": 0,
                            "in": 0,
                            "volume": 1.0,
                            "fit": "keep",
                        },
                    }
                ],
            }
        ],
        "d": 8000,
        "m": {"title": "elf", "width": 640, "height": 360, "fps": 25.0, "has_audio": True},
    }


def test_pictures_stand_in_a_row_and_stills_last_six_seconds():
    draft = fresh_draft([media("a"), media("b", "image", 0.0), media("song", "audio")])
    assert [(s["m"]["title"], s["m"]["start"], s["d"]) for s in draft["t"][0]["sg"]] == [
        ("a", 0, 8000),
        ("b", 8000, 6000),
    ]
    assert media_ids(draft) == ("med_a", "med_b")


def test_sound_alone_has_no_video_track():
    draft = fresh_draft([media("song", "audio")])
    assert (draft["t"][0]["tt"], draft["t"][0]["m"]["kind"]) == (1, "source")
    assert (draft["m"]["width"], draft["m"]["height"]) == (1280, 720)


@pytest.mark.parametrize(
    "draft",
    [
        {},
        {"t": {}},
        {"t": [7]},
        {"t": [{"tt": {}, "sg": []}]},
        {"t": [{"tt": True, "sg": [{"d": 1}]}]},
        {"t": [{"tt": 0}]},
        {"t": [{"tt": 0, "sg": [{}]}]},
        {"t": [{"tt": 0, "sg": [{"d": float("inf")}]}]},
        {"t": [{"tt": 0, "sg": [{"d": float("nan")}]}]},
        {"t": [{"tt": 0, "sg": [{"d": 1, "m": []}]}]},
        {"t": [{"tt": 0, "sg": [{"d": 1}]}], "d": "8"},
        {"t": [{"tt": 0, "sg": [{"d": 1}]}], "m": 8},
    ],
)
def test_drafts_that_cannot_be_exported(draft):
    with pytest.raises(BadRequest, match="draft"):
        check_draft(draft)


def test_keys_the_contract_does_not_name_are_welcome():
    check_draft({"t": [{"tt": 0, "x": 1, "sg": [{"d": 1, "y": [2]}]}], "z": None})
