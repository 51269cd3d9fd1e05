import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from studio.analyse.samples import Meter
from studio.errors import RenderCancelled, RenderFailed
from studio.media import probe
from studio.music.compose import MusicSpec, beats_of
from studio.music.moods import MOODS
from studio.render import render
from tests.patience import allow

pytestmark = pytest.mark.integration

Media = Callable[[str], Path]
RATE = 48_000


def draft_of(
    path: Path, *, title: str = "", fit: str = "keep", volume: float = 1.0, **music: Any
) -> dict[str, Any]:
    info = probe(path)
    length_ms = round(info.duration_s * 1000) or 3000
    own = {"d": length_ms, "m": {"media": "a", "start": 0, "in": 0, "volume": volume, "fit": fit}}
    tracks: list[dict[str, Any]] = [
        {"tt": 1 if info.kind == "audio" else 0, "m": {"kind": "source"}, "sg": [own]}
    ]
    bed = {"mood": "calm", "seed": 7, "volume": 0.35, "start": 0, "fade_out_ms": 500, "duck": True}
    tracks.append({"tt": 1, "m": {"kind": "bgm"}, "sg": [{"d": length_ms, "m": bed | music}]})
    if title:
        tracks.append({"tt": 7, "m": {}, "sg": [{"d": 1000, "m": {"text": title, "start": 500}}]})
    return {"t": tracks, "d": length_ms, "m": {"title": path.stem, "width": 320, "height": 180}}


def rendered(path: Path, out: Path, draft: dict[str, Any] | None = None, *, small: bool = False) -> Path:
    told: list[float] = []
    media = {"a": path}
    render(draft or draft_of(path), media, out, small=small, progress=told.append, cancelled=lambda: False)
    assert told == sorted(told)
    assert told[-1] == 100.0
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    return out


def _level_db(sound: np.ndarray, from_s: float, to_s: float) -> float:
    part = sound[int(from_s * RATE) : int(to_s * RATE)]
    return float(10 * np.log10(np.mean(part**2) + 1e-12))


def _loudness_lufs(sound: np.ndarray, from_s: float, to_s: float) -> float:
    meter = Meter(RATE, with_peaks=False)
    meter.take(sound[int(from_s * RATE) : int(to_s * RATE)].reshape(-1, 2).astype(np.float32))
    return meter.lufs()


def _frame(path: Path, at_s: float) -> np.ndarray:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= at_s:
                return frame.to_ndarray(format="rgb24").astype(int)
    raise AssertionError("no such frame")


