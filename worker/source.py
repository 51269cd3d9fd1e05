"""The source of a job: the file or object that was submitted, and no other."""

import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from jobs.model import Spec
from nemo import OpenFile, SourceUnreadable
from stores import (
    BadPath,
    Changed,
    Denied,
    NoBucket,
    NotThere,
    Seen,
    StoreError,
    failure_of,
    is_remote,
    store_of,
)
from worker.errors import SourceAway, SourceChanged, SourceDenied, SourceGone, StepError

_KINDS: Mapping[type[StoreError], type[StepError]] = MappingProxyType(
    {
        Changed: SourceChanged,
        NotThere: SourceGone,
        NoBucket: SourceGone,
        BadPath: SourceGone,
        Denied: SourceDenied,
    }
)


def check_source(spec: Spec) -> None:
    """Make sure that the source is the regular file that was submitted.

    Raises SourceGone, SourceChanged; SourceAway when its store does not answer.
    """
    if is_remote(spec.source):
        _check_object(spec)
        return
    try:
        found = Path(spec.source).stat()
    except OSError as gone:
        raise SourceGone(f"{spec.source}: {gone.strerror}") from gone
    if not stat.S_ISREG(found.st_mode):
        raise SourceGone(f"{spec.source}: no longer a regular file")
    if found.st_size != spec.size_bytes:
        raise SourceChanged(f"{spec.source}: was {spec.size_bytes} bytes, now {found.st_size}")


def _check_object(spec: Spec) -> None:
    with _translated():
        seen = store_of(spec.source).stat(spec.source)
    if seen is None:
        raise SourceGone(f"{spec.source}: there is no such object")
    if seen.size_bytes != spec.size_bytes:
        raise SourceChanged(f"{spec.source}: was {spec.size_bytes} bytes, now {seen.size_bytes}")
    if spec.etag and seen.tag != spec.etag:
        raise SourceChanged(f"{spec.source}: another version is there now")


@contextmanager
def opened(spec: Spec) -> Iterator[Path | OpenFile]:
    """What is sent: a file of this host, or an object that is read as it is sent, without a copy.

    Raises SourceGone, SourceChanged, SourceAway.
    """
    if spec.prepared or not is_remote(spec.source):
        yield Path(spec.prepared or spec.source)  # the source itself, or what was made of it
        return
    seen = Seen(spec.source, spec.size_bytes, spec.mtime_ns, spec.etag)
    with _translated(), store_of(spec.source).open(spec.source, seen) as file:
        try:
            yield OpenFile(file, spec.size_bytes)
        except SourceUnreadable:
            if failure := failure_of(file):  # the client read it, and says less of it than the store did
                raise failure from None
            raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StoreError as broken:
        raise _ours(broken) from broken


def _ours(broken: StoreError) -> StepError:
    kind = next((ours for theirs, ours in _KINDS.items() if isinstance(broken, theirs)), SourceAway)
    return kind(str(broken))
