"""What storage answers about a source, as an error of the step; and parts that nobody goes on with."""

import os
import time
from pathlib import Path

import pytest

import storage
from config.settings import load
from jobs.model import JobSpec
from worker.delivery import remove_abandoned_parts
from worker.errors import SourceAway, SourceChanged, SourceDenied, SourceGone, StepError
from worker.retry import retry_of
from worker.sources import check_source, open_source

SOURCE = "s3://clips/a.mp4"
SPEC = JobSpec(
    source=SOURCE,
    skill="add-music",
    instructions=(),
    fingerprint="",
    size_bytes=10,
    etag='"one"',
)


class StubStore:
    """Storage that has one answer."""

    def __init__(self, answer: storage.FileStat | storage.StorageError | None) -> None:
        self._answer = answer

    def stat(self, _path: str) -> storage.FileStat | None:
        if isinstance(self._answer, storage.StorageError):
            raise self._answer
        return self._answer

    def open(self, _path: str, _seen: storage.FileStat) -> None:
        self.stat(_path)


@pytest.mark.parametrize(
    ("answer", "kind", "again"),
    [
        (None, SourceGone, False),
        (storage.NotThere(SOURCE, "gone"), SourceGone, False),
        (storage.NoBucket(SOURCE, "gone"), SourceGone, False),
        (storage.Denied(SOURCE, "access is refused"), SourceDenied, False),
        (storage.BadCredentials(SOURCE, "expired"), SourceDenied, False),
        (storage.Unreachable(SOURCE, "no answer"), SourceAway, True),
        (storage.NotSetUp(SOURCE, "no credentials"), SourceAway, True),
        (storage.FileStat(SOURCE, 11, 0, '"one"'), SourceChanged, False),
        (storage.FileStat(SOURCE, 10, 0, '"two"'), SourceChanged, False),
    ],
)
def test_what_storage_answers_becomes_one_of_our_errors(
    monkeypatch: pytest.MonkeyPatch,
    answer: storage.FileStat | storage.StorageError | None,
    kind: type[StepError],
    again: bool,
) -> None:
    monkeypatch.setattr("worker.sources.storage_for", lambda _path: StubStore(answer))
    with pytest.raises(kind, match=r"^s3://clips/a\.mp4: ") as raised:
        check_source(SPEC)
    assert retry_of(raised.value).is_exhausted(2) is not again
    if isinstance(answer, storage.StorageError):
        with pytest.raises(kind), open_source(SPEC):
            pass


def test_the_very_object_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = storage.FileStat(SOURCE, 10, 5, '"one"')
    monkeypatch.setattr("worker.sources.storage_for", lambda _path: StubStore(seen))
    check_source(SPEC)
    check_source(SPEC.evolve(etag=""))  # followed from a local folder: only the size is known


def test_parts_of_yesterday_are_removed(tmp_path: Path) -> None:
    settings = load({"state_dir": tmp_path}, environ={})
    remove_abandoned_parts(settings)
    (tmp_path / "parts").mkdir()
    old, new = (tmp_path / "parts" / name for name in (".a.mp4.1.part", ".b.mp4.2.part"))
    for part in (old, new):
        part.touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    remove_abandoned_parts(settings)
    assert [*(tmp_path / "parts").iterdir()] == [new]


@pytest.fixture
def local(tmp_path: Path) -> JobSpec:
    """A file in a watched folder, as it was taken in."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a.mp4").write_bytes(b"x" * 10)
    (inbox / "b.mp4").write_bytes(b"y")
    seen = (inbox / "a.mp4").stat()
    return JobSpec(
        source=str(inbox / "a.mp4"), root=str(inbox), size_bytes=seen.st_size, mtime_ns=seen.st_mtime_ns
    )


def test_a_file_that_is_as_it_was_is_taken(local: JobSpec) -> None:
    check_source(local)


def test_a_file_of_the_same_size_that_was_written_to_is_another(local: JobSpec) -> None:
    source = Path(local.source)
    source.write_bytes(b"z" * 10)
    os.utime(source, ns=(local.mtime_ns + 1, local.mtime_ns + 1))
    with pytest.raises(SourceChanged, match="was written to"):
        check_source(local)


def test_what_became_a_folder_is_gone(local: JobSpec) -> None:
    Path(local.source).unlink()
    Path(local.source).mkdir()
    with pytest.raises(SourceGone, match="no longer a regular file"):
        check_source(local)


def test_one_file_missing_in_a_folder_that_is_there_is_gone(local: JobSpec) -> None:
    Path(local.source).unlink()
    with pytest.raises(SourceGone):
        check_source(local)


@pytest.mark.parametrize("how", ["moved away", "emptied"])
def test_a_folder_that_is_not_mounted_is_away(local: JobSpec, tmp_path: Path, how: str) -> None:
    inbox = Path(local.root)
    inbox.rename(tmp_path / "elsewhere")
    if how == "emptied":
        inbox.mkdir()  # a mount point without its disk
    with pytest.raises(SourceAway):
        check_source(local)
    assert not retry_of(SourceAway("x")).is_exhausted(1000), "a disk that is away for a night costs no file"
