"""From the fields of an answer to the model; BadAnswer where a promised one is missing (api-contract 2)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nemo.draft import Draft
from nemo.errors import BadAnswer, mask
from nemo.model import (
    Account,
    Credits,
    Render,
    RenderStatus,
    Session,
    SessionState,
    Uploaded,
    UploadedFile,
)

Fields = Mapping[str, Any]
MAX_ERROR_CHARS = 200

_STATUS = {
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


def account(data: Fields, client_id: str, now_s: float) -> Account:
    """Read an anonymous token (2.1)."""
    return Account(
        client_id, _text(data, "token"), _maybe(data, "user_id"), _moment(data.get("expires_at"), now_s)
    )


def session(data: Fields) -> Session:
    """Read a new session (2.2)."""
    return Session(_text(data, "session_id"), _maybe(data, "task_id"), _maybe(data, "user_id"))


def uploaded(data: Fields, *, sha256: str | None = None, size_bytes: int | None = None) -> Uploaded:
    """Read an upload (2.4)."""
    files = tuple(_file(item) for item in _list(data.get("files")) if isinstance(item, dict))
    if not files:
        raise BadAnswer("The service took the upload and names no file.")
    return Uploaded(files, sha256, size_bytes, bool(data.get("session_state_applied", False)))


def state(data: Fields) -> SessionState:
    """Read the state of a session (2.6); an empty one has no draft."""
    inner = data.get("state", data)
    inner = inner if isinstance(inner, dict) else {}
    bind_id = next(
        (found for part in (data, inner) for key in ("bind_id", "user_id") if (found := _maybe(part, key))),
        None,
    )
    canvas = inner.get("canvas_config")
    return SessionState(
        Draft.parse(inner.get("draft")),
        tuple(_list(inner.get("video_infos"))),
        tuple(_list(inner.get("generated_media"))),
        canvas if isinstance(canvas, dict) else None,
        bind_id if bind_id != "me" else None,
    )


def balance(data: Fields) -> Credits:
    """Read the credits (2.5)."""
    available = _amount(data.get("available"))
    if available is None:
        raise BadAnswer("The service did not say how many credits are available.")
    frozen = _amount(data.get("frozen")) or 0
    total = _amount(data.get("total"))
    return Credits(available, frozen, available + frozen if total is None else total)


def render(data: Fields, render_id: str) -> Render:
    """Read a render in either shape (2.8). A status nobody knows counts as still at work."""
    output = data.get("output")
    places = (data, output if isinstance(output, dict) else {})
    word = str(data.get("status") or "pending").lower()
    status = _STATUS.get(word, RenderStatus.PROCESSING)
    url = _first(places, ("outputUrl", "output_url", "url", "downloadUrl"))
    failed = status is RenderStatus.FAILED
    said = _first(places, ("error", "message", "errorMessage")) if failed else None
    progress = 100.0 if status is RenderStatus.COMPLETED else _number(data.get("progress")) or 0.0
    return Render(
        render_id,
        status,
        min(max(progress, 0.0), 100.0),
        url if status is RenderStatus.COMPLETED else None,
        mask(said or word)[:MAX_ERROR_CHARS] if failed else None,
    )


def claim_token(data: Fields) -> str:
    """Read a claim token (2.11); what could open the account must never reach a link."""
    token = _text(data, "claim_token")
    if token.startswith("nmv_"):
        raise BadAnswer("The service sent an access token in place of a claim token.")
    return token


def _file(item: Fields) -> UploadedFile:
    width, height = _number(item.get("width")), _number(item.get("height"))
    return UploadedFile(
        _maybe(item, "filename") or "",
        _maybe(item, "file_type") or "",
        _maybe(item, "cdn_url"),
        _number(item.get("duration")),
        None if width is None else int(width),
        None if height is None else int(height),
        _number(item.get("fps")),
        _maybe(item, "hash"),
    )


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
    except ValueError:
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
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
