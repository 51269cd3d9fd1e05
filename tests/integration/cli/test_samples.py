from itertools import pairwise

import av
import numpy as np
import pytest

from cli.errors import Unusable
from cli.samples import copy_samples

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return copy_samples(tmp_path_factory.mktemp("samples") / "inbox")


def decoded(path):
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return pictures, None
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    return pictures, sound


def test_three_clips_of_five_to_eight_seconds_at_640_by_360(made):
    lengths_s = {"quiet-sky.mp4": 6, "talk.mp4": 7, "two-scenes.mp4": 8}
    assert [path.name for path in made] == [*lengths_s]
    for path in made:
        assert path.stat().st_size < 150_000
        with av.open(str(path)) as container:
            assert container.duration / 1e6 == pytest.approx(lengths_s[path.name], abs=0.1)
            video = container.streams.video[0]
            assert (video.width, video.height, video.codec.name) == (640, 360, "h264")
            assert bool(container.streams.audio) == (path.name != "quiet-sky.mp4")
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
    assert 1.5 <= begins / 7 <= 6  # syllables a second
    assert 0.2 < 1 - loud.mean() < 0.6  # pauses
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    pitches = np.fft.rfftfreq(len(sound), 1 / 48_000)
    assert spectrum[(pitches > 80) & (pitches < 4000)].sum() / spectrum.sum() > 0.95


def test_the_same_clips_each_time_and_none_where_files_are(made, tmp_path):
    again = copy_samples(tmp_path / "inbox")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in made]
    assert copy_samples(tmp_path / "inbox") == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Unusable, match="the samples cannot be written there"):
        copy_samples(tmp_path / "file" / "inbox")
