"""What the service takes, told by name and by content, before a credit is spent."""

from pathlib import Path

import pytest

from config.skills import ACCEPTED, MAX_BYTES
from producer import preflight
from producer.errors import Refused
from producer.preflight import extension, is_media_name, is_transport_stream, sniff

NAMES = {"mp3": "tone", "wav": "tone", "m4a": "tone", "aac": "tone"} | dict.fromkeys(
    ("jpg", "png", "gif", "webp"), "still"
)


def look(path: Path, name: str | None = None) -> preflight.Media:
    name = name or path.name
    with path.open("rb") as file:
        return preflight.inspect(file, name, preflight.check_name(name))


def refused(path: Path, name: str | None = None):
    with pytest.raises(Refused) as caught:
        look(path, name)
    return caught.value.problem


@pytest.mark.parametrize("tail", ACCEPTED)
def test_every_accepted_type_passes(media, tail):
    seen = look(media / f"{NAMES.get(tail, 'clip')}.{tail}")
    assert seen.streams
    if seen.kind == "image":
        assert seen.duration_s is None
    elif tail != "aac":  # a bare stream of frames, whose length is an estimate
        assert seen.duration_s == pytest.approx(1.0, abs=0.25)


def test_a_jpeg_is_a_jpg(media, tmp_path):
    there = tmp_path / "photo.JPEG"
    there.write_bytes((media / "still.jpg").read_bytes())
    assert look(there).demuxer == "jpeg_pipe"


def test_text_named_mp4_is_refused_in_words(tmp_path):
    there = tmp_path / "notes.mp4"
    there.write_text("just words\n" * 50)
    problem = refused(there)
    assert (problem.service_code, problem.code) == (4001, "unsupported_file")
    assert problem.message == "notes.mp4: unsupported file: its content is text, not .mp4"
    assert all(tail in problem.advice for tail in ACCEPTED)


def test_a_playlist_named_mp4_is_never_opened_by_ffmpeg(tmp_path):
    there = tmp_path / "list.mp4"
    there.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n")
    assert "text" in refused(there).message


def test_content_of_another_kind_than_its_name_is_refused(media):
    assert "is no video" in refused(media / "still.png", "still.mp4").message
    assert refused(media / "clip.flv", "clip.mp4").message.endswith("its content is FLV video, not .mp4")


@pytest.mark.parametrize("name", ["clip.flv", "clip.ts"])
def test_other_containers_are_refused_by_name(media, name):
    problem = refused(media / name)
    assert problem.service_code == 4001
    assert f"does not take .{name[5:]} files" in problem.message


def test_a_truncated_container_is_unreadable(media, tmp_path):
    there = tmp_path / "cut.mp4"
    there.write_bytes((media / "clip.mp4").read_bytes()[:2000])
    assert refused(there).code == "unreadable_file"


@pytest.mark.parametrize(
    ("size_bytes", "kind"),
    [(0, "empty_file"), (MAX_BYTES + 1, "file_too_large"), (501 * 2**20, "file_too_large")],
)
def test_sizes_that_are_refused(size_bytes, kind):
    with pytest.raises(Refused) as caught:
        preflight.check_size("clip.mp4", size_bytes)
    assert caught.value.problem.code == kind
    assert "clip.mp4" in caught.value.problem.message


@pytest.mark.parametrize("size_bytes", [1, MAX_BYTES])
def test_sizes_that_pass(size_bytes):
    preflight.check_size("clip.mp4", size_bytes)


def test_a_large_file_says_how_large_and_what_to_do():
    with pytest.raises(Refused) as caught:
        preflight.check_size("a b.mov", 501 * 2**20)
    problem = caught.value.problem
    assert problem.message == "a b.mov: 501 MB is too large; the limit is 500 MB"
    assert problem.service_code == 4002
    assert "ompress or trim" in problem.advice


@pytest.mark.parametrize("name", ["README.md", "mp4", ".mp4", "clip.mp4.txt", "a.result.json", "clip."])
def test_names_that_are_no_media(name):
    assert not is_media_name(name)


@pytest.mark.parametrize("name", ["a.MP4", "-x.webm", "ü\n.m4a", "old.wmv", "x.jpeg", "..mp4"])
def test_names_that_are_media(name):
    assert is_media_name(name)


def test_typescript_is_no_transport_stream(media):
    assert not is_transport_stream(b"const G: string = 'G';\n" * 40)
    assert is_transport_stream((media / "clip.ts").read_bytes()[:4096])


def test_frames_without_a_header_are_told_apart(media):
    assert sniff((media / "tone.aac").read_bytes()[:64]) == "aac"
    assert sniff(b"\xff\xfb\x90\x64" + bytes(60)) == "mp3"
    assert sniff(b"") is None
    assert extension("A.JPEG") == "jpg"


def test_a_name_with_a_line_break_stays_one_line():
    with pytest.raises(Refused) as caught:
        preflight.check_size("a\nb\x1b[31m\udcff.mp4", 0)
    assert caught.value.problem.message == r"a\nb\x1b[31m\udcff.mp4: the file is empty (0 bytes)"


def test_an_aac_file_with_a_tag_is_no_mp3(media, tmp_path):
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)
    there = tmp_path / "tagged.aac"
    there.write_bytes(tag + (media / "tone.aac").read_bytes())
    assert look(there).demuxer == "aac"
