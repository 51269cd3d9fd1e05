"""The same over TLS: patience in silence, and a pinned address that must prove its name."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

import nemovideo
from nemovideo import errors, guard
from nemovideo.transport import Call, Transport, translate_errors
from tests.patience import allow

pytestmark = pytest.mark.integration

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"text": "Done."}\n\n'


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


class Secure:
    """A TLS server that sends an event, byte after byte if asked, and then waits for `go`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.go = threading.Event()
        self.pause_s = 0.0
        self.names: list[str] = []
        context.sni_callback = lambda sock, name, ctx: self.names.append(name)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(plain,), daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as secure:
                while b"\r\n\r\n" not in secure.recv(65536):
                    pass
                secure.sendall(HEAD + chunk(EVENT[:9]))
                time.sleep(self.pause_s)
                secure.sendall(chunk(EVENT[9:]))
                self.go.wait(20)
                secure.sendall(b"0\r\n\r\n")
        except OSError:
            plain.close()

    def close(self) -> None:
        self.go.set()
        self._listener.close()


@pytest.fixture
def secure(certificate: tuple[Path, Path]) -> Iterator[Secure]:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = Secure(context)
    yield server
    server.close()


@pytest.fixture
def https(certificate: tuple[Path, Path]) -> Iterator[httpx.Client]:
    with nemovideo.http_client(4, verify=ssl.create_default_context(cafile=str(certificate[1]))) as client:
        yield client


@pytest.fixture
def client(secure: Secure, https: httpx.Client) -> nemovideo.NemoVideo:
    endpoint = nemovideo.Endpoint(api_url=f"https://localhost:{secure.port}")
    attribution = nemovideo.Attribution("add-music", "1", "unknown")
    return nemovideo.NemoVideo(endpoint, attribution, nemovideo.UserToken("nmv_usr_x"), https)


def test_no_byte_is_lost_over_a_silence(secure: Secure, client: nemovideo.NemoVideo) -> None:
    secure.pause_s = 1.3
    secure.go.set()
    assert client.edit("s1", "add music").texts == ("Done.",)


def test_a_stop_in_silence(secure: Secure, client: nemovideo.NemoVideo) -> None:
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    started = time.monotonic()
    with pytest.raises(errors.StreamStopped):
        client.edit("s1", "add music", should_stop=stop.is_set)
    assert time.monotonic() - started < allow(3)


def fetch(http: httpx.Client, target: guard.Target) -> int:
    endpoint = nemovideo.Endpoint()
    transport = Transport(endpoint, nemovideo.Attribution("a", "1", "x"), None, http)
    call = Call("cdn", "GET", target.url, headers=target.headers, extensions=target.extensions)
    with translate_errors(call), transport.open(call, None, lambda: None) as response:
        return response.status_code


def test_a_pinned_address_must_prove_its_name(secure: Secure, https: httpx.Client) -> None:
    url = f"https://cdn.example:{secure.port}/v.mp4"
    (target,) = guard.check(url, allow_private=True, resolve=lambda host, port: ["127.0.0.1"])
    assert fetch(https, target) == 200
    assert secure.names == ["cdn.example"]
    with pytest.raises(errors.Unreachable):
        fetch(https, replace(target, extensions={"sni_hostname": "other.example"}))
