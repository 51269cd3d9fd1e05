"""Beside a studio of its own, a worker sends and fetches no bytes: source and film are links."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import nemovideo
from jobs.model import State
from tests.integration.worker.harness import FAST, WorkerHarness, open_worker, running_studio

pytestmark = pytest.mark.integration


@pytest.fixture
def worker(redis_url: str, tmp_path: Path) -> Iterator[WorkerHarness]:
    """A worker whose state folder holds the studio's files too."""
    with (
        running_studio(tmp_path / "state" / "studio") as studio,
        open_worker(redis_url, studio, tmp_path / "out", **FAST) as found,
    ):
        yield found


@pytest.fixture
def source(clip: Path, tmp_path: Path) -> Path:
    """A clip of our own, which may be written to."""
    made = tmp_path / "mine.mp4"
    made.write_bytes(clip.read_bytes())
    return made


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("bytes went through the network")


def test_source_and_film_are_links(worker, source, tmp_path, monkeypatch):
    monkeypatch.setattr(nemovideo.NemoVideo, "upload_file", refuse)
    monkeypatch.setattr(nemovideo.NemoVideo, "download", refuse)
    job = worker.submit(source)
    worker.run()
    assert worker.job(job).state is State.DONE
    (media,) = (tmp_path / "state" / "studio" / "media").iterdir()
    (film,) = (tmp_path / "state" / "studio" / "renders").iterdir()
    assert media.samefile(source)
    assert film.samefile(worker.job(job).spec.output)
    assert not list((tmp_path / "state" / "studio" / "handover").iterdir())
    assert worker.result(job)["sha256"]["source"]


def test_a_download_that_was_begun_does_not_touch_the_film_of_the_studio(worker, source, tmp_path):
    job = worker.submit(source)
    worker.run()
    done = worker.job(job).spec
    (film,) = (tmp_path / "state" / "studio" / "renders").iterdir()
    whole = film.read_bytes()
    again = worker.submit(source, name="again")
    part = Path(worker.job(again).spec.output)
    os.link(film, part.with_name(f".{part.name}.{again}.part"))
    worker.run()
    assert worker.job(again).state is State.DONE
    assert film.read_bytes() == whole == Path(done.output).read_bytes()


def test_where_no_link_can_be_made_files_are_sent_and_fetched(worker, source, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("worker.handover.clone_or_link", fail)
    job = worker.submit(source)
    worker.run()
    assert worker.job(job).state is State.DONE
    assert source.stat().st_nlink == 1
