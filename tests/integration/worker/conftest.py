"""A studio, a clip and a worker for each test."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nemovideo
from tests.integration.worker.harness import FAST, Studio, WorkerHarness, open_worker, running_studio


@pytest.fixture(scope="session")
def studio_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio for the whole run: to start one takes as long as a test."""
    with running_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest.fixture
def studio(studio_process: Studio) -> Studio:
    """A studio without faults, with credits for many edits, that thinks fast and always says something."""
    studio_process.reset()
    return studio_process


@pytest.fixture(autouse=True)
def as_the_contract_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service promises nothing about a message that comes twice, as the cloud does."""
    open_session = nemovideo.NemoVideo.open_session

    def open_plain(client: nemovideo.NemoVideo, *args: Any, **options: Any) -> nemovideo.Session:
        return replace(open_session(client, *args, **options), idempotent_edits=False)

    monkeypatch.setattr(nemovideo.NemoVideo, "open_session", open_plain)


@pytest.fixture
def worker(redis_url: str, studio: Studio, tmp_path: Path) -> Iterator[WorkerHarness]:
    """A worker beside an empty ledger and a fresh studio."""
    with open_worker(redis_url, studio, tmp_path / "out", **FAST) as found:
        yield found
