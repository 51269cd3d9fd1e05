"""Transcodes one file after the other, beside the loop; what is ready is submitted by it."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import structlog

from config.settings import Settings
from jobs.ledger import Ledger
from jobs.model import State
from producer.errors import ProducerError, Refused
from producer.fingerprint import opened
from producer.media import extension
from producer.naming import absolute
from producer.preflight import inspect
from producer.prepare import Place, Prepared, refused
from producer.settle import Reading
from producer.transcode import Transcoding, transcode

_ABANDONED_S = 600.0

log = structlog.get_logger(__name__)


def transcoding_of(settings: Settings) -> Transcoding:
    """What the settings allow; what is made is kept in ``prepared`` in the state folder."""
    folder = f"{absolute(settings.state_dir)}/prepared"
    return Transcoding(folder, settings.shrink, settings.convert)


def transcoded(prepared: Prepared, place: Place, stop: threading.Event) -> Prepared:
    """The job with its ``spec.prepared`` made and checked; with its problem where that is not possible.

    What an earlier run made is used again.

    Raises:
        SourceGone, SourceChanged: the source went away, or changed meanwhile; it is found again.
        TranscodingStopped: ``stop`` was set.
        OSError: there is no room.
    """
    spec, target = prepared.spec, prepared.spec.prepared
    try:
        if not Path(target).exists():
            transcode(spec.source, target, stop)
        with opened(spec.source, Reading(spec.size_bytes, spec.mtime_ns)), Path(target).open("rb") as file:
            seen = inspect(file, spec.source.rpartition("/")[2], extension(target))
    except Refused as cannot:
        return refused(prepared, place, cannot.problem)
    return prepared.ready(seen.duration_s)


class Transcoder:
    """The files that are being transcoded, one at a time, in a thread of its own."""

    def __init__(self) -> None:
        """Nothing runs before `add`."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="transcode")
        self._stop = threading.Event()
        self._working: dict[str, Future[Prepared]] = {}

    def __contains__(self, source: str) -> bool:
        """Whether a source is being transcoded, or was and is not submitted yet."""
        return source in self._working

    def __len__(self) -> int:
        """How many sources are."""
        return len(self._working)

    def add(self, prepared: Prepared, place: Place) -> None:
        """Transcode a source when its turn comes."""
        source = prepared.spec.source
        if source not in self._working:
            self._working[source] = self._pool.submit(transcoded, prepared, place, self._stop)

    def ready(self) -> Iterator[Prepared]:
        """Those that came to an end and can be submitted; each is forgotten when the next is asked for."""
        for source, future in list(self._working.items()):
            if not future.done():
                continue
            try:
                yield future.result()
            except (ProducerError, OSError) as away:
                log.warning("not transcoded; looked at again later", source=source, why=str(away))
            del self._working[source]

    def close(self) -> None:
        """End at once; what is half done begins anew in the next run."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


def sweep(ledger: Ledger, folder: Path, now: float | None = None) -> None:
    """Remove what was made for jobs that are done, and what a killed run left half-made.

    Raises LedgerUnreachable.
    """
    made = {path: path.name.partition(".")[0] for path in folder.glob("*.*") if path.is_file()}
    known = ledger.many(dict.fromkeys(made.values()))
    done = {job.id for job in known if job.state is State.DONE}
    abandoned = (time.time() if now is None else now) - _ABANDONED_S
    for path, job_id in made.items():
        if job_id in done or (path.suffix == ".part" and path.stat().st_mtime < abandoned):
            path.unlink(missing_ok=True)
