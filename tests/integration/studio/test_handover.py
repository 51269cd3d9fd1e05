"""Files that change hands on one machine without a copy."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def place(start_studio, tmp_path):
    """A studio, somebody with a session at it, and the folder that both can look into."""
    guest = start_studio("--credits", "1000").guest()
    guest.open()
    return guest, tmp_path / "studio" / "handover"


def take(guest, name: str, filename: str = "clip.mp4"):
    path = f"/api/upload-video/nemo_agent/me/{guest.session}/handover"
    return guest.post(path, json={"name": name, "filename": filename})


def give(guest, render: str, name: str):
    return guest.post(f"/api/render/proxy/{render}/handover", json={"name": name})


def link(source: Path, folder: Path) -> str:
    name = secrets.token_hex(16)
    os.link(source, folder / name)
    return name


def finish(guest) -> str:
    guest.edit("add calm background music")
    render = guest.render().json()
    return render.get("id") or render["data"]["id"]


def test_a_file_comes_and_goes_by_links(place, clip, tmp_path):
    guest, folder = place
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    source = tmp_path / "source.mp4"
    source.write_bytes(clip.read_bytes())
    file = take(guest, link(source, folder), "holiday.mp4").json()["data"]["files"][0]
    assert file["filename"] == "holiday.mp4"
    assert file["hash"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert source.stat().st_nlink == 2
    assert not list(folder.iterdir())

    render, name = finish(guest), secrets.token_hex(16)
    assert give(guest, "render_unknown", name).status_code == 404
    assert guest.wait(render)["status"] == "completed"
    assert give(guest, render, name).json()["data"] == {"name": name}
    fetched = guest.get(f"/api/render/proxy/{render}/download").content
    assert (folder / name).read_bytes() == fetched


def test_a_source_that_is_written_to_meanwhile_makes_no_film(place, clip, tmp_path):
    guest, folder = place
    source = tmp_path / "source.mp4"
    source.write_bytes(clip.read_bytes())
    take(guest, link(source, folder))
    with source.open("ab") as file:
        file.write(b"more")
    assert guest.wait(finish(guest))["error"] == "clip.mp4 was changed while it was being worked on."


def test_only_what_lies_in_the_folder_is_taken(place, clip, tmp_path):
    guest, folder = place
    assert "nothing was handed over" in take(guest, "0" * 32).json()["message"]
    outside = folder / ("1" * 32)
    outside.symlink_to(clip)
    assert "not a regular file" in take(guest, outside.name).json()["message"]
    assert take(guest, "../../clip.mp4").status_code == 400
    text = tmp_path / "notes.txt"
    text.write_text("no film")
    assert take(guest, link(text, folder), "notes.txt").json()["code"] == 4001
    assert take(guest, link(text, folder), "notes.mp4").json()["code"] == 4001
    assert text.read_text() == "no film"
