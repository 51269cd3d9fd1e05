"""Where files may change hands by links: beside our own studio alone."""

from pathlib import Path

import pytest

from config.settings import Settings
from worker.handover import find_shared_folder


def settings(state: Path, **changes: str) -> Settings:
    chosen = {"DROPSCORE_BACKEND": "local", "NEMO_API_URL": "http://127.0.0.1:8700", **changes}
    return Settings(DROPSCORE_STATE_DIR=state, **chosen)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "studio" / "handover"
    folder.mkdir(parents=True)
    return folder


def test_beside_our_own_studio_on_this_machine(shared: Path, tmp_path: Path) -> None:
    assert find_shared_folder(settings(tmp_path), tmp_path) == shared
    assert find_shared_folder(settings(tmp_path, NEMO_API_URL="http://[::1]:8700"), tmp_path) == shared


@pytest.mark.parametrize(
    "changes",
    [
        {"DROPSCORE_BACKEND": "cloud"},
        {"NEMO_API_URL": "http://studio:8700"},
        {"NEMO_API_URL": "http://192.168.0.7:8700"},
    ],
)
def test_nowhere_else(shared: Path, tmp_path: Path, changes: dict[str, str]) -> None:
    assert shared.is_dir()
    assert find_shared_folder(settings(tmp_path, **changes), tmp_path) is None


def test_not_without_a_studio_in_the_state_folder_nor_on_another_file_system(
    shared: Path, tmp_path: Path
) -> None:
    assert find_shared_folder(settings(tmp_path / "elsewhere"), tmp_path) is None
    assert find_shared_folder(settings(tmp_path), Path("/proc")) is None
