"""What the studio keeps: accounts, sessions, media, renders. Plain values, no behaviour of a service."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from studio.media import MediaInfo

Draft = dict[str, Any]
"""A timeline in the contract's form (api-contract 4): keys `t`, `d`, `m`."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who calls: `anon_…` for an anonymous token, `user_…` for a registered one."""

    id: str


@dataclass(frozen=True, slots=True)
class Minted:
    """A fresh token with its account; `expires` is in seconds since the epoch."""

    token: str = field(repr=False)
    account: str
    credits: int
    expires: float


@dataclass(frozen=True, slots=True)
class Balance:
    """Credits of an account; `available` leaves out what work in progress has reserved."""

    available: int
    frozen: int

    @property
    def total(self) -> int:
        """What is left, reserved credits included."""
        return self.available + self.frozen


@dataclass(frozen=True, slots=True)
class Session:
    """A session of one account; `asked` is an instruction the agent answered with a question."""

    id: str
    account: str
    task: str
    language: str | None
    draft: Draft | None
    asked: str | None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived whole and was opened; not yet part of a session."""

    filename: str
    path: Path
    sha256: str
    info: MediaInfo
    stamp: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What the analysis of a file found, and the mood of music it suggests."""

    mood: str
    findings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Media:
    """A file of a session. `secret` is its unguessable part of the `/cdn/` path.

    `stamp` is that of a file which others can still write to (`studio.handover`), as it was when it came in.
    """

    id: str
    filename: str
    path: Path
    secret: str
    sha256: str
    info: MediaInfo
    look: Look | None
    stamp: str | None = None


class RenderStatus(StrEnum):
    """Where a render is (api-contract 2.8)."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


EXPORTS = {
    "stems": ("drums.wav", "bass.wav", "harmony.wav", "lead.wav"),
    "midi": ("music.mid",),
    "wav": ("music.wav",),
}
"""What can be made of the music beside a render, for editors, and the names of its files."""


def export_path(film: Path, name: str) -> Path:
    """Return where an exported file lies beside its film."""
    return film.with_name(f"{film.stem}.{name}")


@dataclass(frozen=True, slots=True)
class Render:
    """A render job; `fate` is what a fault has in store for it (`failed`, `dead`)."""

    id: str
    account: str
    session: str
    draft: Draft
    quality: str
    exports: tuple[str, ...]  # keys of EXPORTS
    status: RenderStatus
    error: str | None
    fate: str | None
    secret: str
    created: float
    ended: float | None
