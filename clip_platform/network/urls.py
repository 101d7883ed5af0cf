"""What a tenant's URL must look like before anything is connected to. Names are not resolved here."""

from __future__ import annotations

import re

import httpx

from clip_platform.errors import UnsafeAddress
from clip_platform.network.addresses import Address, Allowed, literal_address

MAX_URL_CHARACTERS = 2000
_HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?")


def expect_safe_url(text: str, allowed: Allowed) -> httpx.URL:
    """The URL, if what it says is safe: https at its standard port, unless its address is spelt out and in an allowed
    network. What its name leads to is judged on connecting.

    Raises:
        UnsafeAddress.
    """
    url = _parsed(text)
    if url.userinfo:
        raise UnsafeAddress("the URL has a user name or password in it; leave them out")
    literal = literal_address(url.host)
    if literal is not None and not allowed.permits(literal):
        raise UnsafeAddress(f"{url.host} is not an address on the public internet; give one that is")
    # Only on connecting is it known whether a name leads to one of the operator's networks.
    expect_standard_port(url, listed=bool(allowed.networks) if literal is None else allowed.lists(literal))
    return url


def expect_standard_port(url: httpx.URL, *, listed: bool) -> None:
    """`listed`: whether its address is in one of the operator's networks, where http and any port may be used.

    Raises:
        UnsafeAddress.
    """
    if listed:
        return
    if url.scheme != "https":
        raise UnsafeAddress(f"{url.scheme}://{url.host} is not encrypted; give an https:// URL")
    if port_of(url) != 443:
        raise UnsafeAddress(f"port {url.port} of {url.host} may not be used; give a URL at https's port, 443")


def port_of(url: httpx.URL) -> int:
    return url.port or {"http": 80, "https": 443}[url.scheme]


def expect_permitted(host: str, addresses: list[Address], allowed: Allowed) -> None:
    """
    Raises:
        UnsafeAddress: one of the addresses of a host may not be used; a host with a good and a bad one is refused,
            since which of them is used would be chance.
    """
    for address in addresses:
        if not allowed.permits(address):
            raise UnsafeAddress(f"{host} leads to an address that is not on the public internet; give one that does")


def _parsed(text: str) -> httpx.URL:
    if len(text) > MAX_URL_CHARACTERS:
        raise UnsafeAddress(f"the URL has {len(text)} characters; at most {MAX_URL_CHARACTERS} are taken")
    if not text.isprintable():
        raise UnsafeAddress("the URL has characters that are not shown, or turn others around; percent-encode them")
    try:
        url = httpx.URL(text)
        host = url.host  # decoded only here: of `xn--` nothing is left
    except (httpx.InvalidURL, ValueError) as error:
        raise UnsafeAddress(f"this is no URL ({error}); give one that begins with https://") from error
    if url.scheme not in ("http", "https") or not host:
        raise UnsafeAddress(f"a URL with scheme {url.scheme!r} is not taken; give one that begins with https://")
    if _HOST.fullmatch(url.raw_host) is None:
        raise UnsafeAddress(f"{url.host!r} is no host's name; give one of letters, digits, dots and hyphens")
    return url
