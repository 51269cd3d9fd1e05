"""The timeline while an instruction changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from studio import timeline
from studio.model import Draft, Media
from studio.timeline import Segment

if TYPE_CHECKING:  # numpy is loaded on first use, so that the server starts fast.
    from studio.music.song import Song


@dataclass(slots=True)
class Stage:
    """The draft while it is being changed, and the sentences that tell of it."""

    draft: Draft
    media: tuple[Media, ...]
    instruction: str
    chinese: bool
    songs: tuple[Song, ...] = ()
    said: list[str] = field(default_factory=list)

    def say(self, english: str, chinese: str) -> None:
        """Tell of a change, in the language of the instruction."""
        self.said.append(chinese if self.chinese else english)

    @property
    def music(self) -> Segment | None:
        """The segment of the background music, if there is one."""
        track = timeline.music_track(self.draft)
        return track["sg"][0] if track and track["sg"] else None
