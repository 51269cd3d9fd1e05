"""Everything that can go wrong in the studio.

::

    StudioError
    ├── UnreadableMedia      a file that is no media, or broken beyond use
    ├── RenderFailed         a render that cannot be made; the message is one line for a person
    ├── RenderCancelled      a render stopped because somebody asked for it
    └── Refusal              a request the API answers with an error (api-contract 6)
        ├── BadRequest       400: a wrong, missing or unknown field
        ├── TokenRefused     1001 with HTTP 401
        ├── SessionUnknown   1002
        ├── OutOfCredits     2001
        ├── UnsupportedFile  4001
        ├── FileTooLarge     4002
        ├── ExportBlocked    402
        ├── NotFound         404
        ├── Conflict         409: a duplicate render id, a render in the wrong state
        └── RateLimited      429
"""

from __future__ import annotations


class StudioError(Exception):
    """The root of everything the studio raises."""


class UnreadableMedia(StudioError):
    """The file is no media this studio reads; the message is one clear line."""


class RenderFailed(StudioError):
    """The render could not be made; the message is one line without a log."""


class RenderCancelled(StudioError):
    """The render was stopped on request."""


class Refusal(StudioError):
    """A request that is answered with an error: envelope `code`, HTTP `status`, a message for a person."""

    code = 500
    status = 500


class BadRequest(Refusal):
    """A field, header or body is wrong; the message names it."""

    code = status = 400


class TokenRefused(Refusal):
    """The bearer token is missing, unknown or expired (api-contract 6, code 1001)."""

    code, status = 1001, 401


class SessionUnknown(Refusal):
    """No such session for this account (api-contract 6, code 1002)."""

    code, status = 1002, 200


class OutOfCredits(Refusal):
    """The account cannot pay for the edit (api-contract 6, code 2001)."""

    code, status = 2001, 200


class UnsupportedFile(Refusal):
    """The file's name or content is not an accepted type (api-contract 6, code 4001)."""

    code, status = 4001, 200


class FileTooLarge(Refusal):
    """The file is larger than the limit (api-contract 6, code 4002)."""

    code, status = 4002, 200


class ExportBlocked(Refusal):
    """Export is closed to this account: a plan matter, not credits (api-contract 6, 402)."""

    code = status = 402


class NotFound(Refusal):
    """No such render, file or path."""

    code = status = 404


class Conflict(Refusal):
    """The request contradicts what is already there, e.g. a render id used before."""

    code = status = 409


class RateLimited(Refusal):
    """Too many requests, or a token that still lives (api-contract 6, 429)."""

    code = status = 429
