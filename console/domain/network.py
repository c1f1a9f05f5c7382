"""Networks as people write them, and the one way in which they are remembered and compared."""

from __future__ import annotations

import ipaddress

from console.domain.errors import Refused
from console.domain.text import printable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
# An IPv6 /64 is one customer's line.
_USUAL = {4: 32, 6: 64}
_LONGEST_TEXT = 60


def network_of(text: str) -> Network:
    """The network that a person means: an address with or without a prefix. One without is a /32, in IPv6 the /64
    around it; one that is mapped into IPv6 is its IPv4. Raises Refused."""
    given = text.strip()
    shown = printable(given, _LONGEST_TEXT)
    address, slash, prefix = given.partition("/")
    if "%" in address:
        raise Refused(f"{shown} has a zone: it means something on one machine only")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise Refused(
            f"expected an address such as 203.0.113.7 or a network such as 203.0.113.0/24, not {shown!r}"
        ) from None
    if slash and not (prefix.isascii() and prefix.isdigit() and len(prefix) <= 3):
        raise Refused(f"expected a prefix such as /24 behind the address, not {shown!r}")
    if slash and int(prefix) > parsed.max_prefixlen:
        raise Refused(f"{shown}: an IPv{parsed.version} prefix is at most /{parsed.max_prefixlen}")
    length = int(prefix) if slash else None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        if length is not None and length < _MAPPED.prefixlen:
            raise Refused(f"{shown} is wider than all of IPv4")
        parsed, length = parsed.ipv4_mapped, None if length is None else length - _MAPPED.prefixlen
    if length is None:
        return ipaddress.ip_network((parsed, _USUAL[parsed.version]), strict=False)
    meant = ipaddress.ip_network((parsed, length), strict=False)
    if meant.network_address != parsed:
        raise Refused(f"{shown} has bits behind its prefix: did you mean {meant} or {parsed}?")
    return meant


def written(network: Network) -> str:
    """As it is shown and remembered, so that `network_of` reads it as the same: only one IPv4 address has no prefix."""
    return str(network.network_address) if network.version == 4 and network.prefixlen == 32 else str(network)


def covers(wide: Network, narrow: Network) -> bool:
    """Whether all of `narrow` lies in `wide`."""
    if isinstance(wide, ipaddress.IPv4Network) and isinstance(narrow, ipaddress.IPv4Network):
        return narrow.subnet_of(wide)
    if isinstance(wide, ipaddress.IPv6Network) and isinstance(narrow, ipaddress.IPv6Network):
        return narrow.subnet_of(wide)
    return False
