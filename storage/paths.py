"""Paths of objects: ``s3://bucket/key``. A key is taken as it is: nothing in it is decoded or escaped."""

import re

from storage.errors import BadPath

SCHEME = "s3://"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_LONGEST_KEY = 1024


def is_remote(path: object) -> bool:
    """Whether a path names an object, or a folder of objects."""
    return isinstance(path, str) and path.startswith(SCHEME)


def split(path: str) -> tuple[str, str]:
    """Bucket and key of a path; the key of a whole bucket is ""."""
    bucket, _slash, key = path.removeprefix(SCHEME).partition("/")
    return bucket, key


def tidy(path: str) -> str:
    """The path without slashes at its end; raises BadPath, with one line that says what is wrong."""
    trimmed = path if path == SCHEME else path.rstrip("/")
    bucket, key = split(trimmed)
    if not _BUCKET.fullmatch(bucket):
        raise BadPath(path, "no bucket has that name; a path looks like s3://bucket/folder")
    if any(part in {"", ".", ".."} for part in key.split("/")) and key:
        raise BadPath(path, "a key with //, . or .. in it cannot be used")
    if not key.isprintable() or len(key.encode("utf-8", "replace")) > _LONGEST_KEY:
        raise BadPath(path, "a key has at most 1024 bytes, and no control characters")
    return trimmed
