import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.analyse import Findings, look
from studio.errors import UnreadableMedia
from studio.media import probe

pytestmark = pytest.mark.integration

Media = Callable[[str], Path]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("mp4", ("video", "mp4", 2.0, 320, 180, True)),
        ("mov", ("video", "mov", 2.0, 320, 180, True)),
        ("avi", ("video", "avi", 2.04, 320, 180, True)),
        ("webm-vp8", ("video", "webm", 2.0, 320, 180, True)),
        ("webm-vp9", ("video", "webm", 2.0, 320, 180, True)),
        ("mkv-silent", ("video", "mkv", 2.0, 320, 180, False)),
        ("turned", ("video", "mp4", 2.0, 180, 320, True)),
        ("odd", ("video", "avi", 1.0, 321, 181, True)),
        ("one-frame", ("video", "mp4", 0.04, 320, 180, False)),
        ("cover", ("audio", "mp3", 2.0, 0, 0, True)),
        ("wav", ("audio", "wav", 2.0, 0, 0, True)),
        ("m4a", ("audio", "mp4", 2.0, 0, 0, True)),
        ("png", ("image", "png", 0.0, 300, 201, False)),
        ("jpg", ("image", "jpg", 0.0, 300, 201, False)),
        ("webp", ("image", "webp", 0.0, 300, 201, False)),
        ("gif", ("video", "gif", 1.0, 320, 180, False)),
        ("still-gif", ("image", "gif", 0.0, 320, 180, False)),
    ],
)
def test_what_a_file_is(media: Media, kind: str, expected: tuple[object, ...]) -> None:
    info = probe(media(kind))
    assert (info.kind, info.container) == expected[:2]
    assert info.duration_s == pytest.approx(expected[2], abs=0.05)
    assert (info.width, info.height, info.has_audio) == expected[3:]
    assert info.has_video == (info.kind != "audio")


def test_rates_and_codecs(media: Media) -> None:
    info = probe(media("mp4"))
    assert (info.fps, info.video_codec, info.audio_codec, info.rotation) == (25.0, "h264", "aac", 0)
    assert abs(probe(media("turned")).rotation) == 90


def test_a_file_that_is_no_media_is_one_clear_line(media: Media, tmp_path: Path) -> None:
    whole = media("mp4").read_bytes()
    bad = {
        "text.mp4": b"hello there\n" * 200,
        "empty.mp4": b"",
        "cut.mp4": whole[:3000],
        "zeros.mov": bytes(9000),
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableMedia, match=name) as caught:
            probe(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(UnreadableMedia, match="cannot be opened"):
        probe(tmp_path / "missing.mp4")


def _scenes(ffmpeg, out: Path, size: str, lengths: tuple[float, ...], *options: object) -> Path:  # type: ignore[no-untyped-def] # the fixture's class lives in conftest
    pictures = ("testsrc2", "smptehdbars", "testsrc")
    inputs, names = [], ""
    for n, length in enumerate(lengths):
        inputs += ["-f", "lavfi", "-t", length, "-i", f"{pictures[n % 3]}=s={size}:r=30,format=yuv420p"]
        names += f"[{n}:v]"
    ffmpeg.run(
        *inputs, "-filter_complex", f"{names}concat=n={len(lengths)}:v=1", "-c:v", "libx264", "-preset",
        "veryfast", "-pix_fmt", "yuv420p", *options, out,
    )  # fmt: skip
    return out


@pytest.mark.parametrize("options", [(), ("-g", 25, "-sc_threshold", 0)], ids=["free", "fixed-keyframes"])
@pytest.mark.parametrize("size", ["320x180", "1280x720"])
def test_cuts_are_found(ffmpeg, tmp_path: Path, size: str, options: tuple[object, ...]) -> None:  # type: ignore[no-untyped-def] # as above
    path = _scenes(ffmpeg, tmp_path / "cuts.mp4", size, (2.4, 4.2, 2.0), *options)
    found = look(path, probe(path))
    assert found.cuts_s == pytest.approx((2.4, 6.6), abs=0.09)


def test_light_and_colour(ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    found = {}
    for colour in ("black", "white", "red"):
        path = tmp_path / f"{colour}.mp4"
        ffmpeg.run("-f", "lavfi", "-i", f"color={colour}:s=64x64:d=1", "-pix_fmt", "yuv420p", path)
        found[colour] = look(path, probe(path))
    assert found["black"].brightness < 0.1
    assert found["white"].brightness > 0.85
    assert found["white"].saturation < 0.05
    assert found["red"].saturation > 0.5
    assert found["red"].motion == 0.0


def test_speech_silence_and_loudness(ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    path = ffmpeg.spoken(tmp_path / "spoken.mp4")
    found = look(path, probe(path))
    assert len(found.speech_s) == 1
    assert found.speech_s[0] == pytest.approx((4.0, 8.0), abs=0.3)
    assert [round(start) for start, _ in found.silence_s] == [0, 8]
    assert found.loudness_lufs == pytest.approx(ffmpeg.loudness(path).lufs, abs=1.0)
    assert Findings.from_dict(found.as_dict()) == found


def test_the_tempo_of_music_is_heard(ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    path = tmp_path / "beat.wav"
    ffmpeg.run("-f", "lavfi", "-i", "aevalsrc='sin(2*PI*200*t)*exp(-18*mod(t,0.5))':d=12:s=44100", path)
    assert look(path, probe(path)).tempo_bpm == pytest.approx(120, rel=0.03)


def test_odd_media_is_looked_at_without_complaint(media: Media, tmp_path: Path) -> None:
    for kind in ("one-frame", "half-second", "png", "gif", "still-gif", "cover", "odd", "ten-bit"):
        assert isinstance(look(media(kind), probe(media(kind))), Findings)
    info = probe(media("mp4"))
    (tmp_path / "gone.mp4").write_bytes(b"not media")
    assert look(tmp_path / "gone.mp4", info) == Findings(duration_s=info.duration_s)


def test_looking_takes_less_than_a_tenth_of_the_clip(ffmpeg, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # as above
    path = _scenes(ffmpeg, tmp_path / "hd.mp4", "1920x1080", (2.0, 1.5, 2.0))
    info = probe(path)
    began_s = time.process_time()
    look(path, info)
    assert time.process_time() - began_s < 0.1 * info.duration_s
