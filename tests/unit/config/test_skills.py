"""Which instructions are vague, and what is said of them."""

import pytest

from config.skills import PUBLISHED, VAGUE, is_vague


@pytest.mark.parametrize(
    "instruction",
    [
        "make it better",
        "Make it better!",
        "please make my video look better",
        "Make this clip a bit nicer, please.",
        "improve the footage",
        "surprise me",
        "Whatever you like.",
        "随便",
        "请优化一下",
    ],
)
def test_an_instruction_that_names_nothing_is_vague(instruction: str) -> None:
    assert is_vague(instruction)


@pytest.mark.parametrize(
    "instruction",
    [
        "make the music softer",
        "make it better with a calm piano",
        "add background music",
        "make it 20 seconds shorter",
        "fade out at the end",
        "export",
        "credits",
        "",
        "?",
        "加上轻柔的钢琴",
        *(skill.instruction for skill in PUBLISHED.values()),
        *(text for skill in PUBLISHED.values() for text in skill.try_saying),
    ],
)
def test_what_says_something_is_not(instruction: str) -> None:
    assert not is_vague(instruction)


def test_every_phrase_of_the_list_is_found() -> None:
    assert [phrase for phrase in VAGUE if not is_vague(phrase)] == []


def test_the_advice_is_the_skills_own_in_one_line() -> None:
    assert PUBLISHED["best-music-cog"].explain_vague("make it better") == (
        'Instead of "make it better", try "find and sync the best background music track to match my video '
        'mood": concrete instructions get better results. '
        "Tip: shorter clips get more precise music sync matches."
    )
