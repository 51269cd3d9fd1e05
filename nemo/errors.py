"""Every way a call to the service can end badly.

Nothing else leaves this package: errors of httpx, sockets, files and JSON are translated at the boundary.

    NemoError
    ├── Refused                 the service answered, and the answer is no
    │   ├── TokenRefused        1001, HTTP 401
    │   ├── AccountRefused      1001 for the user's own token
    │   ├── SessionNotFound     1002, HTTP 404 on a session's endpoint
    │   ├── OutOfCredits        2001
    │   ├── UnsupportedFile     4001, HTTP 415
    │   ├── FileTooLarge        4002, HTTP 413
    │   ├── ClientIdMissing     400 on the token endpoint
    │   ├── ExportBlocked       402
    │   ├── RateLimited         429
    │   ├── DuplicateRender     409 on a render's submission
    │   ├── RenderNotFound      HTTP 404 on a render's endpoint
    │   ├── BadRequest          any other 4xx, or a code nobody knows
    │   └── ServerError         5xx
    ├── RenderFailed            the render ended as `failed`
    ├── NotSent                 nothing left this machine
    │   ├── Unreachable         no connection
    │   └── Stopped             the caller asked to stop
    ├── ConnectionLost          it broke after the request left
    │   └── StreamLost          the same for an edit: it may have been taken (api-contract 3.5)
    │       ├── StreamTimeout   10 minutes without progress, or 15 in all (api-contract 3.2)
    │       └── StreamStopped   the caller asked to stop while the stream was open
    ├── BadAnswer               the answer cannot be understood
    ├── UnsafeUrl               an address this program will not open
    ├── DownloadBroken          what came is not the whole video
    └── SourceUnreadable        the file to send cannot be read
"""

import re
from typing import ClassVar

ACCEPTED_TYPES = "mp4, mov, avi, webm, mkv, jpg, png, gif, webp, mp3, wav, m4a, aac"

