"""A studio, a clip and a worker for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worker.plant import FAST, Plant, Studio, open_plant, running_studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """A studio with credits for many edits, that thinks fast and always says something."""
    with running_studio(tmp_path / "studio") as found:
        yield found


@pytest.fixture
def plant(redis_url: str, studio: Studio, tmp_path: Path) -> Iterator[Plant]:
    """A worker beside an empty ledger and a fresh studio."""
    with open_plant(redis_url, studio, tmp_path / "out", **FAST) as found:
        yield found
