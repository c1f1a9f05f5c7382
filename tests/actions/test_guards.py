"""The guards of addresses and accounts, against references that count instead of comparing prefixes."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.actions.guards import (
    Person,
    Protected,
    may_be_blocked,
    may_be_suspended,
    second_person_for,
)
from console.domain.errors import Refused
from console.domain.network import Network, network_of, written

NOBODY = Protected()
# First and last address of what is never blocked, by RFC 6890 and the IANA registries; as numbers.
NEVER_V4 = [
    (ipaddress.IPv4Address(first), ipaddress.IPv4Address(last))
    for first, last in (
        ("0.0.0.0", "0.255.255.255"), ("10.0.0.0", "10.255.255.255"), ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"), ("169.254.0.0", "169.254.255.255"), ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"), ("192.168.0.0", "192.168.255.255"), ("198.18.0.0", "198.19.255.255"),
        ("224.0.0.0", "239.255.255.255"), ("240.0.0.0", "255.255.255.255"),
    )
]  # fmt: skip
NEVER_V6 = [
    (ipaddress.IPv6Address(first), ipaddress.IPv6Address(last))
    for first, last in (
        ("::", "::1"), ("::ffff:0:0", "::ffff:ffff:ffff"), ("64:ff9b::", "64:ff9b::ffff:ffff"),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    )
]  # fmt: skip

EDGES_V4 = [int(one) + shift for pair in NEVER_V4 for one in pair for shift in (-1, 0, 1)]
EDGES_V6 = [int(one) + shift for pair in NEVER_V6 for one in pair for shift in (-1, 0, 1)]


def somewhere(bits: int, edges: list[int]) -> st.SearchStrategy[int]:
    whole = st.integers(0, 2**bits - 1)
    return whole | st.sampled_from([edge for edge in edges if 0 <= edge < 2**bits])


v4 = st.builds(
    lambda number, prefix: ipaddress.IPv4Network((number >> (32 - prefix) << (32 - prefix), prefix)),
    somewhere(32, EDGES_V4),
    st.integers(1, 32),
)
v6 = st.builds(
    lambda number, prefix: ipaddress.IPv6Network((number >> (128 - prefix) << (128 - prefix), prefix)),
    somewhere(128, EDGES_V6),
    st.integers(1, 128),
)
networks = v4 | v6
MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
unmapped = networks.filter(lambda network: network.version == 4 or not network.overlaps(MAPPED))


def ends(network: Network) -> tuple[int, int]:
    return int(network[0]), int(network[-1])


def touch(one: Network, other: Network) -> bool:
    """By counting: the first of each is not behind the last of the other."""
    (a, b), (c, d) = ends(one), ends(other)
    return one.version == other.version and a <= d and c <= b


def reference(network: Network, protected: Protected) -> bool:
    first, last = ends(network)
    never = NEVER_V4 if network.version == 4 else NEVER_V6
    if any(first <= int(end) and int(begin) <= last for begin, end in never):
        return False
    if last - first + 1 > (2**16 if network.version == 4 else 2**80):
        return False
    others = (*protected.allowed, *(place for place, _ in protected.operators))
    return not any(touch(network, other) for other in others)


def passes(network: Network, protected: Protected) -> bool:
    try:
        guards = may_be_blocked(network, protected)
    except Refused:
        return False
    assert all(guard.passed for guard in guards)
    return True


@settings(max_examples=600, deadline=None)
@given(networks, st.lists(networks, max_size=3), st.lists(networks, max_size=3))
def test_a_block_passes_exactly_where_the_reference_says(
    network: Network, allowed: list[Network], operators: list[Network]
) -> None:
    protected = Protected(tuple(allowed), tuple((place, "alice") for place in operators))
    assert passes(network, protected) == reference(network, protected)


@settings(max_examples=200, deadline=None)
@given(networks, st.integers(0, 2**128))
def test_no_range_that_contains_an_operator_passes_however_wide_it_is(network: Network, pick: int) -> None:
    inside = ipaddress.ip_network(network[pick % network.num_addresses])
    assert not passes(network, Protected(operators=((inside, "alice"),)))
    assert not passes(network, Protected(allowed=(inside,)))
    assert not passes(inside, Protected(allowed=(network,)))


@settings(max_examples=200, deadline=None)
@given(unmapped)
def test_what_is_written_is_read_back_as_the_same(network: Network) -> None:
    assert network_of(written(network)) == network


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.none() | st.integers(0, 32))
def test_a_mapped_address_is_its_ipv4(number: int, prefix: int | None) -> None:
    address = ipaddress.IPv4Address(number)
    mapped = f"::ffff:{address}" + ("" if prefix is None else f"/{prefix + 96}")
    plain = f"{address}" + ("" if prefix is None else f"/{prefix}")

    def outcome(text: str) -> object:
        try:
            return network_of(text)
        except Refused:
            return "refused"

    assert outcome(mapped) == outcome(plain)


@settings(max_examples=200, deadline=None)
@given(unmapped)
def test_bits_behind_the_prefix_are_refused_with_the_network_that_was_meant(network: Network) -> None:
    if network.num_addresses == 1:
        return
    with pytest.raises(Refused, match="did you mean") as refusal:
        network_of(f"{network[1]}/{network.prefixlen}")
    assert str(network) in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        (" 203.0.113.0/24 ", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::4/128", "2001:db8:1:2:3::4/128"),
        ("2001:DB8::/48", "2001:db8::/48"),
    ],
)
def test_the_usual_width_is_one_customer(text: str, network: str) -> None:
    assert network_of(text) == ipaddress.ip_network(network)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fe80::1%eth0", "zone"),
        ("::ffff:203.0.113.7%1", "zone"),
        ("here", "expected an address"),
        ("", "expected an address"),
        ("203.0.113.07", "expected an address"),
        ("203.0.113.7/33", "at most /32"),
        ("203.0.113.7/", "expected a prefix"),
        ("203.0.113.7/-1", "expected a prefix"),
        ("203.0.113.7/255.255.255.0", "expected a prefix"),
        ("203.0.113.7/٣", "expected a prefix"),
        ("::ffff:0:0/95", "wider than all of IPv4"),
        ("203.0.113.7\x1b[2J", "expected an address"),
    ],
)
def test_what_is_no_network_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as refusal:
        network_of(text)
    assert "\x1b" not in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["192.0.2.1", "198.51.100.0/24", "203.0.113.7", "2001:db8::/48", "8.8.8.8", "2600::1"]
)
def test_the_documentation_ranges_and_public_ones_may_be_blocked(text: str) -> None:
    assert passes(network_of(text), NOBODY)


@pytest.mark.parametrize(
    ("text", "two"),
    [
        ("203.0.113.0/24", False),
        ("203.0.112.0/23", True),
        ("203.0.0.0/16", True),
        ("2001:db8::/64", False),
        ("2001:db8::/56", False),
        ("2001:db8::/55", True),
        ("2001:db8::/48", True),
    ],
)
def test_wide_blocks_take_a_second_person(text: str, two: bool) -> None:
    assert passes(network_of(text), NOBODY)
    assert bool(second_person_for(network_of(text), 20, 20)) is two
    assert "21 people worked from there" in second_person_for(network_of(text), 21, 20)
    assert "can't be known" in second_person_for(network_of(text), None, 20)


@pytest.mark.parametrize("text", ["203.0.0.0/15", "0.0.0.0/0", "2001:db8::/47", "::/0"])
def test_too_wide_is_refused(text: str) -> None:
    assert not passes(network_of(text), NOBODY)


CUSTOMER = Person("5f0f", "ada@mail.example", "Ada Chen", staff=False, last_staff=False)


@pytest.mark.parametrize(
    ("account", "logins", "words"),
    [
        (CUSTOMER, ("ada",), "oneself"),
        (CUSTOMER, ("bob", "ADA@mail.example"), "oneself"),
        (CUSTOMER, ("Ada Chen",), "oneself"),
        (Person("1", "noor@x.example", "Noor", staff=True, last_staff=False), ("bob",), "staff"),
        (Person("1", "noor@x.example", "Noor", staff=True, last_staff=True), ("bob",), "last administrator"),
    ],
)
def test_oneself_staff_and_the_last_administrator_are_never_suspended(
    account: Person, logins: tuple[str, ...], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        may_be_suspended(account, logins)


def test_anybody_else_may_be_suspended() -> None:
    assert all(guard.passed for guard in may_be_suspended(CUSTOMER, ("bob", "alice")))
    assert may_be_suspended(Person("1", "", "", staff=False, last_staff=False), ("bob",))
