"""``dropscore preview``: real excerpts under real music."""

import av
import pytest

from cli.errors import Unusable
from cli.preview import preview_clip
from studio.preview import cut_excerpt

pytestmark = pytest.mark.integration


def test_each_mood_is_a_film_of_the_excerpt_and_the_next_command_is_told(tmp_path, clip, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inbox").mkdir()
    source = tmp_path / "inbox" / "my clip.mp4"
    source.write_bytes(clip.read_bytes())
    made = preview_clip(source, "calm, 80s synth", None, 0.0)
    assert [one.mood for one in made.previews] == ["calm", "80s synth"]
    assert sorted(path.name for path in (tmp_path / "previews").iterdir()) == [
        "my clip.80s-synth.mp4", "my clip.calm.mp4",
    ]  # fmt: skip
    with av.open(str(clip)) as before, av.open(made.previews[0].path) as after:
        assert after.streams.video
        assert after.streams.audio
        assert after.duration / 1e6 == pytest.approx(min(15.0, before.duration / 1e6), abs=0.2)
    assert list(made.lines())[-1] == "dropscore run inbox -i 'add calm background music'"


@pytest.mark.parametrize(
    ("name", "moods", "words"),
    [("gone.mp4", "calm", "no such file"), ("text.mp4", "calm", "text.mp4"), ("text.mp4", " , ", "--moods")],
)
def test_what_cannot_be_previewed_is_one_line(tmp_path, name, moods, words):
    (tmp_path / "text.mp4").write_text("only words")
    with pytest.raises(Unusable, match=words):
        preview_clip(tmp_path / name, moods, tmp_path / "out", 0.0)


def test_an_excerpt_is_as_long_as_it_was_asked_for(tmp_path, clip):
    short = cut_excerpt(clip, tmp_path, 0.0, 1.0)
    with av.open(str(short)) as film:
        assert film.duration / 1e6 == pytest.approx(1.0, abs=0.15)
