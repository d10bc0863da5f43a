# SPDX-License-Identifier: ISC
"""Tables of Postfix."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, address_text, make_key, parse_network, widen
from filter_ban.exchange import postfix
from filter_ban.exchange.postfix import access_key
from tests.filter_ban.exchange.reading import complaints
from tests.filter_ban.exchange.writing import CLIENTS, banned, written

KEYS = {
    "192.0.2.7": "192.0.2.7",
    "192.0.2.0/24": "192.0.2",
    "172.16.0.0/16": "172.16",
    "10.0.0.0/8": "10",
    "192.0.2.0/25": None,
    "10.0.0.0/12": None,
    "2001:db8::7": "2001:db8::7",
    "2001:db8:1:2::/64": "2001:db8:1:2",
    "2001:db8:0:2::/64": "2001:db8:0:2",
    "2001:db8:1::/48": "2001:db8:1",
    "2001:db8::/32": "2001:db8",
    "2001:db8:1:200::/56": None,
    "2001:db8:1::/64": None,  # Postfix prints 2001:db8:1:0:a:… and 2001:db8:1::b:…
    "2001:0:0:5::/64": None,
    "::/0": None,
    "2000::/16": None,
}


@pytest.mark.parametrize(("client", "key"), KEYS.items())
def test_access_key(client: str, key: str | None) -> None:
    """A network has a key where octets or groups can say it."""
    assert access_key(parse_network(client)) == key


def lookups(address: str) -> set[str]:
    """Return what Postfix looks up for a client's address."""
    delimiter = ":" if ":" in address else "."
    found = set()
    while address:
        found.add(address)
        address = address.rpartition(delimiter)[0]
    return found


@given(client=CLIENTS, tail=st.binary(min_size=16, max_size=16), other=CLIENTS)
def test_access_key_is_exact(client: ClientKey, tail: bytes, other: ClientKey) -> None:
    """A key is found for every address in its network and for no other, whatever zeros stand in it."""
    key = access_key(client)
    within = int.from_bytes(client[:-1]) | (int.from_bytes(tail) & host_mask(client))
    packed = within.to_bytes(len(client) - 1)
    for address in (make_key(packed, len(packed) * 8), make_key(other[:-1], len(other) * 8 - 8)):
        member = len(address) == len(client) and widen(address, client[-1]) == client
        assert key is None or (key in lookups(address_text(address))) == member


def host_mask(client: ClientKey) -> int:
    """Return the bits to the right of the prefix."""
    return (1 << ((len(client) - 1) * 8 - client[-1])) - 1


def test_access() -> None:
    """Each line is a key and a refusal; what has none is left out and told."""
    omitted: list[ClientKey] = []
    text = written("postfix-access", banned("192.0.2.0/24"), banned("192.0.2.0/25"), omitted=omitted)

    assert text.splitlines()[1:] == [
        "192.0.2 521 5.7.1 192.0.2.0/24 refused until further notice, reference K7Q2ABCD"
    ]
    assert omitted == [parse_network("192.0.2.0/25")]


def test_cidr() -> None:
    """Each line is a prefix and a refusal."""
    text = written("cidr", banned("192.0.2.0/25"), banned("2001:db8::/64", 1_795_003_601))

    assert text.splitlines()[1:] == [
        "192.0.2.0/25 521 5.7.1 192.0.2.0/25 refused until further notice, reference K7Q2ABCD",
        "2001:db8::/64 521 5.7.1 2001:db8::/64 refused until 2026-11-18 12:07 UTC, reference K7Q2ABCD",
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("192.0.2.7 OK", "192.0.2.7: OK is no refusal"),
        ("192.0.2.7 550", "192.0.2.7: 550 is no refusal"),  # digits alone let in
        ("192.0.2.7", "192.0.2.7: nothing is no refusal"),
        ("192.0.2.7 DUNNO", "192.0.2.7: DUNNO is no refusal"),
        ("192.0.2.7 rejecting", "192.0.2.7: rejecting is no refusal"),
        ("192.0.2.0/24 REJECT", None),
        ("# 192.0.2.7 OK", None),
        ("192.0.2.7 REJECT\n  because", None),
        ("192.0.2.8\t421 4.7.0 later", None),
        ("!192.0.2.0/24 REJECT", "'!192.0.2.0': not an IPv4 or IPv6 address"),
    ],
)
def test_actions(line: str, why: str | None) -> None:
    """What lets a client in is no ban."""
    assert complaints(postfix.read_cidr, line) == ([] if why is None else [why])


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text is read; each line is an entry, a fault, or empty."""
    for reader in (postfix.read_access, postfix.read_cidr):
        assert all(map(str.isprintable, complaints(reader, text)))


def test_ipv6_text_is_that_of_postfix() -> None:
    """Addresses are written as inet_ntop(3) does, which is what Postfix prints."""
    assert address_text(parse_network("2001:DB8:0:0:1::7")) == str(ipaddress.ip_address("2001:db8::1:0:0:7"))
