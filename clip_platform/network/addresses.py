"""Which addresses this platform may connect to for a tenant. Deciding only; connecting is in `network.http`.

Only what is certainly the public internet counts as public: every block that the IANA special-purpose registries list
as anything else is refused, and so is every IPv6 form that leads to an IPv4 address by translation.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from clip_platform.errors import InvalidSetting

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# https://www.iana.org/assignments/iana-ipv4-special-registry, and multicast
_NOT_PUBLIC_4 = tuple(
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
# Global unicast is 2000::/3; outside it are loopback, mapped, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), link-local, unique
# local and multicast addresses. Inside it are Teredo and other protocol assignments, 6to4, and documentation.
_GLOBAL_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
# Where clouds hand out credentials; never allowed, also not as part of a network that is. Azure's has a public address.
_METADATA = frozenset(
    ip_address(address)
    for address in (
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    )
)
_LOOKS_NUMERIC = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?")


def is_public(address: Address | str) -> bool:
    """Whether an address is certainly on the public internet. A text that is no address is not."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if ip in _METADATA:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in block for block in _NOT_PUBLIC_4)
    return ip in _GLOBAL_6 and ip.scope_id is None and not any(ip in block for block in _NOT_PUBLIC_6)


def literal_address(host: str) -> Address | None:
    """The address that a URL's host spells, in any form the resolver takes (`127.1`, `0x7f000001`, `2130706433`,
    `0177.0.0.1`, `[::1]`); None for a name."""
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return ip_address(bare)
    except ValueError:
        if _LOOKS_NUMERIC.fullmatch(bare) is None:
            return None
    try:
        return IPv4Address(socket.inet_aton(bare.removesuffix(".")))
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Allowed:
    """The public internet, and the operator's networks beside it."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, networks: str) -> Allowed:
        """`networks`: comma-separated, `10.1.0.0/16,127.0.0.1`.

        Raises:
            InvalidSetting: names what is no network.
        """
        return cls(tuple(_network(each.strip()) for each in networks.split(",") if each.strip()))

    def lists(self, address: Address | str) -> bool:
        """Whether it is in one of the operator's networks; a metadata address never is."""
        ip = ip_address(address)
        return ip not in _METADATA and any(ip in network for network in self.networks if network.version == ip.version)

    def permits(self, address: Address | str) -> bool:
        return is_public(address) or self.lists(address)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise InvalidSetting(
            f"outbound_allow has {text!r}, which is no network ({error}); write 10.1.0.0/16 or a single address"
        ) from error
