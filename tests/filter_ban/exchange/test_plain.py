# SPDX-License-Identifier: ISC
"""Plain lists."""

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.exchange import plain
from filter_ban.exchange.holding import Fault
from tests.filter_ban.exchange.reading import bans, complaints, read


def test_list() -> None:
    """An address, prefix or range a line; comments and blank lines are skipped."""
    found = read("# ours\n\n192.0.2.7\r\n 192.0.2.0/25 # all day\n2001:db8::7\n192.0.2.8-192.0.2.9")

    assert bans(found) == [
        ("192.0.2.7", None),
        ("192.0.2.0/25", None),
        ("2001:db8::7", None),
        ("192.0.2.8/31", None),
    ]
    assert found.faults == []
    assert found.entries[0].reason == "imported from text"
    assert found.entries[1].place == "line 4"


def test_wrong_lines() -> None:
    """Each has its number and the rule; the rest is read."""
    found = read("mail\n192.0.2.7/24\n192.0.2.7 all day\n192.0.2.8\n")

    assert bans(found) == [("192.0.2.8", None)]
    assert found.faults == [
        Fault("line 1", "'mail': not an IPv4 or IPv6 address"),
        Fault("line 2", "'192.0.2.7/24': has bits set to the right of /24; did you mean 192.0.2.0/24?"),
        Fault("line 3", "'192.0.2.7 all day': not an IPv4 or IPv6 address"),
    ]


def test_pf() -> None:
    """What pfctl prints is such a list; what the table leaves out is no ban."""
    found = read("   192.0.2.7\n   198.51.100.0/24\n  !198.51.100.7\n   2001:db8::/48\n")

    assert bans(found) == [("192.0.2.7", None), ("198.51.100.0/24", None), ("2001:db8::/48", None)]
    assert found.faults == [Fault("line 3", "an exception within the table, no ban; see never.networks")]


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text is read; each line is an entry, a fault, or empty."""
    found = complaints(plain.read, text)

    assert len(found) <= text.count("\n") + 1
    assert all(map(str.isprintable, found))
