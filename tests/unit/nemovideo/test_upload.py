"""Multipart bodies for any file name, and files that may not be sent."""

import hashlib
import os
from collections.abc import Callable
from email.parser import BytesParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemovideo import errors, models
from nemovideo.upload import MultipartFile, build_head, open_source


def body_of(
    path: Path, filename: str, on_bytes: Callable[[int], None] | None = None
) -> tuple[MultipartFile, bytes]:
    with open_source(path) as (file, size_bytes):
        body = MultipartFile(file, size_bytes, filename, on_bytes)
        return body, b"".join(body.iter_chunks())


def test_the_body_is_what_it_says(tmp_path: Path) -> None:
    content = os.urandom(700_000)
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    sent: list[int] = []
    body, wire = body_of(path, "v.mp4", sent.append)
    assert body.headers["Content-Length"] == str(len(wire))
    assert body.sha256 == hashlib.sha256(content).hexdigest()
    assert sent == sorted(sent) and sent[-1] == len(content)
    message = BytesParser().parsebytes(
        f"Content-Type: {body.headers['Content-Type']}\r\n\r\n".encode() + wire
    )
    (part,) = message.get_payload()
    assert part.get_param("name", header="content-disposition") == "files"
    assert part.get_payload(decode=True) == content


def test_an_empty_file_is_sent_as_one(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.touch()
    body, wire = body_of(path, "v.mp4")
    assert body.headers["Content-Length"] == str(len(wire))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_no_name_can_leave_its_line(name: str) -> None:
    head = build_head("b0undary", name)
    lines = head.split(b"\r\n")
    assert len(lines) == 5 and lines[3:] == [b"", b""]
    assert lines[0] == b"--b0undary"
    prefix, suffix = b'Content-Disposition: form-data; name="files"; filename="', b'"'
    assert lines[1].startswith(prefix) and lines[1].endswith(suffix)
    inside = lines[1].removeprefix(prefix)[:-1]
    assert not set(inside) & set(b'"\\\r\n\0')


@pytest.mark.parametrize(
    ("filename", "sent"),
    [
        ("a.jpeg", "a.jpg"),
        ("A.JPEG", "A.jpg"),
        ("a.jpe", "a.jpg"),
        ("a.jpeg.mp4", "a.jpeg.mp4"),
        ("b.png", "b.png"),
    ],
)
def test_a_jpeg_is_sent_under_the_suffix_the_service_lists(tmp_path: Path, filename: str, sent: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x")
    _, wire = body_of(path, filename)
    assert f'filename="{sent}"'.encode() in wire


def test_a_name_in_any_script_is_kept() -> None:
    assert 'filename="夏 🎵.mp4"'.encode() in build_head("b", "夏 🎵.mp4")


def test_a_body_can_be_sent_again_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"x" * 1000)
    with open_source(path) as (file, size_bytes):
        body = MultipartFile(file, size_bytes, "v.mp4")
        assert b"".join(body.iter_chunks()) == b"".join(body.iter_chunks())
        assert body.sha256 == hashlib.sha256(b"x" * 1000).hexdigest()


def test_a_file_that_shrinks_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"x" * 1_000_000)
    with open_source(path) as (file, size_bytes):
        chunks = MultipartFile(file, size_bytes, "v.mp4").iter_chunks()
        next(chunks), next(chunks)
        os.truncate(path, 10)
        with pytest.raises(errors.SourceUnreadable, match="shorter"):
            list(chunks)


def opened(path: Path) -> None:
    with open_source(path):
        pass


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    target = tmp_path / "v.mp4"
    target.write_bytes(b"x")
    (tmp_path / "link.mp4").symlink_to(target)
    os.mkfifo(tmp_path / "pipe.mp4")
    for name in ("link.mp4", "pipe.mp4", "missing.mp4", "."):
        with pytest.raises(errors.SourceUnreadable):
            opened(tmp_path / name)


def test_a_file_over_the_limit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.touch()
    os.truncate(path, models.MAX_FILE_BYTES)
    opened(path)
    os.truncate(path, models.MAX_FILE_BYTES + 1)
    with pytest.raises(errors.FileTooLarge) as caught:
        opened(path)
    assert "trim" in caught.value.advice


def test_an_unreadable_file(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = tmp_path / "v.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(errors.SourceUnreadable):
        opened(path)
