"""The source of a job: the file or object that was submitted, and no other."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from jobs.model import JobSpec
from nemovideo import OpenFile, SourceUnreadable
from storage import (
    BadPath,
    Changed,
    Denied,
    FileStat,
    NoBucket,
    NotThere,
    StorageError,
    Unreachable,
    failure_of,
    is_remote,
    storage_for,
)
from worker.errors import RootAway, SourceAway, SourceChanged, SourceDenied, SourceGone, StepError

_KINDS: Mapping[type[StorageError], type[StepError]] = MappingProxyType(
    {
        Changed: SourceChanged,
        NotThere: SourceGone,
        NoBucket: SourceGone,
        BadPath: SourceGone,
        Denied: SourceDenied,
    }
)

_AWAY = {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT, errno.EHOSTDOWN}


def check_source(spec: JobSpec) -> None:
    """Make sure that the source is the regular file that was submitted, as it was then.

    Raises SourceGone, SourceChanged; SourceAway when its store is away, RootAway when its whole folder is.
    """
    if is_remote(spec.source):
        _check_object(spec)
        return
    try:
        found = Path(spec.source).stat()
    except OSError as exc:
        _ensure_root(spec)
        if exc.errno in _AWAY:
            raise SourceAway(f"{spec.source}: its disk is away") from exc
        raise SourceGone(f"{spec.source}: {exc.strerror}") from exc
    if not stat.S_ISREG(found.st_mode):
        raise SourceGone(f"{spec.source}: no longer a regular file")
    if found.st_size != spec.size_bytes:
        raise SourceChanged(f"{spec.source}: was {spec.size_bytes} bytes, now {found.st_size}")
    if spec.mtime_ns and found.st_mtime_ns != spec.mtime_ns:
        raise SourceChanged(f"{spec.source}: was written to after it was taken in")


def is_root_away(root: str) -> bool:
    """Tell whether a watched folder is missing or has nothing in it, or its bucket does not answer.

    A disk that is not mounted looks like an empty folder.
    """
    try:
        if is_remote(root):
            storage_for(root).exists(f"{root.rstrip('/')}/.dropscore-probe")
            return False
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except Unreachable:
        return True
    except OSError:
        return not is_remote(root)


def _ensure_root(spec: JobSpec) -> None:
    if spec.root and spec.source.startswith(spec.root) and is_root_away(spec.root):
        raise RootAway(f"{spec.root} is away", spec.root)


def _check_object(spec: JobSpec) -> None:
    with _map_storage_errors(spec):
        seen = storage_for(spec.source).stat(spec.source)
    if seen is None:
        raise SourceGone(f"{spec.source}: there is no such object")
    if seen.size_bytes != spec.size_bytes:
        raise SourceChanged(f"{spec.source}: was {spec.size_bytes} bytes, now {seen.size_bytes}")
    if spec.etag and seen.etag != spec.etag:
        raise SourceChanged(f"{spec.source}: another version is there now")


@contextmanager
def open_source(spec: JobSpec) -> Iterator[Path | OpenFile]:
    """Open what is sent: a file of this host, or an object that is read as it is sent, without a copy.

    Raises SourceGone, SourceChanged, SourceAway, RootAway.
    """
    if spec.prepared or not is_remote(spec.source):
        yield Path(spec.prepared or spec.source)  # the source itself, or what was made of it
        return
    seen = FileStat(spec.source, spec.size_bytes, spec.mtime_ns, spec.etag)
    with _map_storage_errors(spec), storage_for(spec.source).open(spec.source, seen) as file:
        try:
            yield OpenFile(file, spec.size_bytes)
        except SourceUnreadable:
            if failure := failure_of(file):  # the client read it, and knows less of the cause than the store
                raise failure from None
            raise


@contextmanager
def _map_storage_errors(spec: JobSpec) -> Iterator[None]:
    try:
        yield
    except StorageError as exc:
        if isinstance(exc, Unreachable):
            _ensure_root(spec)
        kind = next((ours for theirs, ours in _KINDS.items() if isinstance(exc, theirs)), SourceAway)
        raise kind(str(exc)) from exc
