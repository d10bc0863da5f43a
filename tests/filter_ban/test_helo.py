# SPDX-License-Identifier: ISC
"""Which HELO names are those of bots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.helo import is_bad, may_be_address

BAD = frozenset({"ylmf-pc", "User"})
SERVER = "198.18.0.1"
SERVER6 = "2001:db8::a"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ylmf-pc", True),
        ("User", True),
        ("user", False),
        ("YLMF-PC", False),
        ("User.example.org", False),
        (" User", False),
        ("[192.0.2.7]", False),
        ("DESKTOP-4F5J2", False),
        ("", False),
    ],
)
def test_bots_names(name: str, expected: bool) -> None:
    """A name is bad if it is one of those configured, letter for letter."""
    assert is_bad(name, BAD, SERVER) is expected


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("198.18.0.1", SERVER),
        ("[198.18.0.1]", SERVER),
        ("[IPv6:::ffff:198.18.0.1]", SERVER),
        ("[IPv6:fd00::1]", "fd00::1"),
        ("[IPv6:fd00::1]", "[fd00::1]"),
        ("[IPv6:2001:db8::a]", SERVER6),
        ("[ipv6:2001:DB8:0:0::A]", SERVER6),
        ("[2001:db8::a]", SERVER6),
        ("2001:db8::a", SERVER6),
    ],
)
def test_the_servers_own_address(name: str, server: str) -> None:
    """Who gives the server's address as its own name is no honest client, in whatever form it is written."""
    assert is_bad(name, (), server)


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("[198.18.0.2]", SERVER),
        ("[198.18.0.1].example.org", SERVER),
        ("198.18.0.1.", SERVER),
        ("198.18.0.1", ""),
        ("[IPv6:2001:db8::b]", SERVER6),
        ("[]", ""),
        ("[IPv6:]", ""),
        ("", ""),
        ("198.18.0.1\0", SERVER),
        ("\xe9:1", SERVER),
        ("1" * 5000, SERVER),
    ],
)
def test_other_addresses(name: str, server: str) -> None:
    """Other addresses, what only looks like one, and a server that is not known are no reason."""
    assert not is_bad(name, (), server)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.0.0.53", "::1", "0.0.0.0", "::", "169.254.7.7", "fe80::1"),
        *("10.0.0.5", "172.16.0.5", "192.168.1.10", "100.64.0.5"),
    ],
)
def test_addresses_of_many_machines(address: str) -> None:
    """Loopback is what honest programs say for want of a name, and a phone in another network may be 192.168.1.10 too."""
    name = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    assert not is_bad(name, (), address)


@given(st.ip_addresses().map(str) | st.ip_addresses(v=6).map(lambda address: f"[IPv6:{address}]"))
def test_no_address_is_overlooked(name: str) -> None:
    """The quick look lets every address through."""
    assert may_be_address(name)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_taken(name: str, server: str) -> None:
    """Nothing is raised, and nothing that is no address is one of ours."""
    assert is_bad(name, (), server) is False
