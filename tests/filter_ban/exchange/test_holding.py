# SPDX-License-Identifier: ISC
"""What a source holds: addresses, ranges, times, faults."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import key_text
from filter_ban.exchange import holding
from filter_ban.exchange.holding import Entry, Fault, Holding, ImportFault, parse_addresses, parse_time

NOW_S = 1_795_000_000


@pytest.mark.parametrize(
    ("text", "clients"),
    [
        ("192.0.2.7", ["192.0.2.7"]),
        ("2001:DB8::/48", ["2001:db8::/48"]),
        ("::ffff:192.0.2.7", ["192.0.2.7"]),
        ("192.0.2.0-192.0.2.255", ["192.0.2.0/24"]),
        ("203.0.113.1-203.0.113.6", ["203.0.113.1", "203.0.113.2/31", "203.0.113.4/31", "203.0.113.6"]),
        ("2001:db8::-2001:db8::1", ["2001:db8::/127"]),
        ("192.0.2.7-192.0.2.7", ["192.0.2.7"]),
    ],
)
def test_addresses(text: str, clients: list[str]) -> None:
    """A range becomes the prefixes that make it up."""
    assert [key_text(client) for client in parse_addresses(text)] == clients


@pytest.mark.parametrize(
    "text", ["", "mail", "192.0.2.7/24", "192.0.2.9-192.0.2.1", "192.0.2.1-2001:db8::1", "a-b"]
)
def test_no_addresses(text: str) -> None:
    """What is none breaks a rule."""
    with pytest.raises(ValueError, match=r"not an IPv4 or IPv6 address|has bits set|must go up"):
        parse_addresses(text)


@given(st.ip_addresses(v=4), st.integers(0, 5000))
def test_ranges_are_covered_exactly(first: ipaddress.IPv4Address, size: int) -> None:
    """The prefixes of a range hold each of its addresses once."""
    last = ipaddress.ip_address(min(int(first) + size, (1 << 32) - 1))
    networks = [ipaddress.ip_network(key_text(key)) for key in parse_addresses(f"{first}-{last}")]

    assert (networks[0][0], networks[-1][-1]) == (first, last)
    assert sum(network.num_addresses for network in networks) == int(last) - int(first) + 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("599", 599),
        ("90s", 90),
        ("1h29m59s968ms", 5400),
        ("1d", 86_400),
        ("2w1d", 1_296_000),
        ("1ms", 1),
    ],
)
def test_times(text: str, seconds: int) -> None:
    """Parts of a second are rounded up."""
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "1y", "1h ", "-1", "1.5h", "h", "1" * 13, "\u0661"])
def test_no_times(text: str) -> None:
    """What is none breaks a rule."""
    with pytest.raises(ValueError, match="must be a time such as 1h30m"):
        parse_time(text)


def test_take() -> None:
    """Ends and remarks are kept; what is over is only counted; what is wrong has its place."""
    found = Holding("ipset blocked", NOW_S, NOW_S)
    found.take("192.0.2.7", "line 1", end_s=NOW_S + 1, remark="guesses")
    found.take("192.0.2.8", "line 2", end_s=NOW_S)
    found.take("192.0.2.9", "line 3")
    found.take("mail", "line 4")

    assert found.entries == [
        Entry(parse_addresses("192.0.2.7")[0], NOW_S + 1, "imported from ipset blocked, guesses", "line 1"),
        Entry(parse_addresses("192.0.2.9")[0], None, "imported from ipset blocked", "line 3"),
    ]
    assert found.over == 1
    assert found.faults == [Fault("line 4", "'mail': not an IPv4 or IPv6 address")]


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """More entries than can be taken are a fault of the source; more faults than can be named are counted."""
    monkeypatch.setattr(holding, "MAX_ENTRIES", 2)
    monkeypatch.setattr(holding, "MAX_FAULTS", 2)
    found = Holding("list", NOW_S, NOW_S)
    for number in range(5):
        found.miss(f"line {number}", "wrong")
    found.take("192.0.2.6/31", "line 6")
    found.take("192.0.2.8", "line 7")

    assert (len(found.faults), found.unnamed_faults) == (2, 3)
    with pytest.raises(ImportFault, match="list has more than 2 entries"):
        found.take("192.0.2.9", "line 8")
