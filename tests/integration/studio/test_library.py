"""The studio with a folder of the user's own songs."""

from __future__ import annotations

import subprocess
import uuid

import av
import imageio_ffmpeg
import pytest

from studio.timeline import music_track

pytestmark = pytest.mark.integration


@pytest.fixture
def songs(tmp_path):
    folder = tmp_path / "songs"
    folder.mkdir()
    beat = "aevalsrc='(sin(2*PI*60*t)+0.3*sin(2*PI*330*t))*exp(-6*mod(t,0.714))*0.5':d=8:s=44100"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-f", "lavfi", "-i", beat]
    tags = ["-metadata", "title=Rainy Window", "-metadata", "artist=Mira", "-metadata", "genre=Lo-fi"]
    subprocess.run([*command, *tags, folder / "01.mp3"], check=True)
    return folder


def test_the_song_that_suits_is_laid_under_the_clip(start_studio, clip, songs, tmp_path):
    running = start_studio("--music", str(songs))
    guest = running.guest()
    guest.open()
    guest.upload(clip)
    guest.edit("add calm music at 35%")
    track = music_track(guest.state()["draft"])
    meta = track["sg"][0]["m"]
    assert (meta["song"], track["m"]["title"]) == ("01.mp3", "Rainy Window by Mira")
    assert "BPM (calm" in meta["reason"]
    render = f"render_{uuid.uuid4().hex}"
    guest.render(render)
    assert guest.wait(render)["status"] == "completed"
    output = tmp_path / "output.mp4"
    output.write_bytes(guest.get(f"/api/render/proxy/{render}/download").content)
    with av.open(str(output)) as container:
        assert container.streams.audio

    guest.edit("no drums")
    assert music_track(guest.state()["draft"])["sg"][0]["m"] == meta, "a recording keeps its instruments"


def test_the_findings_are_in_the_draft_once_music_is(guest):
    assert "findings" not in guest.state()["draft"]["m"]
    guest.edit("add calm music")
    state = guest.state()
    media = state["video_infos"][0]
    assert state["draft"]["m"]["findings"] == {media["id"]: media["findings"]}
