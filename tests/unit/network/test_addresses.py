"""Which addresses count as the public internet."""

from __future__ import annotations

import pytest

from clip_platform.errors import InvalidSetting, UnsafeAddress
from clip_platform.network.addresses import Allowed, is_public, literal_address
from clip_platform.network.urls import expect_safe_url

PUBLIC = (
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.0",
    "172.32.0.1",
    "192.0.1.1",
    "198.20.0.1",
    "2606:4700::1",
)
NOT_PUBLIC = {
    "unspecified": ("0.0.0.0", "0.1.2.3", "::"),
    "loopback": ("127.0.0.1", "127.255.255.254", "::1"),
    "private": ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    "carrier-grade NAT": ("100.64.0.0", "100.127.255.255"),
    "link-local": ("169.254.0.1", "fe80::1", "fe80::1%eth0"),
    "metadata": ("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"),
    "unique local": ("fc00::1", "fdff::1"),
    "protocol assignments": ("192.0.0.1", "2001:1::1"),
    "documentation": ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"),
    "benchmarks": ("198.18.0.1", "198.19.255.255", "2001:2::1"),
    "multicast and reserved": ("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "ff02::1", "4000::1"),
    "IPv4-mapped": ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"),
    "IPv4-compatible": ("::127.0.0.1",),
    "NAT64": ("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1"),
    "6to4": ("2002:7f00:1::", "2002:808:808::"),
    "Teredo": ("2001:0:4136:e378:8000:63bf:3fff:fdd2",),
    "site-local": ("fec0::1",),
    "no address": ("", "localhost", "8.8.8", "8.8.8.8/32"),
}


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(("kind", "address"), [(kind, each) for kind, all_ in NOT_PUBLIC.items() for each in all_])
def test_any_other_address_is_not_public(kind: str, address: str) -> None:
    assert not is_public(address), kind


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "[::1]"]
)
def test_an_address_is_recognised_however_it_is_spelt(host: str) -> None:
    literal = literal_address(host)

    assert literal is not None
    assert literal.is_loopback


@pytest.mark.parametrize("host", ["example.com", "a.b", "0x.example", "1.2.3.4.example", "deadbeef"])
def test_a_name_is_no_address(host: str) -> None:
    assert literal_address(host) is None


def test_networks_of_the_operator_are_permitted_beside_the_public_internet() -> None:
    allowed = Allowed.parse(" 10.1.0.0/16, 127.0.0.1,fd12::/16 ")

    assert [allowed.permits(each) for each in ("10.1.2.3", "127.0.0.1", "fd12::5", "8.8.8.8")] == [True] * 4
    assert [allowed.permits(each) for each in ("10.2.0.1", "127.0.0.2", "fd13::5", "::ffff:10.1.2.3")] == [False] * 4


def test_a_metadata_address_is_never_permitted() -> None:
    allowed = Allowed.parse("0.0.0.0/0,::/0")

    assert allowed.permits("10.0.0.1")
    assert not any(map(allowed.permits, NOT_PUBLIC["metadata"]))


@pytest.mark.parametrize("networks", ["10.1.0.0/33", "everything", "10.1.2.3/16"])
def test_a_setting_that_is_no_network_is_named(networks: str) -> None:
    with pytest.raises(InvalidSetting, match=networks.replace(".", r"\.")):
        Allowed.parse(f"127.0.0.1,{networks}")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://example.com:8443/",
        "https://user:secret@example.com/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "example.com/hook",
        "https://example.com/\n",
        "https://exa mple.com/",
        "https://" + "a" * 2000,
    ],
)
def test_a_url_that_can_be_seen_to_be_unsafe_is_refused_before_anything_is_connected_to(url: str) -> None:
    with pytest.raises(UnsafeAddress):
        expect_safe_url(url, Allowed())


def test_what_is_refused_elsewhere_may_be_said_of_an_allowed_network() -> None:
    assert expect_safe_url("http://127.0.0.1:8080/hook", Allowed.parse("127.0.0.1")).port == 8080
    assert expect_safe_url("https://example.com:443/hook", Allowed()).host == "example.com"


@pytest.mark.parametrize("url", ["https://xn--/", "https://example.com/\u202egpj.exe", "https://example.com/\u200b"])
def test_a_url_that_cannot_be_read_or_shown_is_refused(url: str) -> None:
    with pytest.raises(UnsafeAddress):
        expect_safe_url(url, Allowed())
