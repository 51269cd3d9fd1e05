"""Who is calling: the three headers without which a render is refused (api-contract 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PLATFORMS = {".clawhub": "clawhub", ".cursor/skills": "cursor"}


@dataclass(frozen=True, slots=True)
class Attribution:
    """The skill's name, its version, and the platform it runs on."""

    source: str
    version: str
    platform: str

    def headers(self) -> dict[str, str]:
        """Return the `X-Skill-*` headers; they go with every request to the service."""
        return {
            "X-Skill-Source": self.source,
            "X-Skill-Version": self.version,
            "X-Skill-Platform": self.platform,
        }


def detect_platform(env: Mapping[str, str], install_path: Path) -> str:
    """Return `SKILL_SOURCE` if set, else what the install path under the home folder tells, else `unknown`.

    Both paths are compared as they are written and with their links resolved: the home folder, or a skill's
    folder in it, may be a link. Contract: api-contract 1, `X-Skill-Platform`.
    """
    if named := env.get("SKILL_SOURCE", "").strip():
        return named
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    for folder, platform in _PLATFORMS.items():
        for place in (home / folder, (home / folder).resolve()):
            if install_path.is_relative_to(place) or install_path.resolve().is_relative_to(place):
                return platform
    return "unknown"
