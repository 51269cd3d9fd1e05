"""What the client is given and what it answers with, named as in api-contract 2, units added."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nemo.dialects import StreamError
from nemo.draft import Draft

API_URL = "https://mega-api-prod.nemovideo.ai"
WEB_URL = "https://nemovideo.com"
MAX_FILE_BYTES = 500 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a safe call is tried, and how long is waited between: full jitter up to a doubling cap."""

    attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 8.0

    def delay_s(self, failures: int, rng: random.Random) -> float:
        """Return the wait after the `failures`-th failure in a row (1 for the first)."""
        return rng.uniform(0.0, min(self.cap_s, self.base_s * 2 ** (failures - 1)))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the service is, and how long one quiet wait for it may take."""

    api_url: str = API_URL
    web_url: str = WEB_URL
    allow_private_urls: bool = False
    timeout_s: float = 30.0
    upload_timeout_s: float = 180.0
    retry: RetryPolicy = RetryPolicy()


@dataclass(frozen=True, slots=True)
class Account:
    """An anonymous account. `token` may be empty (only the id is known); `expires_at` is in Unix seconds."""

    client_id: str
    token: str = field(default="", repr=False)
    user_id: str | None = None
    expires_at: float | None = None

    def __post_init__(self) -> None:
        """Take `expires_at` as text too, as a store may have kept it."""
        if self.expires_at is not None:
            object.__setattr__(self, "expires_at", float(self.expires_at))


@dataclass(frozen=True, slots=True)
class Session:
    """An editing session (api-contract 2.2)."""

    session_id: str
    task_id: str | None
    user_id: str | None


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One file as the service sees it (api-contract 2.4)."""

    filename: str
    file_type: str
    cdn_url: str | None
    duration_s: float | None
    width: int | None
    height: int | None
    fps: float | None
    hash: str | None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The answer to an upload; `sha256` (hex) and `size_bytes` are of what we sent, None for URLs."""

    files: tuple[UploadedFile, ...]
    sha256: str | None
    size_bytes: int | None
    state_applied: bool


@dataclass(frozen=True, slots=True)
class EditReply:
    """What an edit's stream said until it closed. Whether the edit landed, only the state tells (3.4)."""

    texts: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    draft: Draft | None = None
    error: StreamError | None = None
    unknown_events: int = 0
    closed_cleanly: bool = True


@dataclass(frozen=True, slots=True)
class SessionState:
    """The session as it stands now (api-contract 2.6); `bind_id` is for a registration link."""

    draft: Draft | None
    video_infos: tuple[Any, ...] = ()
    generated_media: tuple[Any, ...] = ()
    canvas_config: Mapping[str, Any] | None = None
    bind_id: str | None = None


@dataclass(frozen=True, slots=True)
class Credits:
    """The balance, whole numbers where they are; `frozen` is reserved by work in progress."""

    available: float
    frozen: float
    total: float


class RenderStatus(StrEnum):
    """How a render is (api-contract 2.8)."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Render:
    """A render; `progress` is 0 to 100, `url` comes with COMPLETED, `error` with FAILED."""

    id: str
    status: RenderStatus
    progress: float = 0.0
    url: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A finished download: the hash (hex) and size of the whole file on disk."""

    sha256: str
    size_bytes: int
