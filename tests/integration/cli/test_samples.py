from itertools import pairwise

import av
import numpy as np
import pytest

from cli.errors import Unusable
from cli.samples import CLIPS, make

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("samples") / "inbox")


def decoded(path):
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return pictures, None
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    return pictures, sound


def test_three_clips_of_five_to_eight_seconds_at_640_by_360(made):
    assert [path.name for path in made] == [clip.name for clip in CLIPS]
    for path, clip in zip(made, CLIPS, strict=True):
        with av.open(str(path)) as container:
            assert 5 <= clip.length_s <= 8
            assert container.duration / 1e6 == pytest.approx(clip.length_s, abs=0.1)
            video = container.streams.video[0]
            assert (video.width, video.height, video.codec.name) == (640, 360, "h264")
            assert bool(container.streams.audio) == (clip.sound is not None)
    assert [*made[0].parent.glob(".*")] == []


def test_the_picture_moves_in_each_and_is_cut_in_one(made):
    cuts = {}
    for path in made:
        pictures, _ = decoded(path)
        steps = [float(np.abs(b.astype(int) - a).mean()) for a, b in pairwise(pictures)]
        assert np.median(steps) > 0.05, path.name
        cuts[path.name] = [n for n, step in enumerate(steps, 1) if step > 20]
    assert cuts == {"quiet-sky.mp4": [], "talk.mp4": [], "two-scenes.mp4": [100]}


def test_the_voice_has_the_rhythm_of_speech(made):
    _, sound = decoded(made[1])
    loud = np.abs(sound[: len(sound) // 480 * 480].reshape(-1, 480)).max(axis=1) > 0.02  # 10 ms windows
    begins = int(np.count_nonzero(loud[1:] & ~loud[:-1]))
    assert 2.5 <= begins / 7 <= 6  # syllables a second
    assert 0.2 < 1 - loud.mean() < 0.6  # pauses
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    pitches = np.fft.rfftfreq(len(sound), 1 / 48_000)
    assert spectrum[(pitches > 80) & (pitches < 4000)].sum() / spectrum.sum() > 0.95


def test_the_same_clips_each_time_and_none_where_files_are(made, tmp_path):
    again = make(tmp_path / "inbox")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in made]
    assert make(tmp_path / "inbox") == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Unusable, match="the samples cannot be written there"):
        make(tmp_path / "file" / "inbox")
