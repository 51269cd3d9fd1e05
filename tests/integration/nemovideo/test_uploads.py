"""Uploads against a real server: as the contract says, refused, stopped; large files in constant memory."""

import hashlib
import os
import subprocess
import sys
import textwrap
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

import nemovideo
from nemovideo import errors

pytestmark = pytest.mark.integration

UPLOAD = "/api/upload-video/nemo_agent/me/s1"
FILE = {"filename": "v.mp4", "file_type": "video", "cdn_url": "https://c/v", "hash": "abc", "duration": 1}
VIDEO = os.urandom(300_000)
DONE = nemovideo.Downloaded(hashlib.sha256(VIDEO).hexdigest(), len(VIDEO))


def test_an_upload(backend: Any, client: nemovideo.NemoVideo, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(VIDEO)
    backend.on("POST", UPLOAD, backend.ok(files=[FILE], session_state_applied=True))
    sent: list[int] = []
    found = client.upload_file("s1", path, filename='a "b"\n夏.mp4', on_bytes=sent.append)
    assert (found.sha256, found.size_bytes) == (DONE.sha256, DONE.size_bytes)
    assert found.files[0].cdn_url == "https://c/v" and found.state_applied
    assert sent[-1] == len(VIDEO)
    (seen,) = backend.seen
    head = f"Content-Type: {seen.headers['content-type']}\r\n\r\n".encode()
    (content,) = BytesParser().parsebytes(head + seen.body).get_payload()
    assert content.get_param("name", header="content-disposition") == "files"
    assert content.get_payload(decode=True) == VIDEO
    assert int(seen.headers["content-length"]) == len(seen.body)


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (200, {"code": 4001}, errors.UnsupportedFile),
        (413, {"code": 4002}, errors.FileTooLarge),
        (413, {}, errors.FileTooLarge),
        (404, {"code": 1002}, errors.SessionNotFound),
        (200, {"code": 0, "data": {"files": []}}, errors.BadAnswer),
    ],
)
def test_an_upload_refused(
    backend: Any, client: nemovideo.NemoVideo, tmp_path: Path, status: int, document: Any, kind: type
) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(VIDEO)
    backend.on("POST", UPLOAD, backend.json(document, status))
    with pytest.raises(kind):
        client.upload_file("s1", path, filename="v.mp4")
    assert len(backend.seen) == 1


def test_an_upload_is_not_repeated_when_its_answer_is_lost(
    backend: Any, client: nemovideo.NemoVideo, tmp_path: Path
) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(VIDEO)
    backend.on("POST", UPLOAD, backend.raw(0, {}, [backend.reset]))
    with pytest.raises(errors.ConnectionLost) as caught:
        client.upload_file("s1", path, filename="v.mp4")
    assert not caught.value.outcome_unknown
    assert len(backend.seen) == 1


def test_an_upload_with_a_refused_token_is_sent_again_whole(
    backend: Any, make_client: Any, tmp_path: Path
) -> None:
    class Tokens:
        anonymous, user_id = True, None

        def bearer(self) -> str:
            return "nmv_old"

        def refresh(self, bad: str) -> str:
            assert bad == "nmv_old"
            return "nmv_new"

    path = tmp_path / "v.mp4"
    path.write_bytes(VIDEO)
    backend.on("POST", UPLOAD, backend.json({"code": 1001}, 401), backend.ok(files=[FILE]))
    found = make_client(backend.url, tokens=Tokens()).upload_file("s1", path, filename="v.mp4")
    assert found.sha256 == DONE.sha256
    assert [seen.headers["authorization"] for seen in backend.seen] == ["Bearer nmv_old", "Bearer nmv_new"]
    assert all(VIDEO in seen.body for seen in backend.seen)


def test_an_upload_stops_on_request(backend: Any, client: nemovideo.NemoVideo, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(VIDEO)
    sent: list[int] = []
    with pytest.raises(errors.Stopped):
        client.upload_file("s1", path, filename="v.mp4", on_bytes=sent.append, should_stop=lambda: bool(sent))


SIZE_MB = 64
MEMORY_PROBE = """
import http.server, os, pathlib, resource, sys, threading
import nemovideo

size = {size} * 1024 * 1024
folder = pathlib.Path(sys.argv[1])

class Peer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        block = bytes(65536)
        for _ in range(size // len(block)):
            self.wfile.write(block)

    def do_POST(self):
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        body = b'{{"code":0,"data":{{"files":[{{"filename":"v"}}]}}}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{{server.server_address[1]}}"
source = folder / "big.mp4"
source.touch()
os.truncate(source, size)
peak_kb = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with nemovideo.http_client(4) as http:
    client = nemovideo.NemoVideo(
        nemovideo.Endpoint(api_url=url),
        nemovideo.Attribution("a", "1", "x"),
        nemovideo.UserToken("nmv_x"),
        http,
    )
    small = folder / "small.mp4"
    small.write_bytes(b"x")
    client.upload_file("s", small, filename="small.mp4")
    before = peak_kb()
    assert client.upload_file("s", source, filename="big.mp4").size_bytes == size
    render = nemovideo.Render("r", nemovideo.RenderStatus.COMPLETED)
    assert client.download(render, folder / "big.part").size_bytes == size
    print(peak_kb() - before)
server.shutdown()
server.server_close()
"""


def test_large_files_pass_in_constant_memory(tmp_path: Path) -> None:
    probe = textwrap.dedent(MEMORY_PROBE).format(size=SIZE_MB)
    ran = subprocess.run(
        [sys.executable, "-c", probe, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    growth_kb = int(ran.stdout) / (1024 if sys.platform == "darwin" else 1)
    assert growth_kb < 32 * 1024
