"""What the client is given and what it answers with, named as in api-contract 2, units added.

Answers are read liberally: what the contract promises must be there, or BadAnswer is raised; everything else
may be missing, of another type, or under one of its other names.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from nemovideo.draft import Draft
from nemovideo.errors import BadAnswer, mask

API_URL = "https://mega-api-prod.nemovideo.ai"
WEB_URL = "https://nemovideo.com"
MAX_FILE_BYTES = 500 * 1024 * 1024
MAX_ERROR_CHARS = 200
_EXPORT = re.compile(r"[a-z]{1,20}\.(wav|mid)")  # it becomes the end of a file's name

Fields = Mapping[str, Any]


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
    """Where the service is, and how long it may be silent.

    `timeout_s` is the longest silence within a call, `answer_s` the longest time a whole answer may take
    once the request is sent. An upload may be silent for `upload_timeout_s`.
    """

    api_url: str = API_URL
    web_url: str = WEB_URL
    allow_private_urls: bool = False
    timeout_s: float = 30.0
    upload_timeout_s: float = 180.0
    answer_s: float = 60.0
    retry: RetryPolicy = RetryPolicy()


@dataclass(frozen=True, slots=True)
class Account:
    """An anonymous account, as a token store keeps it; times in Unix seconds of this machine's clock.

    `token` may be empty (only the client id is known). `minted_at` is when the token was fetched, `renewals`
    how many tokens in a row were refused, and before `retry_at` no token is fetched and a refused one is not
    used.
    """

    client_id: str
    token: str = field(default="", repr=False)
    user_id: str | None = None
    expires_at: float | None = None
    minted_at: float | None = None
    renewals: int = 0
    retry_at: float | None = None

    def __post_init__(self) -> None:
        """Take times as text too, as a store may have kept them."""
        for name in ("expires_at", "minted_at", "retry_at"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, float(value))

    @classmethod
    def read(cls, data: Fields, client_id: str, now_s: float) -> "Account":
        """Read the answer to a request for a token (2.1), at `now_s` (Unix seconds)."""
        moment_s = _moment(data.get("expires_at"), now_s)
        return cls(client_id, _text(data, "token"), _maybe(data, "user_id"), moment_s, minted_at=now_s)


@dataclass(frozen=True, slots=True)
class Session:
    """An editing session (api-contract 2.2); `bind_id` is for a registration link.

    Three extensions, which a service has only if it says so: with `idempotent_edits` it charges an edit with
    a known key only once, with `file_handover` it takes and gives files by links in a folder of its own, and
    it makes the `exports` that it names of the music beside a render (`submit_render`).
    """

    session_id: str
    task_id: str | None
    user_id: str | None
    bind_id: str | None = None
    idempotent_edits: bool = False
    file_handover: bool = False
    exports: frozenset[str] = frozenset()

    @classmethod
    def read(cls, data: Fields) -> "Session":
        """Read a new session."""
        session_id, user_id = _text(data, "session_id"), _maybe(data, "user_id")
        task_id, bind_id = _maybe(data, "task_id"), _bind_id(data)
        idempotent, handover = (data.get(name) is True for name in ("idempotent_edits", "file_handover"))
        exports = frozenset(kind for kind in _list(data.get("exports")) if isinstance(kind, str))
        return cls(session_id, task_id, user_id, bind_id, idempotent, handover, exports)


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

    @classmethod
    def read(cls, item: Fields) -> "UploadedFile":
        """Read one entry of `files`."""
        width, height = _number(item.get("width")), _number(item.get("height"))
        return cls(
            _maybe(item, "filename") or "",
            _maybe(item, "file_type") or "",
            _maybe(item, "cdn_url"),
            _number(item.get("duration")),
            None if width is None else int(width),
            None if height is None else int(height),
            _number(item.get("fps")),
            _maybe(item, "hash"),
        )


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The answer to an upload; `sha256` (hex) and `size_bytes` are of what we sent, None for URLs."""

    files: tuple[UploadedFile, ...]
    sha256: str | None
    size_bytes: int | None
    state_applied: bool

    @classmethod
    def read(cls, data: Fields, *, sha256: str | None = None, size_bytes: int | None = None) -> "Uploaded":
        """Read an upload (2.4)."""
        files = tuple(UploadedFile.read(item) for item in _list(data.get("files")) if isinstance(item, dict))
        if not files:
            raise BadAnswer("The service took the upload and names no file.")
        return cls(files, sha256, size_bytes, bool(data.get("session_state_applied", False)))


@dataclass(frozen=True, slots=True)
class SessionState:
    """The session as it stands now (api-contract 2.6); `bind_id` is for a registration link."""

    draft: Draft | None
    video_infos: tuple[Any, ...] = ()
    generated_media: tuple[Any, ...] = ()
    canvas_config: Mapping[str, Any] | None = None
    bind_id: str | None = None

    @classmethod
    def read(cls, data: Fields) -> "SessionState":
        """Read the state of a session; an empty one has no draft."""
        inner = data.get("state", data)
        inner = inner if isinstance(inner, dict) else {}
        canvas = inner.get("canvas_config")
        return cls(
            Draft.parse(inner.get("draft")),
            tuple(_list(inner.get("video_infos"))),
            tuple(_list(inner.get("generated_media"))),
            canvas if isinstance(canvas, dict) else None,
            _bind_id(data) or _bind_id(inner),
        )


