"""A typed, synchronous client of the NemoVideo API. It knows no queue, no ledger and no settings.

    from pathlib import Path
    from uuid import uuid4

    from nemovideo import NemoVideo

    with NemoVideo.from_env() as nemo:
        session = nemo.open_session()
        nemo.upload_file(session.session_id, Path("clip.mp4"), filename="clip.mp4")
        reply = nemo.edit(session.session_id, "add background music that matches the mood of my video")
        draft = nemo.state(session.session_id).draft
        if draft is not None and draft.ready:
            print(draft.summary())
            render = nemo.submit_render(session.session_id, f"render_{uuid4().hex}", draft)
            nemo.download(nemo.wait_for_render(render.id), Path("clip.music.mp4"))

An edit costs credits and is never repeated by this package; a render costs nothing. See `docs/nemovideo.md`.
"""

from nemovideo.attribution import Attribution, detect_platform
from nemovideo.auth import AnonymousTokens, FileTokenStore, Mint, Tokens, TokenStore, UserToken
from nemovideo.client import NemoVideo, anonymous_mint
from nemovideo.draft import Draft, Track, TrackKind, changes
from nemovideo.errors import (
    AccountRefused,
    AnonymousRefused,
    BadAnswer,
    BadRequest,
    BalanceTooLow,
    ClientIdMissing,
    ConnectionLost,
    DownloadBroken,
    DuplicateRender,
    ExportBlocked,
    FileTooLarge,
    NemoVideoError,
    NotSent,
    OutOfCredits,
    RateLimited,
    Refused,
    RenderFailed,
    RenderNotFound,
    RenderTimeout,
    ServerError,
    SessionNotFound,
    SourceUnreadable,
    Stopped,
    StoreUnusable,
    StreamLost,
    StreamStopped,
    StreamTimeout,
    TokenRateLimited,
    TokenRefused,
    Unreachable,
    UnsafeUrl,
    UnsupportedFile,
    mask,
    register_secret,
)
from nemovideo.models import (
    MAX_FILE_BYTES,
    Account,
    Credits,
    Downloaded,
    Endpoint,
    Render,
    RenderStatus,
    RetryPolicy,
    Session,
    SessionState,
    Uploaded,
    UploadedFile,
)
from nemovideo.stream import (
    EditReply,
    Heartbeat,
    StateDelta,
    StreamError,
    StreamEvent,
    Text,
    Thought,
    Tool,
    Unknown,
)
from nemovideo.transport import http_client
from nemovideo.upload import OpenFile

__all__ = [
    "MAX_FILE_BYTES",
    "Account",
    "AccountRefused",
    "AnonymousRefused",
    "AnonymousTokens",
    "Attribution",
    "BadAnswer",
    "BadRequest",
    "BalanceTooLow",
    "ClientIdMissing",
    "ConnectionLost",
    "Credits",
    "DownloadBroken",
    "Downloaded",
    "Draft",
    "DuplicateRender",
    "EditReply",
    "Endpoint",
    "ExportBlocked",
    "FileTokenStore",
    "FileTooLarge",
    "Heartbeat",
    "Mint",
    "NemoVideo",
    "NemoVideoError",
    "NotSent",
    "OpenFile",
    "OutOfCredits",
    "RateLimited",
    "Refused",
    "Render",
    "RenderFailed",
    "RenderNotFound",
    "RenderStatus",
    "RenderTimeout",
    "RetryPolicy",
    "ServerError",
    "Session",
    "SessionNotFound",
    "SessionState",
    "SourceUnreadable",
    "StateDelta",
    "Stopped",
    "StoreUnusable",
    "StreamError",
    "StreamEvent",
    "StreamLost",
    "StreamStopped",
    "StreamTimeout",
    "Text",
    "Thought",
    "TokenRateLimited",
    "TokenRefused",
    "TokenStore",
    "Tokens",
    "Tool",
    "Track",
    "TrackKind",
    "Unknown",
    "Unreachable",
    "UnsafeUrl",
    "UnsupportedFile",
    "Uploaded",
    "UploadedFile",
    "UserToken",
    "anonymous_mint",
    "changes",
    "detect_platform",
    "http_client",
    "mask",
    "register_secret",
]
