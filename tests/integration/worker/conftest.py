"""A studio, a clip and a worker for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worker.plant import FAST, Plant, Studio, open_plant, start_studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """A studio with credits for many edits, that thinks fast and always says something."""
    found = start_studio(
        tmp_path / "studio",
        "--credits",
        "100000",
        "--think-s",
        "0.05",
        "--silent-share",
        "0",
        "--tokens-per-ip",
        "99",
    )
    yield found
    found.http.close()
    found.process.terminate()
    found.process.wait(10)
    assert found.process.stdout is not None
    found.process.stdout.close()


@pytest.fixture
def plant(redis_url: str, studio: Studio, tmp_path: Path) -> Iterator[Plant]:
    """A worker beside an empty ledger and a fresh studio."""
    with open_plant(redis_url, studio, tmp_path / "out", **FAST) as found:
        yield found
