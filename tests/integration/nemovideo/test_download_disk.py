"""What the disk can do to a download: links, missing folders, no room."""

import os
import resource
from pathlib import Path
from typing import Any

import pytest

import nemovideo

pytestmark = pytest.mark.integration

API_FILE = "/api/render/proxy/r1/download"
VIDEO = os.urandom(300_000)


def rendered() -> nemovideo.Render:
    return nemovideo.Render("r1", nemovideo.RenderStatus.COMPLETED)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "v.mp4.part"


def test_a_link_in_place_of_the_part_is_not_followed(
    backend: Any, client: nemovideo.NemoVideo, part: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    part.symlink_to(precious)
    backend.on("GET", API_FILE, backend.video(VIDEO))
    with pytest.raises(OSError, match=r"symbolic links|Too many"):
        client.download(rendered(), part)
    assert precious.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_the_callers_matter(
    backend: Any, client: nemovideo.NemoVideo, tmp_path: Path
) -> None:
    backend.on("GET", API_FILE, backend.video(VIDEO))
    with pytest.raises(FileNotFoundError):
        client.download(rendered(), tmp_path / "gone" / "v.part")


@pytest.mark.parametrize("room_bytes", [100_000, len(VIDEO) - 10])
def test_a_full_disk_is_told_as_such(
    backend: Any, client: nemovideo.NemoVideo, part: Path, room_bytes: int
) -> None:
    backend.on("GET", API_FILE, backend.video(VIDEO))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            client.download(rendered(), part)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(backend.seen) == 1
