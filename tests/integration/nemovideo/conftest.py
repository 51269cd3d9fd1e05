"""A small real HTTP server that says what a test tells it to, byte by byte if need be."""

import json
import random
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

import nemovideo

CUT = object()  # close in the middle, as a fallen proxy does
RESET = object()  # the same with a RST


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """A status, headers, and a body in steps: bytes, seconds to wait, an Event to wait for, CUT or RESET."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    steps: list[Any] = field(default_factory=list)
    length: int | None = None


class Backend:
    """The server and its script: for each path a list of replies; the last one is repeated."""

    cut = CUT
    reset = RESET

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.script: dict[tuple[str, str], list[Reply | Callable[[Seen], Reply]]] = {}
        self.url = ""

    def on(self, method: str, path: str, *replies: Reply | Callable[[Seen], Reply]) -> None:
        self.script[method, path] = list(replies)

    def calls(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    def reply_to(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        replies = self.script.get((seen.method, seen.path))
        if not replies:
            return self.json({"detail": "not in the script"}, status=404)
        chosen = replies.pop(0) if len(replies) > 1 else replies[0]
        return chosen(seen) if callable(chosen) else chosen

    @staticmethod
    def json(document: Any, status: int = 200, **headers: str) -> Reply:
        body = json.dumps(document).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Reply(status, {"Content-Type": "application/json", **named}, [body], len(body))

    @classmethod
    def ok(cls, **data: Any) -> Reply:
        return cls.json({"code": 0, "data": data})

    @staticmethod
    def sse(*steps: Any) -> Reply:
        """An event stream; a dict becomes one event."""
        made = [f"data: {json.dumps(s)}\n\n".encode() if isinstance(s, dict) else s for s in steps]
        return Reply(200, {"Content-Type": "text/event-stream"}, made)

    @staticmethod
    def video(body: bytes, status: int = 200, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Reply(status, {"Content-Type": "video/mp4", **named}, [body], len(body))

    @staticmethod
    def raw(status: int, headers: dict[str, str], steps: list[Any], length: int | None = None) -> Reply:
        return Reply(status, headers, steps, length)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    backend: Backend

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.play(self.backend.reply_to(Seen(self.command, self.path, headers, body)))

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def play(self, reply: Reply) -> None:
        if reply.steps[:1] in ([CUT], [RESET]) and reply.status == 0:
            self.hang_up(reply.steps[0])
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        chunked = reply.length is None
        self.send_header(
            *(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(reply.length)))
        )
        self.end_headers()
        for step in reply.steps:
            if step is CUT or step is RESET:
                self.hang_up(step)
                return
            self.do(step, chunked)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def do(self, step: Any, chunked: bool) -> None:
        if isinstance(step, bytes):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(step), step) if chunked else step)
            self.wfile.flush()
        elif isinstance(step, threading.Event):
            step.wait(20)
        else:
            threading.Event().wait(step)

    def hang_up(self, how: object) -> None:
        if how is RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the client hung up, which some tests are about

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def shutdown_request(self, request: Any) -> None:
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
        self.close_request(request)


@pytest.fixture
def start_backend() -> Iterator[Callable[[], Backend]]:
    """Start servers; a second one stands for a CDN."""
    with ExitStack() as stack:

        def start() -> Backend:
            backend = Backend()
            server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"backend": backend}))
            backend.url = f"http://127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
            )
            thread.start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return backend

        yield start


@pytest.fixture
def backend(start_backend: Callable[[], Backend]) -> Backend:
    return start_backend()


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with nemovideo.http_client(50) as client:
        yield client


ATTRIBUTION = nemovideo.Attribution("add-music", "1.2.0", "unknown")


@pytest.fixture
def make_client(http: httpx.Client) -> Callable[..., nemovideo.NemoVideo]:
    """Make a client for a URL; `naps` gathers what it would have slept."""

    def make(
        url: str, *, naps: list[float] | None = None, tokens: Any = None, **options: Any
    ) -> nemovideo.NemoVideo:
        endpoint = options.pop("endpoint", None) or nemovideo.Endpoint(
            api_url=url, web_url="https://web.example", timeout_s=5.0
        )
        slept = naps if naps is not None else []
        return nemovideo.NemoVideo(
            endpoint,
            ATTRIBUTION,
            tokens or nemovideo.UserToken("nmv_usr_secret"),
            http,
            sleep=slept.append,
            rng=random.Random(7),
            **options,
        )

    return make


@pytest.fixture
def client(backend: Backend, make_client: Callable[..., nemovideo.NemoVideo]) -> nemovideo.NemoVideo:
    return make_client(backend.url)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate of ``cdn.example`` and ``localhost``."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is needed to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=cdn.example"),
            *("-addext", "subjectAltName=DNS:cdn.example,DNS:localhost"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return key, cert
