# SPDX-License-Identifier: ISC
"""The clients that a command is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cli.client_list import Client, Mistake, parse_clients

LINES = {
    "plain": (b"192.0.2.7\n", [Client("192.0.2.7", "line 1")]),
    "no newline at the end": (b"192.0.2.7", [Client("192.0.2.7", "line 1")]),
    "blank lines count": (b"\n \t\n192.0.2.7\n", [Client("192.0.2.7", "line 3")]),
    "comments": (b"# x\n192.0.2.7 # guesses\n#192.0.2.8\n", [Client("192.0.2.7", "line 2")]),
    "carriage returns": (
        b"192.0.2.7\r\n\r\n192.0.2.8\r\n",
        [Client("192.0.2.7", "line 1"), Client("192.0.2.8", "line 3")],
    ),
    "prefixes": (
        b"192.0.2.0/24\n2001:DB8::/48\n",
        [Client("192.0.2.0/24", "line 1"), Client("2001:db8::/48", "line 2")],
    ),
    "mapped": (b"::ffff:192.0.2.7\n", [Client("192.0.2.7", "line 1")]),
    "empty": (b"", []),
}


@pytest.mark.parametrize(("data", "expected"), LINES.values(), ids=LINES.keys())
def test_standard_input(data: bytes, expected: list[Client]) -> None:
    """Standard input has one client a line, in any spelling."""
    assert parse_clients(["-"], data.splitlines(keepends=True)) == (expected, [])


def test_order() -> None:
    """Arguments and lines keep their order; without a dash, standard input is not touched."""
    clients, _ = parse_clients(["192.0.2.1", "-", "192.0.2.3"], [b"192.0.2.2\n"])
    assert [client.text for client in clients] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert parse_clients(["192.0.2.1"], [b"192.0.2.2\n"]) == ([Client("192.0.2.1")], [])


def test_mistakes() -> None:
    """What is no client is a mistake with its place and the rule; the others are still taken."""
    clients, mistakes = parse_clients(["mail", "-"], [b"192.0.2.7/33\n", b"192.0.2.7/24\n", b"192.0.2.8\n"])
    assert clients == [Client("192.0.2.8", "line 3")]
    assert mistakes == [
        Mistake("'mail': not an IPv4 or IPv6 address"),
        Mistake("'192.0.2.7/33': the prefix length must be 0 to 32", "line 1"),
        Mistake("'192.0.2.7/24': has bits set to the right of /24; did you mean 192.0.2.0/24?", "line 2"),
    ]


@given(st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are clients and mistakes, and a mistake is told in printable text."""
    _, mistakes = parse_clients(["-"], data.splitlines(keepends=True))
    assert all(mistake.why.isprintable() for mistake in mistakes)
