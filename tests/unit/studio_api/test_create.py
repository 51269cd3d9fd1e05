"""A video from words: what is asked for, and what is shown."""

from pathlib import Path

import pytest

from studio.create import VideoRequest, lay_out, make_clip, read_request
from studio.model import Media


@pytest.mark.parametrize(
    ("instruction", "title", "length_s"),
    [
        (
            "create a video with background music: a calm morning in the hills",
            "a calm morning in the hills",
            12,
        ),
        ("create a video: a cat plays drums, with upbeat jazz music", "a cat plays drums", 12),
        ("make a 10 second video of the sea at night, no music", "the sea at night", 10),
        ("create a video with background music: 20 seconds of rain", "rain", 20),
        ("create a video: 1 s of rain", "rain", 3),
        ("generate a 500 s clip about trains", "trains", 60),
        ("创作一个视频: 海边日出，配轻松的钢琴音乐", "海边日出", 12),
        ("create a video: without music", "without music", 12),
    ],
)
def test_a_wish_is_read(instruction: str, title: str, length_s: float) -> None:
    assert read_request(instruction) == VideoRequest(title, length_s)


@pytest.mark.parametrize(
    "instruction", ["add calm music", "make my video better", "generate my video clips", ""]
)
def test_an_edit_asks_for_no_video(instruction: str) -> None:
    assert read_request(instruction) is None


def test_a_clip_is_drawn_and_carries_the_words(tmp_path: Path) -> None:
    made = make_clip(VideoRequest("rain / snow", 3.0), "sad", tmp_path)
    assert (made.info.width, made.info.height, round(made.info.duration_s)) == (1280, 720, 3)
    assert made.filename == "rain   snow.mp4"
    draft = lay_out(
        VideoRequest("rain / snow", 3.0),
        Media("m", made.filename, made.path, "s", made.sha256, made.info, None),
    )
    assert draft["t"][0]["sg"][0]["m"]["generated"] is True
    assert draft["t"][1]["sg"][0] == {"d": 2000, "m": {"text": "rain / snow", "start": 500}}
