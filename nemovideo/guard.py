"""Which addresses a download may open: http(s), public, checked and then connected to as they were checked.

A name is resolved once. The connection goes to an address of that answer, so a name that changes between the
check and the connection gains nothing. Which addresses are never opened, and which only if private ones are
allowed, is in `addresses.toml`, each with its source.
"""

import ipaddress
import socket
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import httpx

from nemovideo.errors import Unreachable, UnsafeUrl

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Iterable[str]]

_LISTS = tomllib.loads(resources.files("nemovideo").joinpath("addresses.toml").read_text("utf-8"))
_NEVER = tuple(ipaddress.ip_network(entry["network"]) for entry in _LISTS["never"])
_PRIVATE = tuple(ipaddress.ip_network(entry["network"]) for entry in _LISTS["private"])
_EMBEDDED = tuple((ipaddress.ip_network(entry["network"]), entry["offset"]) for entry in _LISTS["embedded"])
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
# The last 64 bits of an ISATAP address (RFC 5214) begin so, and end with an IPv4 address.
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


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
    except (OSError, UnicodeError) as exc:
        raise Unreachable("The address of the finished video cannot be resolved.") from exc
    return [str(entry[4][0]) for entry in found]


def check(url: str, *, allow_private: bool, resolve: Resolve = resolve) -> tuple[Target, ...]:
    """Return a target for each address of `url`, to be tried in order.

    Raises UnsafeUrl if it is not http(s), or if any of its addresses is not allowed.
    """
    parsed = parse_url(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UnsafeUrl("The address of the finished video is not http or https.")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise UnsafeUrl("The address of the finished video has a port that does not exist.")
    if parsed.userinfo:
        raise UnsafeUrl("The address of the finished video holds a password.")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    addresses = list(dict.fromkeys(_parse_address(text) for text in resolve(parsed.host, port)))
    if not addresses or not all(_is_allowed(address, allow_private) for address in addresses):
        raise UnsafeUrl("The address of the finished video leads into a private network.")
    host = parsed.raw_host.decode("ascii")
    # Not kept alive: a pool knows a connection by its address alone, and another host may share it.
    headers = {"Host": parsed.netloc.decode("ascii"), "Connection": "close"}
    extensions = {"sni_hostname": host} if parsed.scheme == "https" else {}
    return tuple(
        Target(str(parsed.copy_with(host=str(address))), headers, extensions) for address in addresses
    )


def parse_url(url: str) -> httpx.URL:
    """Return `url` as httpx reads it; raise UnsafeUrl if it cannot be read."""
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as exc:
        raise UnsafeUrl("The address of the finished video is no valid URL.") from exc


def is_private(host: str, port: int, resolve: Resolve = resolve) -> bool:
    """Tell whether any address of `host` is not a public one."""
    return any(not _is_allowed(_parse_address(text), allow_private=False) for text in resolve(host, port))


def _parse_address(text: str) -> IPAddress:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError as exc:
        raise UnsafeUrl("The address of the finished video cannot be resolved.") from exc


def _is_allowed(address: IPAddress, allow_private: bool) -> bool:
    if any(address in network for network in _NEVER):
        return False
    if any(address in network for network in _PRIVATE):
        return allow_private and not _embeds_forbidden(address, allow_private)
    if isinstance(address, ipaddress.IPv6Address):
        for network, offset in _EMBEDDED:
            if address in network:
                inner = ipaddress.IPv4Address(int(address) >> (96 - offset) & 0xFFFFFFFF)
                return _is_allowed(inner, allow_private)
        return address in _GLOBAL_V6 and not _embeds_forbidden(address, allow_private)
    return address.is_global


def _embeds_forbidden(address: IPAddress, allow_private: bool) -> bool:
    """Tell whether an ISATAP address carries an IPv4 address that is not allowed itself."""
    if isinstance(address, ipaddress.IPv4Address) or int(address) >> 32 & 0xFFFFFFFF not in _ISATAP:
        return False
    return not _is_allowed(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), allow_private)
