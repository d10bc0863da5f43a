# SPDX-License-Identifier: ISC
"""Sets of ipset, as ipset 7.17 prints them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.exchange import ipset
from filter_ban.exchange.holding import Fault, ImportFault
from tests.filter_ban.exchange.reading import bans, complaints, read, sample

FORMS = ["save", "list"]


@pytest.mark.parametrize("form", FORMS)
def test_addresses(form: str) -> None:
    """Times that are left become ends, 0 is for ever, and comments are kept, whatever the form."""
    found = read(sample(f"ipset-hash-ip.{form}"))

    assert bans(found) == [("192.0.2.7", 599), ("192.0.2.8", None), ("192.0.2.9", 7199)]
    assert [entry.reason for entry in found.entries] == [
        "imported from ipset a, guesses all day",
        "imported from ipset a",
        "imported from ipset a",
    ]
    assert found.faults == []


@pytest.mark.parametrize(("form", "line"), [("save", 3), ("list", 10)])
def test_networks(form: str, line: int) -> None:
    """An exception within the set is no ban."""
    found = read(sample(f"ipset-hash-net.{form}"))

    assert bans(found) == [("2001:db8::/48", None)]
    assert found.faults == [Fault(f"line {line}", "an exception within the set, no ban; see never.networks")]


def test_netmask() -> None:
    """A set with a netmask holds networks, which it prints without."""
    assert bans(read(sample("ipset-netmask.save"))) == [("192.0.2.0/24", None)]


@pytest.mark.parametrize("form", FORMS)
def test_other_types(form: str) -> None:
    """A set of something else than addresses is refused by its name and type."""
    with pytest.raises(ImportFault, match="set p is a hash:ip,port, not a hash:ip or hash:net"):
        read(sample(f"ipset-pairs.{form}"))


def test_several_sets() -> None:
    """Of several sets nobody knows which one bans."""
    with pytest.raises(ImportFault, match="must be one set, as ipset save NAME"):
        read(sample("ipset-all.save"))


def test_wrong_lines() -> None:
    """Each has its number and the rule; the rest is read."""
    found = read(
        "create a hash:ip family inet\nadd a\nadd a mail\nadd a 192.0.2.7 timeout soon\nadd a 192.0.2.8\n"
    )

    assert bans(found) == [("192.0.2.8", None)]
    assert found.faults == [
        Fault("line 2", "'': not an IPv4 or IPv6 address"),
        Fault("line 3", "'mail': not an IPv4 or IPv6 address"),
        Fault("line 4", "timeout 'soon': must be a time such as 1h30m"),
    ]


WORDS = st.sampled_from(
    [
        "create ",
        "add ",
        "a ",
        "hash:ip ",
        "Name: ",
        "Type: ",
        "Members:",
        "timeout ",
        '" comment "',
        "7 ",
        "\n",
        "netmask ",
    ]
)


@given(st.lists(WORDS | st.text(max_size=5)).map("".join))
def test_any_text(text: str) -> None:
    """Any text is read or refused."""
    assert all(map(str.isprintable, complaints(ipset.read, text)))
