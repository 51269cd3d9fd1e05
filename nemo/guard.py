"""Which addresses a download may open: http(s), public, checked and then connected to as they were checked.

A name is resolved once. The connection goes to an address of that answer, so a name that changes between
the check and the connection gains nothing. Private addresses are open only if they are allowed; link-local
ones never are.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from nemo.errors import Unreachable, UnsafeUrl

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Iterable[str]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CARRIER = ipaddress.ip_network("100.64.0.0/10")
# fd00:ec2::254 serves a cloud machine's secrets, as 169.254.169.254 does.
_METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: `url` names the checked address; headers and extensions still name the host."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of `host`, as the system resolves it; raise Unreachable if it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable("The address of the finished video cannot be resolved.") from error
    return [str(entry[4][0]) for entry in found]


def check(url: str, *, allow_private: bool, resolve: Resolve = resolve) -> Target:
    """Return the target for `url`; raise UnsafeUrl if it is not http(s) or an address is not allowed."""
    parsed = parse(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UnsafeUrl("The address of the finished video is not http or https.")
    if (parsed.port or 0) > 65535:
        raise UnsafeUrl("The address of the finished video has a port that does not exist.")
    if parsed.userinfo:
        raise UnsafeUrl("The address of the finished video holds a password.")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    addresses = [_address(text) for text in resolve(parsed.host, port)]
    if not addresses or not all(_allowed(address, allow_private) for address in addresses):
        raise UnsafeUrl("The address of the finished video leads into a private network.")
    return _pinned(parsed, addresses[0])


def parse(url: str) -> httpx.URL:
    """Return `url` as httpx reads it; raise UnsafeUrl if it cannot be read."""
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise UnsafeUrl("The address of the finished video is no valid URL.") from error


def is_private(host: str, port: int, resolve: Resolve = resolve) -> bool:
    """Tell whether any address of `host` is a private one."""
    return any(not _allowed(_address(text), allow_private=False) for text in resolve(host, port))


def _pinned(url: httpx.URL, address: IPAddress) -> Target:
    host = url.raw_host.decode("ascii")
    # Not kept alive: a pool knows a connection by its address alone, and another host may share it.
    headers = {"Host": url.netloc.decode("ascii"), "Connection": "close"}
    pinned = url.copy_with(host=str(address))
    extensions = {"sni_hostname": host} if url.scheme == "https" else {}
    return Target(str(pinned), headers, extensions)


def _address(text: str) -> IPAddress:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError as error:
        raise UnsafeUrl("The address of the finished video cannot be resolved.") from error


def _allowed(address: IPAddress, allow_private: bool) -> bool:
    if (inner := _embedded(address)) is not None:
        return _allowed(inner, allow_private)
    if address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA:
        return False
    if address.is_private or address.is_loopback or address in _CARRIER:
        return allow_private
    return address.is_global and not address.is_reserved


def _embedded(address: IPAddress) -> IPAddress | None:
    """Return the IPv4 address that an IPv6 address carries, if it carries one."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
