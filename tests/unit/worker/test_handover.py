"""Where files may change hands by links: beside our own studio alone, in a session that announced it."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import Settings
from jobs.model import Checkpoint, SessionRef, Step
from tests.unit.worker.conftest import Claim
from worker.context import Context
from worker.handover import find_shared_folder

ANNOUNCED = SessionRef(session_id="s", file_handover=True)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "studio" / "handover"
    folder.mkdir(parents=True)
    return folder


def in_session(claim: Claim, state: Path, session: SessionRef | None = ANNOUNCED) -> Context:
    return claim(Step.UPLOAD, object(), checkpoint=Checkpoint(session=session), DROPSCORE_STATE_DIR=state)


def test_beside_our_own_studio(claim: Claim, shared: Path, tmp_path: Path) -> None:
    assert find_shared_folder(in_session(claim, tmp_path), tmp_path) == shared


@pytest.mark.parametrize("session", [None, SessionRef(session_id="s")])
def test_only_where_the_session_announced_it(
    claim: Claim, shared: Path, tmp_path: Path, session: SessionRef | None
) -> None:
    assert shared.is_dir()
    assert find_shared_folder(in_session(claim, tmp_path, session), tmp_path) is None


def test_not_with_the_cloud_whatever_it_announces(claim: Claim, shared: Path, tmp_path: Path) -> None:
    assert shared.is_dir()
    cloud = Settings(DROPSCORE_STATE_DIR=tmp_path, DROPSCORE_BACKEND="cloud", NEMO_TOKEN="t" * 9)
    assert find_shared_folder(replace(in_session(claim, tmp_path), settings=cloud), tmp_path) is None


def test_not_without_a_studio_in_the_state_folder_nor_on_another_file_system(
    claim: Claim, shared: Path, tmp_path: Path
) -> None:
    ctx = in_session(claim, tmp_path)
    assert shared.is_dir()
    assert find_shared_folder(ctx, Path("/proc")) is None
    shared.rmdir()
    assert find_shared_folder(ctx, tmp_path) is None
