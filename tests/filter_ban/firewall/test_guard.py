# SPDX-License-Identifier: ISC
"""Tests for what the privileged side refuses."""

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, NetworkSet, make_key, parse_network
from filter_ban.firewall import Guard

NOW_S = 1_700_000_000
END_S = NOW_S + 900
NEVER = ("127.0.0.0/8", "192.0.2.0/28", "2001:db8:1::/48", "2001:db8:2::25", "10.0.0.1")


def guard(max_entries: int = 1000) -> Guard:
    """Return a guard over NEVER."""
    return Guard(
        NetworkSet(map(parse_network, NEVER)), widest_ipv4=24, widest_ipv6=48, max_entries=max_entries
    )


def refusal(key: Any, end_s: Any = END_S, *, held: Collection[ClientKey] = ()) -> str:
    """Return why one wish is refused, or nothing."""
    allowed, refused = guard().check([(key, end_s)], held=held, now_s=NOW_S)
    assert len(allowed) + len(refused) == 1
    return refused[0][1] if refused else ""


@pytest.mark.parametrize("network", ["198.51.100.7", "198.51.100.0/24", "192.0.2.16/28", "2001:db8:2:1::/64"])
def test_ordinary_clients_are_allowed(network: str) -> None:
    """What nobody protects may be pushed, for a time or for ever."""
    assert not refusal(parse_network(network))
    assert not refusal(parse_network(network), None)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("127.0.0.1", "shares addresses with 127.0.0.0/8, which is never banned"),
        ("192.0.2.15", "shares addresses with 192.0.2.0/28"),
        ("192.0.2.0/24", "shares addresses with 192.0.2.0/28"),
        ("10.0.0.0/24", "shares addresses with 10.0.0.1"),
        ("2001:db8:1:5::/64", "shares addresses with 2001:db8:1::/48"),
        ("2001:db8:2::/64", "shares addresses with 2001:db8:2::25"),
        ("198.51.0.0/23", "wider than /24"),
        ("0.0.0.0/0", "wider than /24"),
        ("2001:db8::/47", "wider than /48"),
    ],
)
def test_protected_and_wide_networks_are_refused(network: str, why: str) -> None:
    """The never-list holds in both directions, and a limit of width for each family."""
    assert refusal(parse_network(network)).startswith(why)


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"\xc0\x00\x02\x07",
        b"\xc0\x00\x02\x07\x21",
        b"\xc6\x33\x64\x07\x18",
        bytes(15) + b"\x01\x81",
        bytes(10) + b"\xff\xff\xc6\x33\x64\x07\x80",
        "198.51.100.7",
        None,
        5,
    ],
)
def test_what_is_no_client_key_is_refused(key: Any) -> None:
    """Wrong length, bits to the right of the prefix, IPv4 in IPv6, other types."""
    assert refusal(key) == "not a client key"


@pytest.mark.parametrize("end_s", [NOW_S, NOW_S - 1, 0, -5, 1.5, "1", True, NOW_S + 10**12, float("nan")])
def test_impossible_ends_are_refused(end_s: Any) -> None:
    """An end is a whole second, ahead, and not beyond all reason."""
    assert refusal(parse_network("198.51.100.7"), end_s)


def test_table_has_a_size() -> None:
    """Beyond its size only what is held already gets through."""
    clients = [parse_network(f"198.51.100.{number}") for number in range(5)]

    allowed, refused = guard(3).check([(key, END_S) for key in clients], held=clients[3:4], now_s=NOW_S)

    assert list(allowed) == [clients[0], clients[1], clients[3]]
    assert refused == [(key, "the table holds 3 entries at most") for key in (clients[2], clients[4])]


@given(st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16), st.integers(0, 128))
def test_guard_agrees_with_the_never_list(packed: bytes, prefix: int) -> None:
    """What is allowed overlaps nothing on the list."""
    key = make_key(packed, min(prefix, len(packed) * 8))

    if not refusal(key):
        assert NetworkSet(map(parse_network, NEVER)).overlapping(key) is None


@given(st.binary(max_size=20))
def test_any_bytes_are_judged(key: bytes) -> None:
    """No bytes raise."""
    refusal(key)