@dataclass(frozen=True, slots=True)
class Credits:
    """The balance, whole numbers where they are; `frozen` is reserved by work in progress."""

    available: float
    frozen: float
    total: float

    @classmethod
    def read(cls, data: Fields) -> "Credits":
        """Read the credits (2.5)."""
        available = _amount(data.get("available"))
        if available is None:
            raise BadAnswer("The service did not say how many credits are available.")
        frozen = _amount(data.get("frozen")) or 0
        total = _amount(data.get("total"))
        return cls(available, frozen, available + frozen if total is None else total)


class RenderStatus(StrEnum):
    """How a render is (api-contract 2.8)."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


_STATUS_WORDS: Mapping[str, RenderStatus] = {
    "pending": RenderStatus.PENDING,
    "queued": RenderStatus.PENDING,
    "submitted": RenderStatus.PENDING,
    "processing": RenderStatus.PROCESSING,
    "rendering": RenderStatus.PROCESSING,
    "running": RenderStatus.PROCESSING,
    "completed": RenderStatus.COMPLETED,
    "complete": RenderStatus.COMPLETED,
    "done": RenderStatus.COMPLETED,
    "success": RenderStatus.COMPLETED,
    "succeeded": RenderStatus.COMPLETED,
    "failed": RenderStatus.FAILED,
    "error": RenderStatus.FAILED,
    "cancelled": RenderStatus.FAILED,
    "canceled": RenderStatus.FAILED,
}


@dataclass(frozen=True, slots=True)
class Render:
    """A render; `progress` is 0 to 100, `url` comes with COMPLETED, `error` with FAILED.

    `exports` are the names of the files that were made beside it (`download_export`), as `drums.wav`.
    """

    id: str
    status: RenderStatus
    progress: float = 0.0
    url: str | None = None
    error: str | None = None
    exports: tuple[str, ...] = ()

    @classmethod
    def read(cls, data: Fields, render_id: str) -> "Render":
        """Read a render in either shape (2.8). A status nobody knows counts as still at work."""
        output = data.get("output")
        places = (data, output if isinstance(output, dict) else {})
        word = str(data.get("status") or "pending").lower()
        status = _STATUS_WORDS.get(word, RenderStatus.PROCESSING)
        completed, failed = status is RenderStatus.COMPLETED, status is RenderStatus.FAILED
        url = _first(places, ("outputUrl", "output_url", "url", "downloadUrl")) if completed else None
        reason = _first(places, ("error", "message", "errorMessage")) or word
        progress = 100.0 if completed else _number(data.get("progress")) or 0.0
        error = mask(reason)[:MAX_ERROR_CHARS] if failed else None
        named = _list(data.get("exports")) if completed else []
        exports = tuple(name for name in named if isinstance(name, str) and _EXPORT.fullmatch(name))
        return cls(render_id, status, min(max(progress, 0.0), 100.0), url, error, exports)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A finished download: the hash (hex) and size of the whole file on disk."""

    sha256: str
    size_bytes: int


def read_claim_token(data: Fields) -> str:
    """Return a claim token (2.11); what could open the account must never reach a link."""
    token = _text(data, "claim_token")
    if token.startswith("nmv_"):
        raise BadAnswer("The service sent an access token in place of a claim token.")
    return token


def _bind_id(data: Fields) -> str | None:
    """Return the account's id for `?bind=`; `me` is the path's word for whoever asks, and no id."""
    found = (_maybe(data, key) for key in ("bind_id", "user_id"))
    return next((value for value in found if value and value != "me"), None)


def _text(data: Fields, key: str) -> str:
    if (found := _maybe(data, key)) is None:
        raise BadAnswer(f"The answer of the service lacks `{key}`.")
    return found


def _maybe(data: Fields, key: str) -> str | None:
    value = data.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def _first(places: tuple[Fields, ...], keys: tuple[str, ...]) -> str | None:
    return next((found for place in places for key in keys if (found := _maybe(place, key))), None)


def _list(value: Any) -> list[Any]:
    """Return a list; an object stands for its values, anything else for nothing."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def _amount(value: Any) -> float | None:
    """Return a number, as an int where it is whole, so that people read `100` and not `100.0`."""
    number = _number(value)
    return int(number) if number is not None and number.is_integer() else number


def _moment(value: Any, now_s: float) -> float | None:
    """Return a time in Unix seconds, given as such, as milliseconds, as seconds from now, or in ISO 8601."""
    number = _number(value)
    if number is not None:
        if number > 1e11:
            return number / 1000
        return number if number > 1e9 else now_s + number
    try:
        moment = datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
