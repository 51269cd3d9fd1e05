"""Bodies read past the parser: the same bytes, whatever packets they come in."""

import hashlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest

import nemo
from nemo import errors
from nemo.receive import STRAIGHT_BYTES, receive

pytestmark = pytest.mark.integration

VIDEO = os.urandom(STRAIGHT_BYTES + 100_001)
DONE = nemo.Downloaded(hashlib.sha256(VIDEO).hexdigest(), len(VIDEO))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n" % len(VIDEO)
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
CHUNKED = HEAD.replace(b"Content-Length: %d" % len(VIDEO), b"Transfer-Encoding: chunked")
Packets: TypeAlias = list[bytes]


class Wire:
    """A server that sends packets as they are, each by itself, and counts its connections."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: list[Packets] = []
        self.connections = 0
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if context else "http"
        self.url = f"{scheme}://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._context.wrap_socket(plain, server_side=True) if self._context else plain as connection:
            while _asked(connection):
                for packet in self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]:
                    if not packet:
                        return
                    connection.sendall(packet)
                    time.sleep(0.02)  # so that it is a packet of its own

    def close(self) -> None:
        self._listener.close()


def _asked(connection: socket.socket) -> bool:
    got = b""
    while b"\r\n\r\n" not in got:
        try:
            came = connection.recv(65536)
        except OSError:
            return False
        if not came:
            return False
        got += came
    return True


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def download(wire: Wire, tmp_path: Path) -> Iterator[Callable[..., nemo.Downloaded]]:
    """Download by a client that tries twice; the file is compared with what was sent."""
    retry = nemo.RetryPolicy(attempts=2, base_s=0.01, cap_s=0.02)
    endpoint = nemo.Endpoint(api_url=wire.url, timeout_s=2.0, retry=retry)
    part = tmp_path / "v.part"

    def run() -> nemo.Downloaded:
        done = nemo.Render("r1", nemo.RenderStatus.COMPLETED)
        got = client.download(done, part)
        assert part.read_bytes() == VIDEO
        return got

    with nemo.http_client(4) as http:
        attribution = nemo.Attribution("add-music", "1.0", "unknown")
        client = nemo.NemoClient(endpoint, attribution, nemo.UserToken("t"), http)
        yield run


def chunks(video: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(video), video)


ROADS: dict[str, Packets] = {
    "all at once": [HEAD + VIDEO],
    "head alone": [HEAD, VIDEO],
    "head in two": [HEAD[:20], HEAD[20:] + VIDEO[:10], VIDEO[10:]],
    "head cut in its end": [HEAD[:-1], HEAD[-1:] + VIDEO],
    "head cut in the middle of its end": [HEAD[:-2], HEAD[-2:], VIDEO],
    "head byte by byte": [*(HEAD[at : at + 1] for at in range(len(HEAD))), VIDEO],
    "bare line ends": [HEAD.replace(b"\r\n", b"\n") + VIDEO],
    "hints first": [HINTS + HEAD + VIDEO],
    "hints alone": [HINTS, HEAD, VIDEO],
    "hints with a piece of the head": [HINTS + HEAD[:30], HEAD[30:] + VIDEO],
    "in chunks": [CHUNKED + chunks(VIDEO)],
    "without a length": [HEAD.replace(b"Content-Length", b"X-Length") + VIDEO, b""],
    "in many pieces": [HEAD, *(VIDEO[at : at + 700_001] for at in range(0, len(VIDEO), 700_001))],
    "with more than it said": [HEAD + VIDEO + b"more"],
}


@pytest.mark.parametrize("road", ROADS)
def test_the_body_comes_whole(wire: Wire, download: Callable[..., nemo.Downloaded], road: str) -> None:
    wire.answers = [ROADS[road]]
    assert download() == DONE


def test_a_body_that_ends_early_is_fetched_again(
    wire: Wire, download: Callable[..., nemo.Downloaded]
) -> None:
    wire.answers = [[HEAD + VIDEO[:-1], b""], [HEAD + VIDEO]]
    assert download() == DONE
    assert wire.connections == 2


def test_a_body_that_always_ends_early_is_a_lost_connection(
    wire: Wire, download: Callable[..., nemo.Downloaded]
) -> None:
    wire.answers = [[HEAD + VIDEO[:-1], b""]]
    with pytest.raises(errors.ConnectionLost, match="broke the connection"):
        download()


def test_a_body_that_stands_still_is_given_up(wire: Wire, download: Callable[..., nemo.Downloaded]) -> None:
    wire.answers = [[HEAD + VIDEO[:-1]]]
    with pytest.raises(errors.ConnectionLost, match="did not answer in time"):
        download()


def bytes_of(response: httpx.Response) -> bytes:
    space, got = memoryview(bytearray(100_000)), b""
    for size_bytes in receive(response, lambda: space):
        got += space[:size_bytes]
    return got


def test_a_connection_read_past_the_parser_is_not_used_again(wire: Wire) -> None:
    wire.answers = [[HEAD + VIDEO]]
    with nemo.http_client(4) as http:
        for _ in range(2):
            with http.stream("GET", wire.url) as response:
                assert bytes_of(response) == VIDEO
    assert wire.connections == 2


def test_a_small_body_leaves_its_connection_to_the_next(wire: Wire) -> None:
    small = HEAD.replace(b"%d" % len(VIDEO), b"5") + b"video"
    wire.answers = [[small]]
    with nemo.http_client(4) as http:
        for _ in range(2):
            with http.stream("GET", wire.url) as response:
                assert bytes_of(response) == b"video"
    assert wire.connections == 1


def test_bytes_behind_an_answer_begin_no_other(wire: Wire) -> None:
    small = HEAD.replace(b"%d" % len(VIDEO), b"0")
    wire.answers = [[small + small.replace(b"200 OK", b"500 NO")], [small]]
    with nemo.http_client(4) as http:
        assert [http.get(wire.url).status_code for _ in range(2)] == [200, 200]
    assert wire.connections == 2


@pytest.mark.parametrize("road", ["all at once", "head alone", "in chunks", "in many pieces"])
def test_the_body_comes_whole_over_tls(certificate: tuple[Path, Path], road: str) -> None:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    wire = Wire(context)
    wire.answers = [ROADS[road]]
    trusted = ssl.create_default_context(cafile=str(cert))
    with nemo.http_client(4, verify=trusted) as http, http.stream("GET", wire.url) as response:
        assert bytes_of(response) == VIDEO
    wire.close()
