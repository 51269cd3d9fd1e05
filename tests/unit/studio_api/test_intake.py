"""Files on their way in: multipart bodies cut anywhere, limits, and addresses to fetch."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from studio.errors import BadRequest, FileTooLarge, UnsupportedFile
from studio.intake import MultipartIntake, check_suffix, fetch


def body(*parts, end=b"--B--\r\n"):
    pieces = [
        b'--B\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n' % part
        for part in parts
    ]
    return b"".join(pieces) + end


def take(folder, raw, max_bytes=1_000, cut=64):
    async def chunks():
        for at in range(0, len(raw), cut):
            yield raw[at : at + cut]

    async def run():
        return await MultipartIntake(folder, max_bytes, b"B").take(chunks())

    return asyncio.run(run())


@settings(deadline=None, max_examples=60)
@given(contents=st.lists(st.binary(max_size=300), min_size=1, max_size=3), cut=st.integers(1, 400))
def test_files_arrive_whole_however_the_body_is_cut(tmp_path_factory, contents, cut):
    folder = tmp_path_factory.mktemp("intake")
    parts = [(b"files", b"clip %d.mp4" % index, content) for index, content in enumerate(contents)]
    assume(all(b"--B" not in content for content in contents))
    arrived = take(folder, body(*parts), cut=cut)
    assert [item.path.read_bytes() for item in arrived] == contents
    assert [item.sha256 for item in arrived] == [hashlib.sha256(content).hexdigest() for content in contents]


@pytest.mark.parametrize(
    ("raw", "error", "says"),
    [
        (body((b"file", b"a.mp4", b"x")), BadRequest, "Unknown field file; .* named files"),
        (body((b"files", b"a.exe", b"x")), UnsupportedFile, r"a\.exe is not an accepted type"),
        (body((b"files", b"a.mp4", b"x" * 1001)), FileTooLarge, r"a\.mp4 is larger"),
        (body((b"files", b"a.mp4", b"x"), (b"files", b"b.mp4", b"x" * 1001)), FileTooLarge, r"b\.mp4"),
        (body((b"files", b"a.mp4", b"x"), end=b""), BadRequest, "ended too early"),
        (b"--B--\r\n", BadRequest, "no field named files"),
        (b"nonsense", BadRequest, "malformed"),
        (b'--B\r\nContent-Disposition: form-data; name="files"\r\n\r\nx\r\n--B--', BadRequest, "filename"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_stays(tmp_path, raw, error, says):
    with pytest.raises(error, match=says):
        take(tmp_path, raw)
    assert list(tmp_path.iterdir()) == []


def test_names_are_words_and_not_paths(tmp_path):
    arrived = take(
        tmp_path, body((b"files", b"../../etc/pass wd.MP4", b"x"), (b"files", b"C:\\\\x\\\\y.mov", b"x"))
    )
    assert [item.filename for item in arrived] == ["pass wd.MP4", "y.mov"]
    assert {item.path.parent for item in arrived} == {tmp_path}
    assert [item.path.suffix for item in arrived] == [".mp4", ".mov"]


@pytest.mark.parametrize("name", ["clip", "clip.", ".mp4", "clip.mp4.txt", "clip.wmv", ""])
def test_names_of_other_types_are_refused(name):
    with pytest.raises(UnsupportedFile):
        check_suffix(name)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd.mp4",
        "ftp://example.org/a.mp4",
        "http:///a.mp4",
        "clip.mp4",
        "http://[::1",
        "",
        "http://\x00/",
    ],
)
def test_only_http_addresses_are_fetched(tmp_path, url):
    with pytest.raises(BadRequest, match="urls"):
        fetch(url, tmp_path, 1_000, allow_private=True)
    assert list(tmp_path.iterdir()) == []
