"""A body into buffers of the caller's: straight from the socket where much comes and its length is known.

httpx's parser copies each byte three times more while it holds Python's lock, which halves a download.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpcore
import httpx

from nemo.network import PatientStream

STRAIGHT_BYTES = 4 * 1024 * 1024
"""A connection that was read past the parser serves no other request: worth it from this size on."""
READ_BYTES = 64 * 1024
"""Asked for at once: what the processor's cache holds until it is hashed."""


def receive(response: httpx.Response, room: Callable[[], memoryview]) -> Iterator[int]:
    """Read the body as it was sent into what `room` gives, and yield how many bytes came each time.

    `room` is asked each time, and may give another buffer. Raises what httpx raises while it reads.
    """
    stream, length_bytes = response.extensions.get("network_stream"), _length_bytes(response)
    if isinstance(stream, PatientStream) and stream.at_body and length_bytes >= STRAIGHT_BYTES:
        yield from _straight(response, stream, length_bytes, room)
    else:
        yield from _parsed(response, room)


def _length_bytes(response: httpx.Response) -> int:
    """The length of the body, or 0 if only its parser can tell."""
    length = response.headers.get("Content-Length", "")
    plain = "Transfer-Encoding" not in response.headers and response.http_version in {"HTTP/1.0", "HTTP/1.1"}
    return int(length) if plain and length.isascii() and length.isdigit() else 0


def _parsed(response: httpx.Response, room: Callable[[], memoryview]) -> Iterator[int]:
    for chunk in response.iter_raw():
        rest = memoryview(chunk)
        while rest:
            space = room()
            size_bytes = min(len(space), len(rest))
            space[:size_bytes] = rest[:size_bytes]
            rest = rest[size_bytes:]
            yield size_bytes


def _straight(
    response: httpx.Response, stream: PatientStream, length_bytes: int, room: Callable[[], memoryview]
) -> Iterator[int]:
    timeout_s = response.request.extensions["timeout"]["read"]
    while length_bytes > 0:
        with _as_httpx():
            size_bytes = stream.read_into(room()[: min(READ_BYTES, length_bytes)], timeout_s)
        if not size_bytes:
            raise httpx.RemoteProtocolError(f"The connection ended {length_bytes} bytes before the body did.")
        length_bytes -= size_bytes
        yield size_bytes


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Raise what httpx makes of an error of its lower half."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error)) from error
    except httpcore.NetworkError as error:
        raise httpx.ReadError(str(error)) from error
