"""What the library raises, as errors of ours: one line, without addresses and without what it debugs."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from obstore import exceptions

from storage.errors import (
    BadCredentials,
    BadPath,
    Changed,
    Denied,
    NoBucket,
    NotThere,
    Occupied,
    StorageError,
    Unreachable,
)

_CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "SignatureDoesNotMatch",
    }
)

_KINDS: Mapping[type[Exception], tuple[type[StorageError], str]] = MappingProxyType(
    {
        FileNotFoundError: (NotThere, "there is no such object"),
        exceptions.NotFoundError: (NotThere, "there is no such object"),
        exceptions.PreconditionError: (Changed, "the object has changed"),
        exceptions.AlreadyExistsError: (Occupied, "an object of that name is there already"),
        exceptions.InvalidPathError: (
            BadPath,
            "a key in it has // or control characters; rename that object",
        ),
        ValueError: (BadPath, "no object can have that name"),
    }
)


@contextmanager
def map_bucket_errors(path: str) -> Iterator[None]:
    """Raise what the library raises as StorageError; the path is named in it."""
    try:
        yield
    except StorageError:
        raise
    except (exceptions.BaseError, OSError, ValueError) as exc:
        raise error_for(path, exc) from None  # its text has a page of debugging, and addresses


def error_for(path: str, exc: Exception) -> StorageError:
    """The error of ours that one of the library's amounts to."""
    text = str(exc)
    code = found[1] if (found := _CODE.search(text)) else ""
    status = found[1] if (found := _STATUS.search(text)) else ""
    if code == "NoSuchBucket":
        return NoBucket(path, "the bucket does not exist; make it, or name another")
    if code in _CREDENTIALS:
        return BadCredentials(path, f"the credentials are not accepted ({code}); see AWS_ACCESS_KEY_ID")
    if not status and "credential" in text.lower():
        return BadCredentials(path, "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if code == "AccessDenied" or status in {"401", "403"}:
        return Denied(path, "access is refused: the credentials are wrong, or do not allow this")
    for kind, (ours, why) in _KINDS.items():
        if isinstance(exc, kind):
            return ours(path, why)
    answer = code or status
    return Unreachable(path, f"the store answered {answer}" if answer else "the store does not answer")
