"""Pictures of real media."""

import io

import pytest
from PIL import Image

from tests.integration.web.conftest import ffmpeg
from web.media import PEAKS, find_beats, take_pictures
from web.models import Pictures

pytestmark = pytest.mark.integration


def test_a_small_picture_and_both_waves(media):
    found = take_pictures(media / "silent.mp4", media / "loud.mp4")
    assert Image.open(io.BytesIO(found.poster)).size == (160, 90)
    assert found.before is None
    assert found.after is not None
    assert len(found.after.peaks) <= PEAKS
    assert found.after.length_s == pytest.approx(2, abs=0.1)
    assert max(found.after.peaks) == pytest.approx(0.125, abs=0.03)  # the tone's level


def test_a_turned_picture_stands_upright(media):
    found = take_pictures(media / "turned.mp4", None)
    upright = Image.open(io.BytesIO(found.poster))
    assert upright.size[1] > upright.size[0]
    # Turned counter-clockwise by 90 degrees, what was left (blue) is below.
    red, _, blue = upright.getpixel((upright.width // 2, upright.height - 5))
    assert blue > red


def test_sound_alone_has_a_wave_and_no_picture(media):
    found = take_pictures(media / "song.mp3", None)
    assert found.poster == b""
    assert found.before is not None


def test_a_still_picture_is_shown(media, tmp_path):
    Image.new("RGB", (400, 300), "teal").save(tmp_path / "still.png")
    assert Image.open(io.BytesIO(take_pictures(tmp_path / "still.png", None).poster)).size == (320, 240)


def test_what_is_no_media_has_no_pictures(tmp_path, media):
    (tmp_path / "x.mp4").write_bytes(b"no video")
    (tmp_path / "cut.mp4").write_bytes((media / "loud.mp4").read_bytes()[:3000])
    assert take_pictures(tmp_path / "x.mp4", tmp_path / "cut.mp4") == Pictures()
    assert take_pictures(None, None) == Pictures()


def test_the_beats_of_a_clear_pulse_are_found_and_none_are_made_up(tmp_path):
    pulse = tmp_path / "pulse.m4a"
    # A short tone every half second, from 0.2 s on: 120 beats a minute.
    ffmpeg("-f", "lavfi", "-i", "aevalsrc='sin(2000*t)*lt(mod(t-0.2+0.5,0.5),0.03)':d=8:s=44100", str(pulse))
    beats = find_beats(pulse, 118)
    assert len(beats) in {15, 16}
    assert all(min((beat - 0.2) % 0.5, (0.2 - beat) % 0.5) < 0.06 for beat in beats), beats
    even = tmp_path / "even.m4a"
    ffmpeg("-f", "lavfi", "-i", "sine=frequency=440:duration=8", str(even))
    assert find_beats(even, 118) == ()
