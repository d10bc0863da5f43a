# SPDX-License-Identifier: ISC
"""Addresses in all forms that smtpd writes, and in none."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmtpd import Address

V4, V6 = ipaddress.ip_address("192.0.2.7"), ipaddress.ip_address("2001:db8::7")
LINK_LOCAL = ipaddress.ip_address("fe80::1")
CASES = {
    "192.0.2.7:4711": ("192.0.2.7", 4711, "", "", V4),
    "192.0.2.7": ("192.0.2.7", None, "", "", V4),
    "0.0.0.0:25": ("0.0.0.0", 25, "", "", ipaddress.ip_address(0)),
    "[2001:db8::7]:4711": ("2001:db8::7", 4711, "", "", V6),
    "[2001:db8::7]": ("2001:db8::7", None, "", "", V6),
    "[fe80::1%veth0]:43260": ("fe80::1", 43260, "veth0", "", LINK_LOCAL),
    "[fe80::1]:43260": ("fe80::1", 43260, "", "", LINK_LOCAL),
    "[::ffff:192.0.2.7]:1": ("::ffff:192.0.2.7", 1, "", "", ipaddress.ip_address("::ffff:192.0.2.7")),
    "unix:/var/run/smtpd.sock": ("", None, "", "/var/run/smtpd.sock", None),
    "local": ("", None, "", "", None),
    "<unknown>": ("", None, "", "", None),
    "": ("", None, "", "", None),
    "999.0.2.7:25": ("999.0.2.7", 25, "", "", None),
    "192.0.2.7:": ("", None, "", "", None),
}


@pytest.mark.parametrize(("text", "expected"), CASES.items())
def test_parts(text: str, expected: tuple[object, ...]) -> None:
    """An address has the parts that its text has."""
    address = Address(text)
    assert expected == (address.host, address.port, address.zone, address.path, address.ip)
    assert text == str(address)


@given(st.text("0123456789abcdef.:[]%/unixlocal", max_size=40))
def test_nothing_raises(text: str) -> None:
    """Any text is an address, if only by name."""
    address = Address(text)
    assert (address.host, address.port, address.zone, address.path, address.ip) is not None