_TOKEN = re.compile(r"nmv_[A-Za-z0-9_]+")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[^\s'\",]+")


def mask(text: str) -> str:
    """Return `text` with every token and bearer value replaced by `***`."""
    return _BEARER.sub(r"\1***", _TOKEN.sub("nmv_***", text))


class NemoError(Exception):
    """Root of the tree: what happened (`str`), and what a person can do about it (`advice`).

    `code` is the contract's code or the HTTP status. `retry_after_s` is what the service asked for.
    `outcome_unknown` is True only when a paid message may have been taken: it must not be sent again.
    """

    name: ClassVar[str] = "nemo_error"
    summary: ClassVar[str] = "The call to the service failed."
    default_advice: ClassVar[str] = "Try again; if it happens again, look at the log."
    default_outcome_unknown: ClassVar[bool] = False

    def __init__(
        self,
        message: str | None = None,
        *,
        code: int | None = None,
        retry_after_s: float | None = None,
        outcome_unknown: bool | None = None,
        advice: str | None = None,
    ) -> None:
        """Keep the parts; tokens are masked in the message and in the advice."""
        super().__init__(mask(message or self.summary))
        self.code = code
        self.retry_after_s = retry_after_s
        self.outcome_unknown = self.default_outcome_unknown if outcome_unknown is None else outcome_unknown
        self.advice = mask(advice or self.default_advice)


class Refused(NemoError):
    """The service answered, and the answer is no; nothing was taken."""

    name = "refused"
    summary = "The service refused the request."


class TokenRefused(Refused):
    """1001: the token is bad or has expired."""

    name = "token_refused"
    summary = "The service no longer accepts the access token."
    default_advice = "Try again: a new anonymous token is fetched when the old one has expired."


class AccountRefused(Refused):
    """1001 for the token that the user brought; it is never replaced by an anonymous one."""

    name = "account_refused"
    summary = "The service refuses your NEMO_TOKEN."
    default_advice = "Check NEMO_TOKEN, or set a new one from your account, then start again."


class SessionNotFound(Refused):
    """1002: the editing session is gone; a new one needs its uploads again."""

    name = "session_not_found"
    summary = "The editing session no longer exists."
    default_advice = "Start the file again: a new session is opened and the file is uploaded anew."


class OutOfCredits(Refused):
    """2001: `advice` holds the registration link for an anonymous account."""

    name = "out_of_credits"
    summary = "No credits are left for another edit."
    default_advice = "Top up credits in your account"


class UnsupportedFile(Refused):
    """4001: the service does not take this type of file."""

    name = "unsupported_file"
    summary = "The service does not take this type of file."
    default_advice = f"Use one of these types: {ACCEPTED_TYPES}."


class FileTooLarge(Refused):
    """4002: larger than 500 MB."""

    name = "file_too_large"
    summary = "The file is larger than the 500 MB the service takes."
    default_advice = "Compress the video or trim it below 500 MB."


class ClientIdMissing(Refused):
    """400 on the token endpoint: `X-Client-Id` is missing or no UUID."""

    name = "client_id_missing"
    summary = "The service wants a client id before it gives a token."
    default_advice = "Try again; if NEMO_CLIENT_ID is set, make it a UUID."


class ExportBlocked(Refused):
    """402: a matter of the subscription, not of credits; the edit is kept."""

    name = "export_blocked"
    summary = "The plan of this account does not include export; the edit is kept."
    default_advice = "Register or upgrade your plan to unlock export."


class RateLimited(Refused):
    """429: `retry_after_s` is None when the service did not say how long."""

    name = "rate_limited"
    summary = "The service asks us to slow down."
    default_advice = "Wait a little; work goes on by itself."


class DuplicateRender(Refused):
    """The render id is taken: an earlier submission arrived. Ask for its status."""

    name = "duplicate_render"
    summary = "This render was already submitted."
    default_advice = "Nothing to do: the first submission goes on."


class RenderNotFound(Refused):
    """The service knows no render with this id."""

    name = "render_not_found"
    summary = "The service does not know this render."
    default_advice = "Retry the file: the render is submitted again, at no cost."


class BadRequest(Refused):
    """Any other refusal of ours: the request itself is wrong for this service."""

    name = "bad_request"
    summary = "The service did not understand the request."
    default_advice = "Check NEMO_API_URL and that this version fits the service."


class ServerError(Refused):
    """5xx: the service failed; `outcome_unknown` when a gateway answered for a paid call."""

    name = "server_error"
    summary = "The service has a fault of its own."
    default_advice = "Try again later."


class RenderFailed(NemoError):
    """A render ended as `failed`; one more under a new id costs nothing."""

    name = "render_failed"
    summary = "The render failed."
    default_advice = "Retry the file: a new render costs nothing."


class NotSent(NemoError):
    """Nothing left this machine: sending it later is safe."""

    name = "not_sent"
    summary = "The request was not sent."


class Unreachable(NotSent):
    """No connection could be made."""

    name = "unreachable"
    summary = "The service cannot be reached."
    default_advice = "Check the network and NEMO_API_URL."


class Stopped(NotSent):
    """The caller asked to stop; nothing paid was sent."""

    name = "stopped"
    summary = "Stopped on request."
    default_advice = "Start again to go on."


class ConnectionLost(NemoError):
    """The connection broke after the request had left."""

    name = "connection_lost"
    summary = "The connection to the service broke."
    default_advice = "Check the network; it is tried again."


class StreamLost(ConnectionLost):
    """The connection of an edit broke: it may have landed. Read the state; never send it again."""

    name = "stream_lost"
    summary = "The connection broke while the edit was being made; its outcome is not known yet."
    default_advice = "Do not send the instruction again: the timeline shows whether the edit was made."
    default_outcome_unknown = True


class StreamTimeout(StreamLost):
    """Ten minutes without progress, or fifteen in all."""

    name = "stream_timeout"
    summary = "The edit took longer than the service allows; its outcome is not known yet."


class StreamStopped(StreamLost):
    """The caller asked to stop while the edit was running."""

    name = "stream_stopped"
    summary = "Stopped while the edit was being made; its outcome is not known yet."


class BadAnswer(NemoError):
    """The answer is no JSON, lacks what the contract promises, or is far too large."""

    name = "bad_answer"
    summary = "The answer of the service cannot be understood."
    default_advice = "Check NEMO_API_URL: something else may be answering there."


class UnsafeUrl(NemoError):
    """The address is not http(s), or leads into a private or link-local network."""

    name = "unsafe_url"
    summary = "The address is not safe to open."
    default_advice = "Set NEMO_ALLOW_PRIVATE_URLS=1 if you trust addresses in your own network."


class DownloadBroken(NemoError):
    """What came is too large, too short, or no video."""

    name = "download_broken"
    summary = "The finished video did not arrive whole."
    default_advice = "Retry the file: only the download is repeated."


class SourceUnreadable(NemoError):
    """The file to send is missing, no regular file, or changed while it was read."""

    name = "source_unreadable"
    summary = "The file cannot be read."
    default_advice = "Check that the file exists, can be read, and is no longer being written."
