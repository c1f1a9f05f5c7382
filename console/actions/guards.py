"""What may never be blocked or suspended, and how wide a block may be (FACTS, section 4). Pure: what is known of the
platform and of the operators is passed in.

Widths: IPv4 is one address unless a prefix is given, wider than /24 takes a second person, wider than /16 is refused.
IPv6 is a /64 (one customer's line) unless a prefix is given, wider than /56 (one customer's site) takes a second
person, wider than /48 is refused. However narrow it is, one from where many people work takes a second person.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from console.domain.action import Guard
from console.domain.errors import Refused
from console.domain.format import counted
from console.domain.network import Network, written

# Named one by one: Python's is_private is also true of the documentation ranges, and not of all of these.
_NEVER: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(text), words)
    for text, words in (
        ("0.0.0.0/8", "the unspecified range"),
        ("10.0.0.0/8", "a private range"),
        ("100.64.0.0/10", "a range shared behind carriers' NAT"),
        ("127.0.0.0/8", "the loopback range"),
        ("169.254.0.0/16", "the link-local range"),
        ("172.16.0.0/12", "a private range"),
        ("192.0.0.0/24", "a range for protocols"),
        ("192.168.0.0/16", "a private range"),
        ("198.18.0.0/15", "a range for measurements inside networks"),
        ("224.0.0.0/4", "the multicast range"),
        ("240.0.0.0/4", "a reserved range"),
        ("::/128", "the unspecified address"),
        ("::1/128", "the loopback address"),
        ("::ffff:0:0/96", "the range that stands for all of IPv4"),
        ("64:ff9b::/96", "the range that stands for all of IPv4"),
        ("64:ff9b:1::/48", "a range for translation inside networks"),
        ("fc00::/7", "a private range"),
        ("fe80::/10", "the link-local range"),
        ("fec0::/10", "a private range"),
        ("ff00::/8", "the multicast range"),
    )
)


@dataclass(frozen=True, slots=True)
class _Widths:
    alone: int
    widest: int


_WIDTHS = {4: _Widths(24, 16), 6: _Widths(56, 48)}


@dataclass(frozen=True, slots=True)
class Protected:
    """Networks that are never blocked: `allowed` by the installation's list, and where `operators` and agents are."""

    allowed: tuple[Network, ...] = ()
    operators: tuple[tuple[Network, str], ...] = ()
    """Each with whom it belongs to: `alice`, `this agent`."""


def may_be_blocked(network: Network, protected: Protected) -> tuple[Guard, ...]:
    """The guards that a block of this network passes. Raises Refused with the reason of the first that it doesn't."""
    shown = written(network)
    for never, words in _NEVER:
        if _overlap(network, never):
            raise Refused(f"{shown} {_touches(network, never)} {words} ({never}): it is never blocked")
    widest = _WIDTHS[network.version].widest
    if network.prefixlen < widest:
        raise Refused(
            f"{shown} is too wide: an IPv{network.version} block is at most a /{widest} "
            f"({_count(network)} addresses would be refused)"
        )
    for allowed in protected.allowed:
        if _overlap(network, allowed):
            raise Refused(f"{shown} {_touches(network, allowed)} {written(allowed)}, which is allow-listed")
    for place, whose in protected.operators:
        if _overlap(network, place):
            raise Refused(f"{shown} {_touches(network, place)} {written(place)}, where {whose} comes from")
    return (
        Guard("range", True, "not private, not reserved"),
        Guard("width", True, f"/{network.prefixlen}: {_count(network)} address{_plural(network)}"),
        Guard("allow list", True, f"none of {len(protected.allowed)} networks touched"),
        Guard("operators", True, f"none of {len(protected.operators)} known places touched"),
    )


def second_person_for(network: Network, people: int | None, many: int) -> str:
    """Why a block of this network, from where so many `people` worked in the last day (None: nobody knows), takes two;
    "" when it doesn't. More than `many` do."""
    alone = _WIDTHS[network.version].alone
    reasons = []
    if network.prefixlen < alone:
        reasons.append(f"wider than /{alone}: {_count(network)} addresses would be refused")
    if people is None:
        reasons.append("how many people worked from there can't be known now")
    elif people > many:
        reasons.append(f"{counted(people, 'person', 'people')} worked from there in the last 24 h")
    return "; ".join(reasons)


@dataclass(frozen=True, slots=True)
class Person:
    """What the guards go by of an account."""

    user_id: str
    email: str
    name: str
    staff: bool
    last_staff: bool


def may_be_suspended(account: Person, logins: Iterable[str], deed: str = "suspended") -> tuple[Guard, ...]:
    """The guards that a suspension of this account passes, or what else shuts its owner out (`deed`, as in "is never
    suspended"); `logins` are those who ask for it or agree to it. Raises Refused with the reason of the first
    that it doesn't."""
    mine = {account.email.casefold(), account.email.partition("@")[0].casefold(), account.name.casefold()}
    for login in logins:
        if login.casefold() in mine - {""}:
            raise Refused(f"{account.email} seems to be {login}: oneself is never {deed}")
    if account.last_staff:
        raise Refused(f"{account.email} is the last administrator that is active: it is never {deed}")
    if account.staff:
        raise Refused(f"{account.email} is staff: it is never {deed}")
    return (Guard("oneself", True, "somebody else's account"), Guard("staff", True, "no staff account"))


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _touches(network: Network, other: Network) -> str:
    if network == other:
        return "is"
    return "contains" if network.prefixlen < other.prefixlen else "lies in"


def _count(network: Network) -> str:
    bits = network.max_prefixlen - network.prefixlen
    return f"{network.num_addresses:,}" if bits <= 32 else f"2^{bits}"


def _plural(network: Network) -> str:
    return "" if network.num_addresses == 1 else "es"
