# SPDX-License-Identifier: ISC
"""Keys of clients and networks."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import (
    NetworkSet,
    is_host,
    is_ipv4,
    key_text,
    make_key,
    pack_address,
    parse_network,
    widen,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        (" 192.0.2.0/24\n", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8::0007", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[fe80::1%em0]", "fe80::1"),
        ("2001:db8:1:2::/64", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7/32", "192.0.2.7"),
        ("::1", "::1"),
    ],
)
def test_networks_have_one_text(text: str, shown: str) -> None:
    """However a client is written, its key reads the same."""
    key = parse_network(text)

    assert key_text(key) == shown
    assert parse_network(key_text(key)) == key


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not an IPv4 or IPv6 address"),
        ("local", "not an IPv4 or IPv6 address"),
        ("192.0.2", "not an IPv4 or IPv6 address"),
        ("192.0.2.256", "not an IPv4 or IPv6 address"),
        ("1.2.3.4\0", "not an IPv4 or IPv6 address"),
        ("1.2.3.4; rm -rf /", "not an IPv4 or IPv6 address"),
        ("2001:db8::zz", "not an IPv4 or IPv6 address"),
        ("192.0.2.7/33", "the prefix length must be 0 to 32"),
        ("192.0.2.7/-1", "the prefix length must be 0 to 32"),
        ("192.0.2.7/", "the prefix length must be 0 to 32"),
        ("192.0.2.0/٢", "the prefix length must be 0 to 32"),
        ("2001:db8::/129", "the prefix length must be 0 to 128"),
        ("192.0.2.7/24", "did you mean 192.0.2.0/24?"),
    ],
)
def test_what_is_no_network_is_refused_with_the_reason(text: str, problem: str) -> None:
    """The error shows the value, bounded, and the rule."""
    with pytest.raises(ValueError, match=problem.replace("?", r"\?")):
        parse_network(text)


@given(st.ip_addresses(), st.integers(0, 128))
def test_keys_agree_with_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, prefix: int
) -> None:
    """Masking and text are those of ipaddress, mapped IPv6 being IPv4."""
    mapped = getattr(address, "ipv4_mapped", None)
    plain = mapped or address
    prefix = min(prefix, plain.max_prefixlen)
    network = ipaddress.ip_network((plain, prefix), strict=False)

    key = make_key(pack_address(str(address)), prefix)

    assert key[:-1] == network.network_address.packed
    assert ipaddress.ip_network(key_text(key)) == network
    assert is_ipv4(key) == (network.version == 4)
    assert is_host(key) == (network.prefixlen == network.max_prefixlen)


NETWORKS = st.lists(
    st.builds(
        lambda number, prefix: make_key(number.to_bytes(4), prefix),
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
    ),
    max_size=8,
)


@given(NETWORKS, NETWORKS)
def test_network_sets_agree_with_the_definition(members: list[bytes], probes: list[bytes]) -> None:
    """Covering and overlapping are what comparing with every member gives."""
    networks = NetworkSet(make_key(member[:-1], member[-1]) for member in members)
    for probe in probes:
        key = make_key(probe[:-1], probe[-1])
        covering = [
            member for member in networks if member[-1] <= key[-1] and widen(key, member[-1]) == member
        ]
        inside = [member for member in networks if member[-1] >= key[-1] and widen(member, key[-1]) == key]

        assert (networks.covering(key) is not None) == bool(covering)
        assert (networks.overlapping(key) is not None) == bool(covering or inside)


def test_families_do_not_mix() -> None:
    """0.0.0.0/0 covers no IPv6 client."""
    assert NetworkSet([parse_network("0.0.0.0/0")]).covering(parse_network("2001:db8::1")) is None
