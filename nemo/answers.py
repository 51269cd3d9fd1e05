"""From an answer to its data or its error: the envelope and the codes of api-contract 1 and 6.

A code may come in the envelope with HTTP 200, in the envelope with another status, or as the bare
status; the most exact one counts. What the service said beside it is not repeated: it may hold anything.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from nemo import errors
from nemo.errors import NemoError, Refused

_BY_CODE: Mapping[int, type[Refused]] = {
    401: errors.TokenRefused,
    402: errors.ExportBlocked,
    413: errors.FileTooLarge,
    415: errors.UnsupportedFile,
    429: errors.RateLimited,
    1001: errors.TokenRefused,
    1002: errors.SessionNotFound,
    2001: errors.OutOfCredits,
    4001: errors.UnsupportedFile,
    4002: errors.FileTooLarge,
}
_BY_ENDPOINT: Mapping[tuple[str, int], type[NemoError]] = {
    ("token", 400): errors.ClientIdMissing,
    ("run_sse", 404): errors.SessionNotFound,
    ("state", 404): errors.SessionNotFound,
    ("upload", 404): errors.SessionNotFound,
    ("claim", 404): errors.SessionNotFound,
    ("status", 404): errors.RenderNotFound,
    ("cancel", 404): errors.RenderNotFound,
    ("download", 404): errors.RenderNotFound,
    ("render", 409): errors.DuplicateRender,
}
# Statuses with which a gateway answers in place of a service that may already be at work.
_GATEWAY = frozenset({502, 504, *range(520, 531), 598, 599})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: its status, its body, and how long the service asks us to wait."""

    endpoint: str
    status: int
    body: bytes
    retry_after_s: float | None = None

    def parsed(self) -> Any:
        """Return the JSON, or None if the body is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def data_of(answer: Answer) -> Mapping[str, Any]:
    """Return the fields of a good answer: `data` of the envelope, or the bare object.

    Raises the error of api-contract 6 that fits a refusal, BadAnswer for anything else.
    """
    document = answer.parsed()
    if (refusal := refusal_of(answer, document)) is not None:
        raise refusal
    if not isinstance(document, dict):
        raise errors.BadAnswer(f"The answer to `{answer.endpoint}` is not the JSON it should be.")
    data = document.get("data")
    return data if isinstance(data, dict) else document


def refusal_of(answer: Answer, document: Any) -> NemoError | None:
    """Return the error an answer stands for, or None if it is a good one."""
    code = _envelope_code(document)
    if code is not None:
        return error_for(answer.endpoint, code, status=answer.status, retry_after_s=answer.retry_after_s)
    if not 200 <= answer.status < 300:
        return error_for(answer.endpoint, answer.status, retry_after_s=answer.retry_after_s)
    if isinstance(document, dict) and document.get("success") is False and "status" not in _inner(document):
        return errors.BadRequest(f"The service refused `{answer.endpoint}`.")
    return None


def error_for(
    endpoint: str, code: int, *, status: int = 200, retry_after_s: float | None = None
) -> NemoError:
    """Return the error for a code of the contract or an HTTP status, whichever `code` is."""
    kind = _kind(endpoint, code)
    if kind is errors.BadRequest and not 200 <= status < 300:
        kind = _kind(endpoint, status)
    gateway = (
        endpoint == "run_sse" and (code in _GATEWAY or status in _GATEWAY) and kind is errors.ServerError
    )
    message = f"{kind.summary} (`{endpoint}` answered {code})"
    return kind(message, code=code, retry_after_s=retry_after_s, outcome_unknown=gateway)


def _kind(endpoint: str, code: int) -> type[NemoError]:
    if (endpoint, code) in _BY_ENDPOINT:
        return _BY_ENDPOINT[endpoint, code]
    if code in _BY_CODE and (endpoint != "cdn" or code == 429):
        return _BY_CODE[code]
    if 500 <= code < 600:
        return errors.ServerError
    return errors.DownloadBroken if endpoint == "cdn" else errors.BadRequest


def _inner(document: Mapping[str, Any]) -> Mapping[str, Any]:
    data = document.get("data")
    return data if isinstance(data, dict) else document


def _envelope_code(document: Any) -> int | None:
    """Return the envelope's code if it is an error; a code that is no number is no envelope's."""
    code = document.get("code") if isinstance(document, dict) else None
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code)
    return code if isinstance(code, int) and not isinstance(code, bool) and code != 0 else None


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds a `Retry-After` header asks for, given as seconds or as an HTTP date."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max((until - (now or datetime.now(UTC))).total_seconds(), 0.0)
