"""Addresses that a download may open, and those it may not."""

import pytest

from nemovideo import errors, guard


def resolve_to(*addresses: str) -> guard.Resolve:
    return lambda host, port: addresses


PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1",
    "64:ff9b::a00:1", "2002:a00:1::1", "198.18.0.1", "::ffff:0:10.0.0.1", "2606:4700::5efe:10.0.0.1",
    "192.0.2.1", "::127.0.0.1", "2001:db8::1", "100.127.255.255",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "::",
    "0.0.0.0",  # noqa: S104  # refused here, bound nowhere
    "224.0.0.1", "ff02::1", "fd00:ec2::254", "100.100.100.200", "2002:a9fe:a9fe::1",
    "fec0::1", "192.0.0.192", "168.63.129.16", "fd20:ce::254", "169.254.170.2", "169.254.0.23", "fd00:42::42",
    "::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::1", "::ffff:0:100.100.100.200",
    "::169.254.169.254", "64:ff9b:1::a9fe:a9fe", "2001:0:4136:e378:8000:63bf:5601:5601",
    "fd12::5efe:169.254.169.254", "2606:4700::200:5efe:169.254.169.254", "255.255.255.255",
    "240.0.0.1", "0.1.2.3", "100::1", "4000::1",
]  # fmt: skip


def allowed(address: str, allow_private: bool) -> bool:
    try:
        guard.check("https://cdn.example/v.mp4", allow_private=allow_private, resolve=resolve_to(address))
    except errors.UnsafeUrl:
        return False
    return True


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert allowed(address, allow_private=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_only_if_allowed(address: str) -> None:
    assert not allowed(address, allow_private=False)
    assert allowed(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_link_local_and_the_like_never(address: str) -> None:
    assert not allowed(address, allow_private=False)
    assert not allowed(address, allow_private=True)


def test_every_rule_of_the_list_names_its_source() -> None:
    entries = [entry for kind in ("never", "private", "embedded") for entry in guard._LISTS[kind]]
    assert len(entries) >= 30
    assert all(entry["source"] and entry["network"] for entry in entries)


def test_every_address_becomes_a_target() -> None:
    targets = guard.check(
        "http://x.example/v",
        allow_private=False,
        resolve=resolve_to("93.184.216.34", PUBLIC[1], "93.184.216.34"),
    )
    assert [target.url for target in targets] == ["http://93.184.216.34/v", f"http://[{PUBLIC[1]}]/v"]


def test_one_bad_address_among_good_ones_is_enough() -> None:
    with pytest.raises(errors.UnsafeUrl):
        guard.check("http://x.example/", allow_private=False, resolve=resolve_to("93.184.216.34", "10.0.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://x.example/v",
        "data:text/plain,x", "javascript:1", "//x.example/v", "x.example/v",
        "", "http://", "http://user:pw@x.example/", "https://x.example:0/", "https://x.example:65536/",
        "http://x\x00y/", "http://[::1/",
    ],
)  # fmt: skip
def test_what_is_no_web_address(url: str) -> None:
    with pytest.raises(errors.UnsafeUrl):
        guard.check(url, allow_private=True, resolve=resolve_to("93.184.216.34"))


def test_the_checked_address_is_the_one_connected_to() -> None:
    (target,) = guard.check(
        "https://cdn.example:8443/v.mp4?sig=1", allow_private=False, resolve=resolve_to("93.184.216.34")
    )
    assert target.url == "https://93.184.216.34:8443/v.mp4?sig=1"
    assert target.headers["Host"] == "cdn.example:8443"
    assert target.headers["Connection"] == "close"
    assert target.extensions == {"sni_hostname": "cdn.example"}


def test_an_ipv6_address_is_written_in_brackets() -> None:
    (target,) = guard.check("http://cdn.example/v", allow_private=False, resolve=resolve_to(PUBLIC[1]))
    assert target.url == f"http://[{PUBLIC[1]}]/v"
    assert target.extensions == {}


def test_the_highest_port_is_one() -> None:
    (target,) = guard.check(
        "https://x.example:65535/v", allow_private=False, resolve=resolve_to("93.184.216.34")
    )
    assert target.url == "https://93.184.216.34:65535/v"


def test_a_resolver_that_answers_with_no_address() -> None:
    with pytest.raises(errors.UnsafeUrl, match="cannot be resolved"):
        guard.check("https://x.example/v", allow_private=True, resolve=resolve_to("elsewhere"))


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "localhost"])
def test_other_ways_to_write_this_machine(host: str) -> None:
    with pytest.raises((errors.UnsafeUrl, errors.Unreachable)):
        guard.check(f"http://{host}/v.mp4", allow_private=False)


def test_a_name_without_an_address() -> None:
    with pytest.raises(errors.Unreachable):
        guard.check("http://no-such-host.invalid/v.mp4", allow_private=False)


def test_whether_a_host_is_private() -> None:
    assert guard.is_private("127.0.0.1", 80)
    assert not guard.is_private("x", 80, resolve_to("93.184.216.34"))


@pytest.mark.parametrize(
    ("url", "port"), [("http://x/v", 80), ("https://x/v", 443), ("https://x:8443/v", 8443)]
)
def test_a_name_is_resolved_for_the_port_that_is_opened(url: str, port: int) -> None:
    asked: list[int] = []

    def resolve(host: str, at: int) -> list[str]:
        asked.append(at)
        return ["93.184.216.34"]

    guard.check(url, allow_private=False, resolve=resolve)
    assert asked == [port]
