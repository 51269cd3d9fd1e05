"""Connections that can be interrupted while they wait, with no thread to watch them.

httpx ends a stream at its first read time-out. One level below, at the socket, a time-out consumes nothing;
so a long wait is made of short ones there, and between them the caller's check may raise. No byte is lost,
and a thousand streams need no thread but their own.
"""

import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import count
from typing import Any, TypeVar

import httpcore
import httpx

SLICE_S = 0.9
# Common servers close an idle connection after 5 s; an edit must not be sent into one that just closed.
KEEPALIVE_S = 2.0
THREADS_A_POOL = 16
FAST_BYTES = 128 * 1024
"""How much is asked for at once where much comes: half the calls, and a sender that is kept waiting less.

More than this is slower again: the system then maps memory anew for each read.
"""

_T = TypeVar("_T")
_local = threading.local()


@contextmanager
def watching(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` at least each second while this thread waits for the network; what it raises comes out."""
    before: Callable[[], None] | None = getattr(_local, "check", None)
    _local.check = check
    try:
        yield
    finally:
        _local.check = before


def pause(seconds: float) -> None:
    """Sleep; the check of `watching` is called meanwhile, and what it raises comes out."""
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0:
        time.sleep(min(SLICE_S, left_s))
        if (check := getattr(_local, "check", None)) is not None:
            check()


def _in_slices(io: Callable[[float], _T], timed_out: type[Exception], timeout_s: float | None) -> _T:
    deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left_s = max(deadline - time.monotonic(), 0.001)
        try:
            return io(min(SLICE_S, left_s))
        except timed_out:
            if (check := getattr(_local, "check", None)) is not None:
                check()
            if time.monotonic() >= deadline:
                raise


_HEAD_ENDS = re.compile(rb"\n\r?\n")


class PatientStream(httpcore.NetworkStream):
    """A socket that waits in short slices, and hands out the head of a response apart from its body."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        """Wrap `stream`, plain or TLS."""
        self._stream = stream
        self._fast = False
        self._head: bytes | None = None  # what has come of a head that is not over
        self._ahead = b""  # came with a head, and belongs behind it
        self.at_body = False
        """Whether the head is over, and nothing of the body has been handed out."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what came, empty at the end; after a full read it may be more than `max_bytes`."""
        self.at_body = False
        data, self._ahead = self._ahead, b""
        if not data:
            size_bytes = max(max_bytes, FAST_BYTES) if self._fast else max_bytes
            data = _in_slices(partial(self._receive, size_bytes), httpcore.ReadTimeout, timeout)
            self._fast = len(data) >= max_bytes
        return data if self._head is None else self._head_of(self._head, data)

    def _head_of(self, before: bytes, data: bytes) -> bytes:
        """Return what of `data` belongs to the head; the rest is for the next read."""
        head = before + data
        ends = _HEAD_ENDS.search(head, max(0, len(before) - 2))
        if ends is None:
            self._head = head
            return data
        size_bytes = ends.end() - len(before)
        self._ahead = data[size_bytes:]
        interim = re.match(rb"HTTP/\S+ 1", head)  # 103, say: the head of the answer itself follows
        self._head, self.at_body = (b"", False) if interim else (None, True)
        return data[:size_bytes]

    def read_into(self, space: memoryview, timeout: float | None = None) -> int:
        """Read the body past the parser; answers how many bytes came, 0 at the end."""
        self.at_body = False
        if self._ahead:
            size_bytes = min(len(space), len(self._ahead))
            space[:size_bytes], self._ahead = self._ahead[:size_bytes], self._ahead[size_bytes:]
            return size_bytes
        return _in_slices(partial(self._receive_into, space), httpcore.ReadTimeout, timeout)

    def _receive_into(self, space: memoryview, timeout_s: float) -> int:
        sock: socket.socket = self._stream.get_extra_info("socket")
        try:
            sock.settimeout(timeout_s)
            return sock.recv_into(space)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def _receive(self, size_bytes: int, timeout_s: float) -> bytes:
        # A socket that is read from holds room for all it may get: 64 KB for each of a thousand open streams.
        if not self._fast and not _readable(self._stream.get_extra_info("socket"), timeout_s):
            raise httpcore.ReadTimeout
        return self._stream.read(size_bytes, timeout_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        self._head = b""
        view = memoryview(buffer)
        while view:
            view = view[_in_slices(partial(self._send, view), httpcore.WriteTimeout, timeout) :]

    def _send(self, view: memoryview, timeout_s: float) -> int:
        sock: socket.socket = self._stream.get_extra_info("socket")
        try:
            sock.settimeout(timeout_s)
            return sock.send(view)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the same connection, encrypted."""
        return PatientStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Return what the wrapped stream knows."""
        if info == "is_readable" and self._ahead:
            return True  # more came than was asked for: no next answer may begin with that
        return self._stream.get_extra_info(info)


def _readable(sock: socket.socket, timeout_s: float) -> bool:
    """Wait until there is something to read, or the end."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    return bool(waiting.poll(timeout_s * 1000))


class PatientBackend(httpcore.SyncBackend):
    """Connects as usual, and hands out patient streams."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to `host`; keep-alive probes find a dead peer within about two minutes."""
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options or _probes())
        return PatientStream(stream)


def _probes() -> list[tuple[int, int, int]]:
    wanted = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
    timing = [
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in wanted.items()
        if hasattr(socket, name)
    ]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *timing]


class PatientTransport(httpx.HTTPTransport):
    """httpx's own transport over patient connections."""

    def __init__(self, max_connections: int, context: ssl.SSLContext) -> None:
        """Open a pool of up to `max_connections`."""
        super().__init__(verify=context)
        # httpx passes no network backend through; its pool is httpcore's public class, made here with one.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=max_connections,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=PatientBackend(),
        )


class ManyPools(httpx.BaseTransport):
    """Several transports, each for its share of the threads.

    A pool looks at all its connections, under one lock, for each request: with hundreds of threads on one
    pool that costs more than the requests themselves.
    """

    def __init__(self, max_connections: int, verify: ssl.SSLContext | bool) -> None:
        """Open a pool for each `THREADS_A_POOL` of `max_connections`; `verify` is as in httpx."""
        context = verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify=verify)
        pools = max(1, max_connections // THREADS_A_POOL)
        self._transports = [PatientTransport(max_connections, context) for _ in range(pools)]
        self._threads = count()
        self._local = threading.local()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send by this thread's pool."""
        number: int | None = getattr(self._local, "number", None)
        if number is None:
            number = self._local.number = next(self._threads)
        return self._transports[number % len(self._transports)].handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports:
            transport.close()


def http_client(max_connections: int = 1100, *, verify: ssl.SSLContext | bool = True) -> httpx.Client:
    """Return the one HTTP client a process shares among all its threads: no cookies, no redirects, patient.

    `max_connections` must be at least the number of calls in flight. Close it when the process ends.
    """
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return httpx.Client(
        transport=ManyPools(max_connections, verify), cookies=no_cookies, follow_redirects=False
    )
