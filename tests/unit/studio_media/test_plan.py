from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from studio.analyse import Findings
from studio.errors import RenderFailed
from studio.media import MediaInfo
from studio.music.compose import Composed, MusicSpec
from studio.music.recording import Recording
from studio.render.picture import can_copy, canvas_of
from studio.render.plan import Clip, Fit, Plan, Source, Title, read_plan


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of grey picture without sound."""
    path = tmp_path_factory.mktemp("film") / "grey.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(25):
            grey = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8), format="rgb24")
            container.mux(stream.encode(grey))
        container.mux(stream.encode())
    return path


def _draft(*music: dict[str, Any], **meta: Any) -> dict[str, Any]:
    tracks: list[dict[str, Any]] = [{"tt": 0, "sg": [{"d": 1000, "m": {"media": "a", **meta}}]}]
    tracks += [{"tt": 1, "m": {"kind": "bgm"}, "sg": [{"d": 1000, "m": m}]} for m in music]
    return {"t": tracks, "d": 1000, "m": {}}


def test_a_draft_is_read(film: Path) -> None:
    music = {
        "mood": "epic", "bpm": 96, "seed": 12, "volume": 0.5, "start": 250,
        "fade_in_ms": 100, "fade_out_ms": 300, "duck": False, "without": ["Drums"],
    }  # fmt: skip
    draft = _draft(music, volume=0.25, fit="blur")
    draft["t"].append({"tt": 7, "sg": [{"d": 500, "m": {"text": "Hello", "start": 100}}]})
    plan = read_plan(draft, {"a": film})
    assert (plan.pictures[0].volume, plan.pictures[0].fit, plan.length_s) == (0.25, "blur", 1.0)
    assert plan.sounds == ()
    bed = plan.beds[0]
    assert bed.piece == Composed(MusicSpec("epic", 96.0, 12, (), frozenset({"drums"})))
    assert (bed.start_s, bed.length_s, bed.volume, bed.duck) == (0.25, 0.75, 0.5, False)
    assert (bed.fade_in_s, bed.fade_out_s) == (0.1, 0.3)
    assert plan.titles == (Title("Hello", 0.1, 0.5),)


def test_what_a_draft_leaves_open_is_chosen_and_stays_the_same(film: Path) -> None:
    first, again = (read_plan(_draft({}), {"a": film}).beds[0] for _ in range(2))
    assert first == again
    assert first.piece.spec.mood == "sad"  # a grey, still picture
    assert first.volume == 0.35
    assert first.duck


def test_a_song_of_the_library_is_played_as_the_draft_says(film: Path) -> None:
    song = {"song": "b.wav", "first_bar_ms": 250, "bar_ms": 2000, "song_ms": 90_000}
    plan = read_plan(_draft(song), {"a": film, "b.wav": Path("b.wav")})
    assert plan.beds[0].piece == Recording(Path("b.wav"), 0.25, 2.0, 90.0)
    with pytest.raises(RenderFailed, match="is no longer in the music folder"):
        read_plan(_draft(song), {"a": film})
    with pytest.raises(RenderFailed, match="too short for a bar"):
        read_plan(_draft({**song, "bar_ms": 0}), {"a": film, "b.wav": Path("b.wav")})


def test_cuts_and_joins_go_to_the_music(film: Path) -> None:
    draft = _draft({"mood": "calm", "start": 100})
    draft["t"][0]["sg"].append({"d": 500, "m": {"media": "a", "in": 200}})
    draft["d"] = 1500
    draft["m"]["findings"] = {"a": Findings(cuts_s=(0.5, 0.9)).as_dict()}
    plan = read_plan(draft, {"a": film})
    assert [clip.start_s for clip in plan.pictures] == [0.0, 1.0]
    assert plan.beds[0].piece.spec.cuts_s == pytest.approx((0.4, 0.8, 0.9))


@pytest.mark.parametrize(
    ("draft", "says"),
    [
        ({"t": [], "d": 0}, "no picture and no sound"),
        ({"d": 1000}, "no picture and no sound"),
        ({"t": [{"tt": 0, "sg": [{"d": 1, "m": {"media": "gone"}}]}]}, "gone, which was not uploaded"),
        ({"t": 7}, "the draft cannot be read"),
        ({"t": [{"tt": 0, "sg": [{"d": "x", "m": {"media": "a"}}]}]}, "the draft cannot be read"),
    ],
)
def test_a_draft_that_cannot_be_rendered_says_why_in_one_line(
    film: Path, draft: dict[str, Any], says: str
) -> None:
    with pytest.raises(RenderFailed, match=says) as caught:
        read_plan(draft, {"a": film})
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_media_fails_the_plan(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("hello")
    with pytest.raises(RenderFailed, match=r"a\.mp4 cannot be read"):
        read_plan(_draft(), {"a": tmp_path / "a.mp4"})


def _plan(info: MediaInfo, *, asked: tuple[int, int] = (0, 0), fit: Fit = "keep", **clip: Any) -> Plan:
    source = Source(Path("a"), info, Findings())
    picture = Clip(source, 0.0, clip.get("offset_s", 0.0), clip.get("length_s", 2.0), 1.0, fit)
    return Plan((picture,), (), (), clip.get("titles", ()), 2.0, *asked)


def _info(width: int, height: int, **other: Any) -> MediaInfo:
    known: dict[str, Any] = {
        "kind": "video", "container": "mp4", "duration_s": 2.0, "fps": 25.0, "has_audio": True,
        "has_video": True, "video_codec": "h264", "pixel_format": "yuv420p",
    }  # fmt: skip
    return MediaInfo(width=width, height=height, **(known | other))


@pytest.mark.parametrize(
    ("size", "canvas"),
    [
        ((640, 360), (640, 360)),
        ((3840, 2160), (1920, 1080)),
        ((2160, 3840), (1080, 1920)),
        ((1500, 1500), (1080, 1080)),
        ((321, 181), (320, 180)),
        ((4000, 300), (1920, 144)),
    ],
)
def test_the_canvas_is_even_and_within_bounds(size: tuple[int, int], canvas: tuple[int, int]) -> None:
    assert canvas_of(_plan(_info(*size))) == canvas


def test_the_canvas_is_the_one_asked_for_when_the_picture_is_to_be_fitted() -> None:
    assert canvas_of(_plan(_info(640, 360), asked=(1080, 1920), fit="blur")) == (1080, 1920)
    assert canvas_of(_plan(_info(640, 360), asked=(1080, 1920))) == (640, 360)


def test_a_small_still_is_drawn_larger() -> None:
    assert canvas_of(_plan(_info(16, 9, kind="image"))) == (640, 360)


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_a_stream_that_fits_is_copied(container: str) -> None:
    assert can_copy(_plan(_info(1080, 1920, container=container)))


@pytest.mark.parametrize(
    "plan",
    [
        _plan(_info(640, 360, video_codec="vp9")),
        _plan(_info(640, 360, pixel_format="yuv420p10le")),
        _plan(_info(640, 360, pixel_format="yuv444p")),
        _plan(_info(640, 360, rotation=90)),
        _plan(_info(640, 360, container="avi")),
        _plan(_info(640, 360, fps=120.0)),
        _plan(_info(3840, 2160)),
        _plan(_info(641, 360)),
        _plan(_info(640, 360), offset_s=0.5, length_s=1.5),
        _plan(_info(640, 360), length_s=1.0),
        _plan(_info(640, 360), titles=(Title("a", 0, 1),)),
        _plan(_info(640, 360), asked=(360, 640), fit="crop"),
    ],
)
def test_all_else_is_drawn_anew(plan: Plan) -> None:
    assert not can_copy(plan)
