"""The five skills are those of api-contract 8 and of their documents, word for word."""

import pytest

from config.skills import ACCEPTED, MAX_BYTES, PUBLISHED

FIVE = {
    "add-music": (
        "Add Music — Add Background Music to Videos",
        "add background music to my video and fade it out at the end",
        (20, 40),
        "shorter videos sync music faster and more accurately",
        (
            "add a 60-second product demo video into a 1080p MP4",
            "add background music to my video and fade it out at the end",
            "adding background music to videos for content creators",
        ),
    ),
    "ai-add-music-to": (
        "AI Add Music To",
        "add background music that matches the mood of my video",
        (30, 60),
        "shorter clips get better AI music sync accuracy",
        (),
    ),
    "video-music-generator": (
        "Video Music Generator — Generate Music for Your Videos",
        "generate a background music track that matches the mood and pace of my video",
        (30, 60),
        "shorter clips under 2 minutes get more accurate mood-matched music",
        ("generate my video clips", "export 1080p MP4", "generate a background music track that"),
    ),
    "music-ab2n": (
        "Music AB2N — Add Background Music to Videos",
        "add background music that matches the mood of my video",
        (20, 40),
        "shorter clips sync music more accurately to scene changes",
        (
            "add a 60-second travel montage clip into a 1080p MP4",
            "add background music that matches the mood of my video",
            "adding background music to videos automatically for content creators",
        ),
    ),
    "best-music-cog": (
        "Best Music Cog — Auto-match music to videos",
        "find and sync the best background music track to match my video mood",
        (20, 40),
        "shorter clips get more precise music sync matches",
        (
            "add a 60-second travel montage clip into a 1080p MP4",
            "find and sync the best background music track to match my video mood",
            "automatically matching and adding the best background music to videos for content creators",
        ),
    ),
}


def test_there_are_these_five() -> None:
    assert list(PUBLISHED) == list(FIVE)


@pytest.mark.parametrize("name", FIVE)
def test_a_skill_is_as_it_was_published(name: str) -> None:
    skill = PUBLISHED[name]
    assert (skill.title, skill.instruction, skill.takes_s, skill.tip, skill.try_saying) == FIVE[name]


def test_the_limits_of_a_file() -> None:
    assert MAX_BYTES == 500 * 1024 * 1024
    assert " ".join(ACCEPTED) == "mp4 mov avi webm mkv jpg png gif webp mp3 wav m4a aac"
