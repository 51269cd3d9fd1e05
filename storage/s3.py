"""Objects in the buckets of S3, or of anything that speaks its API (extra ``s3``).

Address and credentials are those of the AWS_* environment; they stand in no path, message or log.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
from obstore.store import S3Store

from storage.credentials import client_options
from storage.errors import NotThere, Occupied
from storage.model import FileStat
from storage.paths import SCHEME, split, tidy
from storage.ranges import FIRST_BYTES, Ranged
from storage.refusals import map_bucket_errors

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import ClientConfig

SINGLE_BYTES = 8 * 1024 * 1024
"""Up to this size an object is put with one request; the parts of a larger one are so long."""

_PARTS_AT_ONCE = 2
_PAGE = 1000  # objects in one answer to a listing
_TIMEOUTS: "ClientConfig" = {"connect_timeout": "5s", "timeout": "120s"}
_RETRY: Any = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}


class Buckets:
    """The clients of every bucket that the credentials of this process reach; shared by its threads."""

    def __init__(self) -> None:
        """Nothing is asked before the first call."""
        self._clients: dict[str, S3Store] = {}
        self._lock = threading.Lock()

    def client_of(self, path: str) -> S3Store:
        """Return the client of a path's bucket; raises NotSetUp."""
        name = split(path)[0]
        with self._lock:
            if name not in self._clients:
                config, in_the_clear = client_options(path)
                self._clients[name] = S3Store(
                    name,
                    client_options={**_TIMEOUTS, "allow_http": in_the_clear},
                    retry_config=_RETRY,
                    **config,
                )
            return self._clients[name]


BUCKETS = Buckets()
"""Those of this process."""


class BucketStorage:
    """The objects below one prefix of a bucket."""

    is_remote = True

    def __init__(self, root: str, buckets: Buckets | None = None) -> None:
        """Bind to a prefix; nothing is asked before the first call."""
        self.root = root
        self._buckets = buckets or BUCKETS

    def scan(self) -> Iterator[FileStat]:
        """Yield every object below the prefix, by their keys; a thousand are in memory at once."""
        bucket, prefix = split(tidy(self.root))
        with map_bucket_errors(self.root):
            for page in obstore.list(self._bucket(self.root), prefix or None, chunk_size=_PAGE):
                for meta in page:
                    if meta["path"] != prefix:  # the marker with which consoles make an empty folder
                        yield _file_stat(bucket, meta)

    def exists(self, path: str) -> bool:
        """Return whether there is an object of that key."""
        return self.stat(path) is not None

    def stat(self, path: str) -> FileStat | None:
        """One look at an object; None when it is not there."""
        bucket, key = split(tidy(path))
        if not key:
            return None
        try:
            with map_bucket_errors(path):
                return _file_stat(bucket, obstore.head(self._bucket(path), key))
        except NotThere:
            return None

    def open(self, path: str, expected: FileStat | None = None) -> BufferedReader:
        """An object to read and to seek in, all of it from one version: a new one raises Changed."""
        known = expected or self.stat(path)
        if known is None:
            raise NotThere(path, "there is no such object")

        def fetch(begin: int, end: int) -> memoryview:
            options: GetOptions = {"range": (begin, end)}
            if known.etag:
                options["if_match"] = known.etag
            return memoryview(self._get(path, options))

        return BufferedReader(Ranged(fetch, known.size_bytes), FIRST_BYTES)

    def read(self, path: str, most_bytes: int) -> bytes:
        """The first bytes of an object."""
        with self.open(path) as file:
            return file.read(most_bytes)

    def write(self, path: str, data: bytes, _mark: str) -> None:
        """Put a small object with one request; what is there is replaced."""
        with map_bucket_errors(path):
            obstore.put(self._bucket(path), split(tidy(path))[1], data, use_multipart=False)

    def deliver(self, part: Path, path: str, sha256: str, check: Callable[[], None]) -> None:
        """Put a local file as a new object; it appears whole, and only where there is none.

        A large one goes to a hidden name first: S3 can refuse to replace an object when a copy ends, but the
        library cannot say so for an upload in parts.
        """
        size_bytes = part.stat().st_size
        if not self._is_there(path, size_bytes, sha256):
            check()
            try:
                if size_bytes <= SINGLE_BYTES:
                    bucket, key = self._bucket(path), split(tidy(path))[1]
                    with map_bucket_errors(path):
                        obstore.put(bucket, key, part.read_bytes(), mode="create", use_multipart=False)
                else:
                    self._put_parts(part, path, check)
            except Occupied:
                if not self._is_there(path, size_bytes, sha256):
                    raise
        part.unlink(missing_ok=True)

    def delete(self, path: str) -> None:
        """Remove an object, if it is there."""
        with map_bucket_errors(path):
            obstore.delete(self._bucket(path), split(tidy(path))[1])

    def digest(self, path: str) -> str:
        """The SHA-256 of an object, fetched for it once."""
        with self.open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _is_there(self, path: str, size_bytes: int, sha256: str) -> bool:
        """Whether the object is there and the same; raises Occupied when another one is."""
        seen = self.stat(path)
        if seen is None:
            return False
        if seen.size_bytes != size_bytes or self.digest(path) != sha256:
            raise Occupied(path, "an object of that name is there already, and it is not this job's")
        return True

    def _put_parts(self, part: Path, path: str, check: Callable[[], None]) -> None:
        bucket, key = self._bucket(path), split(tidy(path))[1]
        folder, slash, _name = key.rpartition("/")
        hidden = f"{folder}{slash}.{part.name.lstrip('.')}"
        pieces = _Pieces(part, check)
        try:
            with map_bucket_errors(path), pieces.own_errors():
                obstore.put(bucket, hidden, pieces, chunk_size=SINGLE_BYTES, max_concurrency=_PARTS_AT_ONCE)
            check()
            with map_bucket_errors(path):
                obstore.copy(bucket, hidden, key, overwrite=False)
        finally:
            with map_bucket_errors(path):
                obstore.delete(bucket, hidden)

    def _get(self, path: str, options: "GetOptions") -> Any:
        with map_bucket_errors(path):
            return obstore.get(self._bucket(path), split(tidy(path))[1], options=options).bytes()

    def _bucket(self, path: str) -> S3Store:
        return self._buckets.client_of(path)


class _Pieces:
    """A file in pieces, asked now and then whether to go on; what ``check`` raised is raised again."""

    def __init__(self, part: Path, check: Callable[[], None]) -> None:
        self._part, self._check = part, check
        self._raised: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        with self._part.open("rb") as file:
            while piece := file.read(1024 * 1024):
                try:
                    self._check()
                except BaseException as stop:
                    self._raised = stop
                    raise
                yield piece

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Raise what ``check`` raised in place of what the library made of it."""
        try:
            yield
        except Exception:
            if self._raised is not None:
                raise self._raised from None
            raise


def _file_stat(bucket: str, meta: "ObjectMeta") -> FileStat:
    # Whole seconds: a listing knows more of the time than a look at the object does.
    mtime_ns = int(meta["last_modified"].timestamp()) * 10**9
    return FileStat(f"{SCHEME}{bucket}/{meta['path']}", meta["size"], mtime_ns, meta["e_tag"] or "")