KINDS = [
    "mp4", "mov", "avi", "webm-vp8", "webm-vp9", "mkv-silent", "turned", "4k", "odd", "ten-bit", "fast",
    "half-second", "one-frame", "cover", "wav", "m4a", "png", "jpg", "webp", "tiny", "gif", "still-gif",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_a_playable_mp4(media: Media, ffmpeg, tmp_path: Path, kind: str) -> None:  # type: ignore[no-untyped-def] # the fixture's class lives in conftest
    source = probe(media(kind))
    out = rendered(media(kind), tmp_path / "out.mp4")
    info = probe(out)
    assert (info.kind, info.container, info.video_codec, info.audio_codec) == ("video", "mp4", "h264", "aac")
    assert info.pixel_format in {"yuv420p", "yuvj420p"}
    assert info.duration_s == pytest.approx(source.duration_s or 3.0, abs=0.1)
    assert info.width % 2 == info.height % 2 == info.rotation == 0
    assert max(info.width, info.height) <= 1920 and min(info.width, info.height) <= 1080
    assert info.fps <= 60.5
    if source.duration_s >= 0.5 or source.kind == "image":
        loudness = ffmpeg.loudness(out)
        assert loudness.lufs == pytest.approx(-14.0, abs=1.0)
        assert loudness.peak_dbtp <= -1.0


@pytest.mark.parametrize("kind", ["mp4", "mov", "mkv-silent"])
def test_a_picture_that_fits_is_copied(media: Media, ffmpeg, tmp_path: Path, kind: str) -> None:  # type: ignore[no-untyped-def] # as above
    out = rendered(media(kind), tmp_path / "out.mp4")
    assert ffmpeg.picture_packets(out) == ffmpeg.picture_packets(media(kind))


def test_a_turned_picture_stands_upright(media: Media, tmp_path: Path) -> None:
    info = probe(rendered(media("turned"), tmp_path / "out.mp4"))
    assert (info.width, info.height, info.rotation) == (180, 320, 0)


def test_the_file_begins_with_its_index(media: Media, tmp_path: Path) -> None:
    content = rendered(media("mp4"), tmp_path / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_same_draft_gives_the_same_sound(media: Media, ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = ffmpeg.sound(rendered(media("mkv-silent"), tmp_path / "a" / "out.mp4"))
    again = ffmpeg.sound(rendered(media("mkv-silent"), tmp_path / "b" / "out.mp4"))
    assert np.array_equal(first, again)


def test_music_goes_down_under_speech(ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    spoken = ffmpeg.spoken(tmp_path / "spoken.mp4")
    levels = {}
    for duck in (True, False):
        (tmp_path / str(duck)).mkdir()
        # The voice so low that only the music is heard.
        draft = draft_of(spoken, volume=0.0001, duck=duck, mood="dark", fade_out_ms=0)
        sound = ffmpeg.sound(rendered(spoken, tmp_path / str(duck) / "out.mp4", draft))
        levels[duck] = _level_db(sound, 4.3, 7.7) - _level_db(sound, 0.5, 3.3)
    assert levels[True] == pytest.approx(levels[False] - 12.0, abs=1.5)


def test_speech_stands_at_least_12_db_above_the_music(ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    spoken = ffmpeg.spoken(tmp_path / "spoken.mp4")
    (tmp_path / "out").mkdir()
    draft = draft_of(spoken, fade_out_ms=0, volume=1.0, mood="dark")
    sound = ffmpeg.sound(rendered(spoken, tmp_path / "out" / "out.mp4", draft))
    bed_db = _level_db(sound, 0.5, 3.3) - 12.0  # what the music alone has outside of speech, ducked
    assert _level_db(sound, 4.3, 7.7) - bed_db >= 12.0
    assert _level_db(sound, 0.5, 3.3) > -40.0


@pytest.mark.parametrize("volume", [0.35, 1.0])
def test_a_clip_without_sound_gets_music_that_is_heard(
    media: Media, ffmpeg, tmp_path: Path, volume: float
) -> None:  # type: ignore[no-untyped-def] # as above
    sound = ffmpeg.sound(
        rendered(media("mkv-silent"), tmp_path / "o.mp4", draft_of(media("mkv-silent"), volume=volume))
    )
    assert _level_db(sound, 0.0, 1.5) > -30.0


@pytest.mark.parametrize(("volume", "lufs"), [(1.0, -14.0), (0.35, -14.8), (0.1, -25.7)])
def test_the_volume_of_music_is_heard_where_there_is_no_other_sound(
    media: Media, ffmpeg, tmp_path: Path, volume: float, lufs: float
) -> None:  # type: ignore[no-untyped-def] # as above
    draft = draft_of(media("mkv-silent"))
    draft["t"][1]["sg"][0]["m"]["volume"] = volume
    out = rendered(media("mkv-silent"), tmp_path / "o.mp4", draft)
    assert ffmpeg.loudness(out).lufs == pytest.approx(lufs, abs=0.6)


def test_music_fades_and_keeps_to_its_window(media: Media, ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    draft = draft_of(media("png"), mood="dreamy", start=1000, fade_in_ms=800, fade_out_ms=800)
    draft["t"][1]["sg"][0]["d"] = 1500
    sound = ffmpeg.sound(rendered(media("png"), tmp_path / "out.mp4", draft))
    assert _level_db(sound, 0.0, 0.9) < -80.0
    assert _level_db(sound, 2.6, 2.9) < -80.0
    assert _level_db(sound, 1.0, 1.1) < _level_db(sound, 1.7, 1.8) - 6.0
    assert _level_db(sound, 2.4, 2.5) < _level_db(sound, 1.7, 1.8) - 6.0


def test_music_is_louder_after_its_drop_than_before(media: Media, ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    draft = draft_of(media("png"), mood="epic", fade_out_ms=0)
    draft["d"] = draft["t"][0]["sg"][0]["d"] = 16_000
    (whole,) = draft["t"][1]["sg"]
    before = {"d": 8_000, "m": whole["m"] | {"without": ["drums", "bass"]}}
    draft["t"][1]["sg"] = [before, {"d": 8_000, "m": whole["m"] | {"start": 8_000}}]
    sound = ffmpeg.sound(rendered(media("png"), tmp_path / "out.mp4", draft))
    before_lufs, after_lufs = (_loudness_lufs(sound, at_s, at_s + 7.0) for at_s in (0.5, 8.5))
    assert after_lufs > before_lufs + 1.0


def test_muting_takes_the_original_out(media: Media, ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    draft = draft_of(media("mp4"), volume=0.0)
    draft["t"].pop(1)
    assert _level_db(ffmpeg.sound(rendered(media("mp4"), tmp_path / "out.mp4", draft)), 0.0, 2.0) < -80.0


@pytest.mark.parametrize("mood", sorted(MOODS))
@pytest.mark.parametrize("kind", ["half-second", "mkv-silent"])
def test_every_mood_is_in_range(media: Media, ffmpeg, tmp_path: Path, mood: str, kind: str) -> None:  # type: ignore[no-untyped-def] # as above
    out = rendered(media(kind), tmp_path / "out.mp4", draft_of(media(kind), mood=mood, volume=1.0))
    loudness = ffmpeg.loudness(out)
    assert loudness.lufs == pytest.approx(-14.0, abs=1.0)
    assert loudness.peak_dbtp <= -1.0


def test_a_title_is_seen_while_it_lasts(media: Media, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "titled").mkdir()
    plain = rendered(media("avi"), tmp_path / "plain" / "out.mp4")
    titled = rendered(
        media("avi"), tmp_path / "titled" / "out.mp4", draft_of(media("avi"), title="Urban Dreams")
    )
    during, after = (np.abs(_frame(titled, at) - _frame(plain, at)).mean() for at in (1.0, 1.8))
    assert during > 2.5 * after


def test_a_first_look_is_small_unless_its_picture_is_copied(media: Media, tmp_path: Path) -> None:
    for name in ("drawn", "copied"):
        (tmp_path / name).mkdir()
    draft = draft_of(media("mp4"), fit="crop", title="Urban Dreams")
    draft["m"].update(width=1080, height=1920)
    drawn = rendered(media("mp4"), tmp_path / "drawn" / "out.mp4", draft, small=True)
    assert (probe(drawn).width, probe(drawn).height) == (360, 640)
    copied = rendered(media("mp4"), tmp_path / "copied" / "out.mp4", small=True)
    assert (probe(copied).width, probe(copied).height) == (320, 180)


@pytest.mark.parametrize(("fit", "edge"), [("crop", "picture"), ("pad", "black"), ("blur", "picture")])
def test_another_shape(media: Media, tmp_path: Path, fit: str, edge: str) -> None:
    draft = draft_of(media("mp4"), fit=fit)
    draft["m"].update(width=360, height=640)
    out = rendered(media("mp4"), tmp_path / "out.mp4", draft)
    assert (probe(out).width, probe(out).height) == (360, 640)
    top = _frame(out, 1.0)[:40].mean()
    assert top < 3 if edge == "black" else top > 10


def test_clips_are_joined_and_trimmed(media: Media, tmp_path: Path) -> None:
    def segment(name: str, start: int, begin: int, length: int) -> dict[str, Any]:
        return {"d": length, "m": {"media": name, "start": start, "in": begin, "volume": 1.0, "fit": "keep"}}

    film = [segment("a", 0, 500, 1000), segment("b", 1000, 0, 1500), segment("c", 2500, 0, 1000)]
    bed = {"d": 3500, "m": {"mood": "happy", "seed": 1}}
    draft = {
        "t": [{"tt": 0, "sg": film}, {"tt": 1, "sg": [bed]}], "d": 3500, "m": {"width": 320, "height": 180},
    }  # fmt: skip
    files = {"a": media("mp4"), "b": media("turned"), "c": media("png")}
    out = tmp_path / "out.mp4"
    render(draft, files, out, progress=lambda _: None, cancelled=lambda: False)
    info = probe(out)
    assert (info.width, info.height) == (320, 180)
    assert info.duration_s == pytest.approx(3.5, abs=0.1)
    assert _frame(out, 2.0)[:, :60].mean() < 3  # the upright clip stands between bars


def test_the_picture_holds_while_sound_goes_on(media: Media, ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    both = tmp_path / "both.mkv"
    ffmpeg.run(
        "-i",
        media("webm-vp8"),
        "-f",
        "lavfi",
        "-i",
        "sine=d=4",
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c:v",
        "copy",
        both,
    )
    (tmp_path / "out").mkdir()
    out = rendered(both, tmp_path / "out" / "out.mp4")
    assert probe(out).duration_s == pytest.approx(4.0, abs=0.1)
    assert _frame(out, 3.8).mean() > 10


def test_cancelling_ends_a_render_soon_and_leaves_nothing(media: Media, tmp_path: Path) -> None:
    stop = threading.Event()
    draft = draft_of(media("png"))
    for track in draft["t"]:
        track["sg"][0]["d"] = 120_000
    draft["d"] = 120_000
    timer = threading.Timer(3.0, stop.set)
    timer.start()
    with pytest.raises(RenderCancelled):
        render(draft, {"a": media("png")}, tmp_path / "o.mp4", progress=lambda _: None, cancelled=stop.is_set)
    timer.join()
    assert list(tmp_path.iterdir()) == []


def test_cancelling_beforehand_does_nothing(media: Media, tmp_path: Path) -> None:
    began_s = time.monotonic()
    with pytest.raises(RenderCancelled):
        render(
            draft_of(media("mp4")),
            {"a": media("mp4")},
            tmp_path / "o.mp4",
            progress=lambda _: None,
            cancelled=lambda: True,
        )
    assert time.monotonic() - began_s < allow(5.0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_one_clear_line(media: Media, tmp_path: Path) -> None:
    with pytest.raises(RenderFailed, match="could not be written") as caught:
        render(
            draft_of(media("mp4")), {"a": media("mp4")}, tmp_path / "gone" / "o.mp4", progress=lambda _: None,
            cancelled=lambda: False,
        )  # fmt: skip
    assert "\n" not in str(caught.value)


def test_ffmpeg_that_cannot_start_is_one_clear_line(
    media: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no-ffmpeg"))
    with pytest.raises(RenderFailed, match="ffmpeg could not be started"):
        render(
            draft_of(media("avi")),
            {"a": media("avi")},
            tmp_path / "o.mp4",
            progress=lambda _: None,
            cancelled=lambda: False,
        )
    assert list(tmp_path.iterdir()) == []


def test_drums_strike_on_the_beats(media: Media, ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    draft = draft_of(
        media("png"), mood="energetic", seed=3, fade_out_ms=0, without=["chords", "bass", "lead"]
    )
    for track in draft["t"]:
        track["sg"][0]["d"] = 8000
    draft["d"] = 8000
    sound = ffmpeg.sound(rendered(media("png"), tmp_path / "out.mp4", draft)).mean(axis=1)
    beats = beats_of(MusicSpec("energetic", seed=3), 8.0)[1:]
    beats = beats[beats < 5.5]  # then the last chord rings out
    before = [_level_db(sound, beat - 0.03, beat - 0.005) for beat in beats]
    on = [_level_db(sound, beat, beat + 0.03) for beat in beats]
    struck = sum(b - a > 6.0 for a, b in zip(before, on, strict=True))
    assert struck >= 0.9 * len(beats)
