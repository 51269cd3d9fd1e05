"""The five published skills, as data, and how a sixth is added by a table in ``dropscore.toml``.

Sources: `api-contract 8` and the five skill documents. A skill decides the attribution headers and the
instruction a file gets when nobody gave one; everything else is the same for all of them.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.errors import ConfigError

VIDEO = ("mp4", "mov", "avi", "webm", "mkv")
IMAGE = ("jpg", "png", "gif", "webp")
AUDIO = ("mp3", "wav", "m4a", "aac")
ACCEPTED = VIDEO + IMAGE + AUDIO  # api-contract 2, Limits
MAX_BYTES = 500 * 1024 * 1024  # api-contract 2, Limits


class Skill(BaseModel):
    """One skill of the service: who asks (``X-Skill-Source``), and what is asked by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    title: str
    instruction: str = Field(min_length=1, pattern=r"\S")
    version: str = "1.0.0"
    accepts: tuple[str, ...] = ACCEPTED
    takes_s: tuple[int, int] = (20, 60)
    tip: str = ""
    try_saying: tuple[str, ...] = ()

    def explain_vague(self, instruction: str) -> str:
        """Say in one line what to ask for in place of a vague instruction, in the words of the documents."""
        tip = f" Tip: {self.tip}." if self.tip else ""
        return (
            f'Instead of "{instruction}", try "{self.instruction}": '
            f"concrete instructions get better results.{tip}"
        )


VAGUE = frozenset(
    {
        "better",
        "beautify it",
        "do it",
        "do something",
        "do something with it",
        "do your thing",
        "edit it",
        "enhance it",
        "fix it",
        "go",
        "improve it",
        "make it amazing",
        "make it awesome",
        "make it beautiful",
        "make it better",
        "make it cool",
        "make it good",
        "make it great",
        "make it look better",
        "make it look good",
        "make it more interesting",
        "make it nice",
        "make it nicer",
        "make it pop",
        "make it pretty",
        "make it professional",
        "make it sound better",
        "surprise me",
        "whatever",
        "whatever you like",
        "优化一下",
        "做好看一点",
        "弄好看点",
        "美化一下",
        "随便",
    }
)
"""Instructions that leave everything to the agent; ``it`` stands for "the video", "this clip" and so on."""

_SUBJECT = re.compile(
    r"\b(my|the|this|that|our)( (video|videos|clip|clips|footage|file|movie))?\b|\beverything\b"
)
_FILLER = re.compile(r"\b(please|just|a bit|a little|a lot|much|can you|could you|now)\b|[^\w\s]|[请吧]")


def is_vague(instruction: str) -> bool:
    """Tell whether an instruction names nothing that could be done (`VAGUE`)."""
    words = _FILLER.sub(" ", _SUBJECT.sub("it", instruction.lower()))
    plain = " ".join(words.split())
    return plain in VAGUE or f"{plain} it" in VAGUE


_PUBLISHED = (
    Skill(
        name="add-music",
        title="Add Music — Add Background Music to Videos",
        instruction="add background music to my video and fade it out at the end",
        takes_s=(20, 40),
        tip="shorter videos sync music faster and more accurately",
        try_saying=(
            "add a 60-second product demo video into a 1080p MP4",
            "add background music to my video and fade it out at the end",
            "adding background music to videos for content creators",
        ),
    ),
    Skill(
        name="ai-add-music-to",
        title="AI Add Music To",
        instruction="add background music that matches the mood of my video",
        takes_s=(30, 60),
        tip="shorter clips get better AI music sync accuracy",
        # Its document has the heading "Try saying" and no line below it.
    ),
    Skill(
        name="video-music-generator",
        title="Video Music Generator — Generate Music for Your Videos",
        instruction="generate a background music track that matches the mood and pace of my video",
        takes_s=(30, 60),
        tip="shorter clips under 2 minutes get more accurate mood-matched music",
        try_saying=(
            "generate my video clips",
            "export 1080p MP4",
            "generate a background music track that",
        ),
    ),
    Skill(
        name="music-ab2n",
        title="Music AB2N — Add Background Music to Videos",
        instruction="add background music that matches the mood of my video",
        takes_s=(20, 40),
        tip="shorter clips sync music more accurately to scene changes",
        try_saying=(
            "add a 60-second travel montage clip into a 1080p MP4",
            "add background music that matches the mood of my video",
            "adding background music to videos automatically for content creators",
        ),
    ),
    Skill(
        name="best-music-cog",
        title="Best Music Cog — Auto-match music to videos",
        instruction="find and sync the best background music track to match my video mood",
        takes_s=(20, 40),
        tip="shorter clips get more precise music sync matches",
        try_saying=(
            "add a 60-second travel montage clip into a 1080p MP4",
            "find and sync the best background music track to match my video mood",
            "automatically matching and adding the best background music to videos for content creators",
        ),
    ),
)
"""Titles, tips and what to try are word for word those of the documents."""

PUBLISHED: Mapping[str, Skill] = MappingProxyType({skill.name: skill for skill in _PUBLISHED})


def with_own(tables: Mapping[str, Mapping[str, object]]) -> dict[str, Skill]:
    """The published skills plus the tables ``[skills.NAME]`` of ``dropscore.toml``.

    A table with the name of a published skill changes only the keys it names (its ``version``, say).

    Raises:
        ConfigError: a table that is no skill; the message names the table and the key.
    """
    skills = dict(PUBLISHED)
    for name, table in tables.items():
        known = skills[name].model_dump() if name in skills else {"title": name}
        try:
            skills[name] = Skill.model_validate({**known, **table, "name": name})
        except ValidationError as exc:
            first = exc.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "name"
            raise ConfigError(f"[skills.{name}] in dropscore.toml: {key}: {first['msg']}") from exc
    return skills


def pick(skills: Mapping[str, Skill], name: str) -> Skill:
    """The skill of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    try:
        return skills[name]
    except KeyError:
        raise ConfigError(f"skill '{name}' is unknown; there are: {', '.join(sorted(skills))}") from None
