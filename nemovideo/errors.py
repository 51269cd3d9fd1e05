"""Every way a call to the service can end badly.

Nothing else leaves this package: errors of httpx, sockets, files and JSON are translated at the boundary.

    NemoVideoError
    ├── Refused                  the service answered, and the answer is no
    │   ├── TokenRefused         1001, HTTP 401
    │   ├── AccountRefused       1001 for the user's own token
    │   │   └── AnonymousRefused     1001 for an anonymous token that a renewal did not help
    │   ├── TokenRateLimited     429 on the token endpoint
    │   ├── ClientIdMissing      400 on the token endpoint
    │   ├── SessionNotFound      1002, HTTP 404 on a session's endpoint
    │   ├── OutOfCredits         2001
    │   │   └── BalanceTooLow    the balance is below what an edit takes; nothing was asked for
    │   ├── UnsupportedFile      4001, HTTP 415
    │   ├── FileTooLarge         4002, HTTP 413
    │   ├── ExportBlocked        402
    │   ├── RateLimited          429, also of the model behind the service
    │   ├── DuplicateRender      409 on a render's submission
    │   ├── RenderNotFound       HTTP 404 on a render's endpoint
    │   ├── BadRequest           any other 4xx, or a code nobody knows
    │   └── ServerError          5xx
    ├── RenderFailed             the render ended as `failed`
    ├── RenderTimeout            the render did not end in the time it was given
    ├── NotSent                  nothing left this machine
    │   ├── Unreachable          no connection
    │   └── Stopped              the caller asked to stop
    ├── ConnectionLost           it broke after the request left
    │   └── StreamLost           the same for an edit: it may have been made (api-contract 3.5)
    │       ├── StreamTimeout    10 minutes without progress, or 15 in all (api-contract 3.2)
    │       └── StreamStopped    the caller asked to stop while the stream was open
    ├── BadAnswer                the answer cannot be understood
    ├── UnsafeUrl                an address this program will not open
    ├── DownloadBroken           what came is not the whole video
    ├── SourceUnreadable         the file to send cannot be read
    └── StoreUnusable            the file with the account cannot be read or written
"""

import re
from typing import Any, ClassVar

ACCEPTED_TYPES = "mp4, mov, avi, webm, mkv, jpg, png, gif, webp, mp3, wav, m4a, aac"

