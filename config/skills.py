"""The five published skills, as data, and how a sixth is added by a table in ``dropscore.toml``.

Sources: `api-contract 8` and the five skill documents. A skill decides the attribution headers and the
instruction a file gets when nobody gave one; everything else is the same for all of them.
"""

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
    instruction: str = Field(min_length=1)
    version: str = "1.0.0"
    accepts: tuple[str, ...] = ACCEPTED
    takes_s: tuple[int, int] = (20, 60)
    tip: str = ""


_PUBLISHED = (
    Skill(
        name="add-music",
        title="Add Music",
        instruction="add background music to my video and fade it out at the end",
        takes_s=(20, 40),
        tip="shorter videos sync music faster and more accurately",
    ),
    Skill(
        name="ai-add-music-to",
        title="AI Add Music To",
        instruction="add background music that matches the mood of my video",
        takes_s=(30, 60),
        tip="shorter clips get better sync accuracy",
    ),
    Skill(
        name="video-music-generator",
        title="Video Music Generator",
        instruction="generate a background music track that matches the mood and pace of my video",
        takes_s=(30, 60),
        tip="clips under 2 minutes get more accurate mood-matched music",
    ),
    Skill(
        name="music-ab2n",
        title="Music AB2N",
        instruction="add background music that matches the mood of my video",
        takes_s=(20, 40),
        tip="video or audio files; shorter clips follow scene changes more closely; 1080p by default",
    ),
    Skill(
        name="best-music-cog",
        title="Best Music Cog",
        instruction="find and sync the best background music track to match my video mood",
        takes_s=(20, 40),
        tip="shorter clips get more precise matches",
    ),
)

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
        except ValidationError as broken:
            first = broken.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "name"
            raise ConfigError(f"[skills.{name}] in dropscore.toml: {key}: {first['msg']}") from broken
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
