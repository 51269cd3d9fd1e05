"""The five skills are those of api-contract 8, word for word, and decide what the service is told."""

import pytest

from config.skills import ACCEPTED, MAX_BYTES, PUBLISHED

FIVE = {
    "add-music": (
        "Add Music",
        "add background music to my video and fade it out at the end",
        (20, 40),
        "shorter videos sync music faster and more accurately",
    ),
    "ai-add-music-to": (
        "AI Add Music To",
        "add background music that matches the mood of my video",
        (30, 60),
        "shorter clips get better sync accuracy",
    ),
    "video-music-generator": (
        "Video Music Generator",
        "generate a background music track that matches the mood and pace of my video",
        (30, 60),
        "clips under 2 minutes get more accurate mood-matched music",
    ),
    "music-ab2n": (
        "Music AB2N",
        "add background music that matches the mood of my video",
        (20, 40),
        "video or audio files; shorter clips follow scene changes more closely; 1080p by default",
    ),
    "best-music-cog": (
        "Best Music Cog",
        "find and sync the best background music track to match my video mood",
        (20, 40),
        "shorter clips get more precise matches",
    ),
}


def test_there_are_these_five() -> None:
    assert list(PUBLISHED) == list(FIVE)


@pytest.mark.parametrize("name", FIVE)
def test_a_skill_is_as_it_was_published(name: str) -> None:
    skill = PUBLISHED[name]
    assert (skill.title, skill.instruction, skill.takes_s, skill.tip) == FIVE[name]


def test_the_limits_of_a_file() -> None:
    assert MAX_BYTES == 500 * 1024 * 1024
    assert " ".join(ACCEPTED) == "mp4 mov avi webm mkv jpg png gif webp mp3 wav m4a aac"
