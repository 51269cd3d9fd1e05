"""Pictures of real media."""

import io

import pytest
from PIL import Image

from cli.report.media import FRAMES, PEAKS, pictures
from cli.report.model import Pictures

pytestmark = pytest.mark.integration


def test_a_strip_of_small_frames_and_both_waves(media):
    found = pictures(media / "silent.mp4", media / "loud.mp4")
    assert len(found.frames) == FRAMES
    assert all(Image.open(io.BytesIO(jpeg)).size == (160, 90) for jpeg in found.frames)
    assert found.before is None
    assert found.after is not None
    assert len(found.after.peaks) <= PEAKS
    assert found.after.length_s == pytest.approx(2, abs=0.1)
    assert max(found.after.peaks) == pytest.approx(0.125, abs=0.03)  # the tone's level


def test_a_turned_picture_stands_upright(media):
    found = pictures(media / "turned.mp4", None)
    upright = Image.open(io.BytesIO(found.frames[0]))
    assert upright.size[1] > upright.size[0]
    # Turned counter-clockwise by 90 degrees, what was left (blue) is below.
    red, _, blue = upright.getpixel((upright.width // 2, upright.height - 5))
    assert blue > red


def test_sound_alone_has_a_wave_and_no_frames(media):
    found = pictures(media / "song.mp3", None)
    assert found.frames == ()
    assert found.before is not None


def test_a_still_picture_is_shown_once(media, tmp_path):
    Image.new("RGB", (400, 300), "teal").save(tmp_path / "still.png")
    assert len(pictures(tmp_path / "still.png", None).frames) == 1


def test_what_is_no_media_has_no_pictures(tmp_path, media):
    (tmp_path / "x.mp4").write_bytes(b"no video")
    (tmp_path / "cut.mp4").write_bytes((media / "loud.mp4").read_bytes()[:3000])
    assert pictures(tmp_path / "x.mp4", tmp_path / "cut.mp4") == Pictures()
    assert pictures(None, None) == Pictures()