# What is secret by its form: the service's tokens, any bearer, and a password in a URL.
_TOKEN = re.compile(r"\b(nmv_|clm_)[A-Za-z0-9_.~+/=%-]+")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[^\s'\",]+")
_PASSWORD = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_MIN_SECRET_CHARS = 6
_registered: set[str] = set()


def register_secret(secret: str) -> None:
    """Have `mask` hide `secret` wherever it stands, whatever its form; too short a one is ignored."""
    if len(secret) >= _MIN_SECRET_CHARS and not _TOKEN.fullmatch(secret):
        _registered.add(secret)


def mask(text: str) -> str:
    """Return `text` with every token, bearer value, URL password and registered secret replaced by `***`."""
    for secret in sorted(_registered, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = _BEARER.sub(r"\1***", _TOKEN.sub(r"\1***", text))
    return _PASSWORD.sub("***", text)


class NemoVideoError(Exception):
    """Root of the tree: what happened (`str`), and what a person can do about it (`advice`).

    `code` names the kind of error and never changes. `service_code` is the service's own number, from the
    envelope or the HTTP status, or None. `retry_after_s` is the wait the service asked for, in seconds.
    `outcome_unknown` is True only when a paid message may have been taken: it must not be sent again.
    """

    code: ClassVar[str] = "nemovideo_error"
    summary: ClassVar[str] = "The call to the service failed."
    default_advice: ClassVar[str] = "Try again; if it happens again, look at the log."
    default_outcome_unknown: ClassVar[bool] = False

    def __init__(
        self,
        message: str | None = None,
        *,
        service_code: int | None = None,
        retry_after_s: float | None = None,
        outcome_unknown: bool | None = None,
        advice: str | None = None,
    ) -> None:
        """Keep the parts; secrets are masked in the message and in the advice."""
        super().__init__(mask(message or self.summary))
        self.service_code = service_code
        self.retry_after_s = retry_after_s
        self.outcome_unknown = self.default_outcome_unknown if outcome_unknown is None else outcome_unknown
        self.advice = mask(advice or self.default_advice)


class Refused(NemoVideoError):
    """The service answered, and the answer is no."""

    code = "refused"
    summary = "The service refused the request."


class TokenRefused(Refused):
    """1001: the token is bad or has expired."""

    code = "token_refused"
    summary = "The service no longer accepts the access token."
    default_advice = "Try again: a new anonymous token is fetched when the old one has expired."


class AccountRefused(Refused):
    """1001 for the token that the user brought; it is never replaced by an anonymous one."""

    code = "account_refused"
    summary = "The service refuses your NEMO_TOKEN."
    default_advice = "Check NEMO_TOKEN, or set a new one from your account, then start again."


class AnonymousRefused(AccountRefused):
    """1001 for an anonymous token that was renewed and is refused all the same.

    `retry_after_s` is how long the token is left alone.
    """

    code = "anonymous_refused"
    summary = "The service refuses the anonymous account, and a new token did not help."
    default_advice = "Wait, or set NEMO_TOKEN from an account of your own."


class TokenRateLimited(Refused):
    """429 on the token endpoint: one token per client id and ten per address in 7 days.

    Only calls that need a new token are held up by this. `retry_after_s` is always set.
    """

    code = "token_rate_limited"
    summary = "The service gives out no new anonymous token for now."
    default_advice = "Wait, or set NEMO_TOKEN from an account of your own."


class ClientIdMissing(Refused):
    """400 on the token endpoint: `X-Client-Id` is missing or no UUID."""

    code = "client_id_missing"
    summary = "The service wants a client id before it gives a token."
    default_advice = "Try again; if NEMO_CLIENT_ID is set, make it a UUID."


class SessionNotFound(Refused):
    """1002: the editing session is gone; a new one needs its uploads again."""

    code = "session_not_found"
    summary = "The editing session no longer exists."
    default_advice = "Start the file again: a new session is opened and the file is uploaded again."


class OutOfCredits(Refused):
    """2001: `advice` holds the registration link for an anonymous account."""

    code = "out_of_credits"
    summary = "No credits are left for another edit."
    default_advice = "Top up credits in your account"


class BalanceTooLow(OutOfCredits):
    """The balance is below what an edit takes. Found out before anything was sent; `service_code` is None."""

    code = "balance_too_low"
    summary = "The balance is below what an edit takes."

    def __init__(self, message: str | None = None, *, needed_credits: float = 0, **rest: Any) -> None:
        """Keep `needed_credits`: what the balance must hold before it is worth trying again."""
        super().__init__(message, **rest)
        self.needed_credits = needed_credits


class UnsupportedFile(Refused):
    """4001: the service does not take this type of file."""

    code = "unsupported_file"
    summary = "The service does not take this type of file."
    default_advice = f"Use one of these types: {ACCEPTED_TYPES}."


class FileTooLarge(Refused):
    """4002: larger than 500 MB."""

    code = "file_too_large"
    summary = "The file is larger than the 500 MB the service takes."
    default_advice = "Compress the video or trim it below 500 MB."


class ExportBlocked(Refused):
    """402: a matter of the subscription, not of credits; the edit is kept."""

    code = "export_blocked"
    summary = "The plan of this account does not include export; the edit is kept."
    default_advice = "Register or upgrade your plan to unlock export."


class RateLimited(Refused):
    """429: `retry_after_s` is None when the service did not say how long."""

    code = "rate_limited"
    summary = "The service asks us to slow down."
    default_advice = "Wait a little; work goes on by itself."


class DuplicateRender(Refused):
    """The render id is taken: an earlier submission arrived. Ask for its status."""

    code = "duplicate_render"
    summary = "This render was already submitted."
    default_advice = "Nothing to do: the first submission goes on."


class RenderNotFound(Refused):
    """The service knows no render with this id."""

    code = "render_not_found"
    summary = "The service does not know this render."
    default_advice = "Retry the file: the render is submitted again, at no cost."


class BadRequest(Refused):
    """Any other refusal of ours: the request itself is wrong for this service."""

    code = "bad_request"
    summary = "The service did not understand the request."
    default_advice = "Check NEMO_API_URL and that this version fits the service."


class ServerError(Refused):
    """5xx: the service failed. For a paid call `outcome_unknown` is set: the edit may have been made."""

    code = "server_error"
    summary = "The service has a fault of its own."
    default_advice = "Try again later."


class RenderFailed(NemoVideoError):
    """A render ended as `failed`; one more under a new id costs nothing."""

    code = "render_failed"
    summary = "The render failed."
    default_advice = "Retry the file: a new render costs nothing."


class RenderTimeout(NemoVideoError):
    """A render did not end in the time it was given; it goes on at the service."""

    code = "render_timeout"
    summary = "The render has not ended yet."
    default_advice = "Ask for it again with the same id; that costs nothing."


class NotSent(NemoVideoError):
    """Nothing left this machine: sending it later is safe."""

    code = "not_sent"
    summary = "The request was not sent."


class Unreachable(NotSent):
    """No connection could be made."""

    code = "unreachable"
    summary = "The service cannot be reached."
    default_advice = "Check the network and NEMO_API_URL."


class Stopped(NotSent):
    """The caller asked to stop; nothing paid was sent."""

    code = "stopped"
    summary = "Stopped on request."
    default_advice = "Start again to go on."


class ConnectionLost(NemoVideoError):
    """The connection broke after the request had left."""

    code = "connection_lost"
    summary = "The connection to the service broke."
    default_advice = "Check the network; it is tried again."


class StreamLost(ConnectionLost):
    """The connection of an edit broke: it may have been made. Read the state; never send it again."""

    code = "stream_lost"
    summary = "The connection broke while the edit was being made; its outcome is not known yet."
    default_advice = "Do not send the instruction again: the timeline shows whether the edit was made."
    default_outcome_unknown = True


class StreamTimeout(StreamLost):
    """Ten minutes without progress, or fifteen in all."""

    code = "stream_timeout"
    summary = "The edit took longer than the service allows; its outcome is not known yet."


class StreamStopped(StreamLost):
    """The caller asked to stop while the edit was running."""

    code = "stream_stopped"
    summary = "Stopped while the edit was being made; its outcome is not known yet."


class BadAnswer(NemoVideoError):
    """The answer is no JSON, lacks what the contract promises, or is far too large."""

    code = "bad_answer"
    summary = "The answer of the service cannot be understood."
    default_advice = "Check NEMO_API_URL: something else may be answering there."


class UnsafeUrl(NemoVideoError):
    """The address is not http(s), or leads into a private or link-local network."""

    code = "unsafe_url"
    summary = "The address is not safe to open."
    default_advice = "Set NEMO_ALLOW_PRIVATE_URLS=1 if you trust addresses in your own network."


class DownloadBroken(NemoVideoError):
    """What came is too large, too short, or no video."""

    code = "download_broken"
    summary = "The finished video did not arrive whole."
    default_advice = "Retry the file: only the download is repeated."


class SourceUnreadable(NemoVideoError):
    """The file to send is missing, no regular file, or changed while it was read."""

    code = "source_unreadable"
    summary = "The file cannot be read."
    default_advice = "Check that the file exists, can be read, and is no longer being written."


class StoreUnusable(NemoVideoError):
    """The file that holds the anonymous account cannot be read or written, or stays locked."""

    code = "store_unusable"
    summary = "The file that holds the anonymous account cannot be used."
    default_advice = "Check the rights of its folder, or set NEMO_TOKEN."
