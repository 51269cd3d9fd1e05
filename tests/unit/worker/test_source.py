"""What a store says of a source, as a step says it; and parts that nobody goes on with."""

import os
import time
from pathlib import Path

import pytest

import stores
from config.settings import load
from jobs.model import Spec
from worker.errors import SourceAway, SourceChanged, SourceDenied, SourceGone, StepError
from worker.outbox import sweep
from worker.policy import retry_of
from worker.source import check_source, opened

SOURCE = "s3://clips/a.mp4"
SPEC = Spec(
    source=SOURCE,
    root="",
    output="",
    result="",
    skill="add-music",
    instructions=(),
    fingerprint="",
    size_bytes=10,
    etag='"one"',
)


class Saying:
    """A store that says one thing."""

    def __init__(self, said: stores.Seen | stores.StoreError | None) -> None:
        self._said = said

    def stat(self, _path: str) -> stores.Seen | None:
        if isinstance(self._said, stores.StoreError):
            raise self._said
        return self._said

    def open(self, _path: str, _seen: stores.Seen) -> None:
        self.stat(_path)


@pytest.mark.parametrize(
    ("said", "kind", "again"),
    [
        (None, SourceGone, False),
        (stores.NotThere(SOURCE, "gone"), SourceGone, False),
        (stores.NoBucket(SOURCE, "gone"), SourceGone, False),
        (stores.Denied(SOURCE, "access is refused"), SourceDenied, False),
        (stores.BadCredentials(SOURCE, "expired"), SourceDenied, False),
        (stores.Unreachable(SOURCE, "no answer"), SourceAway, True),
        (stores.NotSetUp(SOURCE, "no credentials"), SourceAway, True),
        (stores.Seen(SOURCE, 11, 0, '"one"'), SourceChanged, False),
        (stores.Seen(SOURCE, 10, 0, '"two"'), SourceChanged, False),
    ],
)
def test_what_a_store_says_becomes_one_of_our_errors(
    monkeypatch: pytest.MonkeyPatch,
    said: stores.Seen | stores.StoreError | None,
    kind: type[StepError],
    again: bool,
) -> None:
    monkeypatch.setattr("worker.source.store_of", lambda _path: Saying(said))
    with pytest.raises(kind, match=r"^s3://clips/a\.mp4: ") as raised:
        check_source(SPEC)
    assert retry_of(raised.value).exhausted(2) is not again
    if isinstance(said, stores.StoreError):
        with pytest.raises(kind), opened(SPEC):
            pass


def test_the_very_object_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = stores.Seen(SOURCE, 10, 5, '"one"')
    monkeypatch.setattr("worker.source.store_of", lambda _path: Saying(seen))
    check_source(SPEC)
    check_source(SPEC.evolve(etag=""))  # followed from a local folder: only the size is known


def test_parts_of_yesterday_are_swept(tmp_path: Path) -> None:
    settings = load({"state_dir": tmp_path}, environ={})
    sweep(settings)
    (tmp_path / "parts").mkdir()
    old, new = (tmp_path / "parts" / name for name in (".a.mp4.1.part", ".b.mp4.2.part"))
    for part in (old, new):
        part.touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    sweep(settings)
    assert [*(tmp_path / "parts").iterdir()] == [new]
