# SPDX-License-Identifier: ISC
"""Tests for the firewall's vocabulary and for the choice of a backend."""

import pytest

from filter_ban.client import parse_network
from filter_ban.firewall import Change, Fault, FirewallError, Options, make_backend
from filter_ban.firewall.base import fault_of, net_of


@pytest.mark.parametrize(
    ("stderr", "fault"),
    [
        (
            "Error: No such file or directory; did you mean set 'net4_24' in table inet 'filter_ban'?",
            Fault.GONE,
        ),
        ("Error: Could not process rule: No such file or directory", Fault.GONE),
        ("netlink: Error: cache initialization failed: Operation not permitted", Fault.DENIED),
        ("pfctl: /dev/pf: Permission denied", Fault.DENIED),
        ("pfctl: Table does not exist.", Fault.GONE),
        ("pfctl: Cannot allocate memory.", Fault.FULL),
        ("Error: syntax error, unexpected newline", Fault.OTHER),
        ("", Fault.OTHER),
    ],
)
def test_fault_is_read_from_the_tools_message(stderr: str, fault: Fault) -> None:
    """The messages of nft and pfctl are told apart."""
    assert fault == fault_of(stderr)


def test_error_text_is_bounded_and_printable() -> None:
    """Whatever a tool prints, the error fits into one line."""
    error = FirewallError(["nft", "-f", "-"], 1, "bad\n\x1b[31m" + "x" * 10_000)

    text = str(error)

    assert text.startswith("nft (status 1): bad\\n\\x1b[31mxxx")
    assert len(text) < 400
    assert text.isprintable()


def test_halves_hold_everything_once() -> None:
    """Two halves together are the whole, and both are smaller."""
    clients = [parse_network(f"192.0.2.{number}") for number in range(7)]
    change = Change(adds=[(key, 5) for key in clients[:3]], updates=[(clients[3], None)], removes=clients[4:])

    left, right = change.halves()

    assert len(change) == len(left) + len(right) == 7
    assert 0 < len(left) < 7
    assert sorted(change.clients()) == sorted(left.clients() + right.clients())
    assert sorted(change.removes) == sorted([*left.removes, *right.removes])


def test_halves_of_two_are_single() -> None:
    """Halving always ends."""
    change = Change(removes=[parse_network("192.0.2.1"), parse_network("192.0.2.2")])

    assert sorted([1, 1]) == sorted(map(len, change.halves()))


@pytest.mark.parametrize(
    ("network", "net"), [("192.0.2.1", (32, 32)), ("192.0.2.0/24", (32, 24)), ("2001:db8::/64", (128, 64))]
)
def test_net_is_family_and_prefix(network: str, net: tuple[int, int]) -> None:
    """The net of a client is what decides its mask."""
    assert net == net_of(parse_network(network))


@pytest.mark.parametrize("name", ["nftables", "pf"])
def test_backend_is_made_by_name(name: str) -> None:
    """Each name of the configuration makes the backend of that name, with the one default table name."""
    assert name == make_backend(name, Options()).name


@pytest.mark.parametrize(
    ("name", "settings", "rule"),
    [
        ("ipchains", {}, "must be one of nftables"),
        ("nftables", {"table": "x; flush ruleset"}, "must be letters"),
        ("nftables", {"table": "1st"}, "must be letters"),
        ("nftables", {"ports": (0,)}, "must be 1 to 65535"),
        ("nftables", {"ports": (70_000,)}, "must be 1 to 65535"),
        ("pf", {"table": "two words"}, "must be a pf table's name"),
        ("pf", {"table": "-F"}, "must be a pf table's name"),
        ("pf", {"table": "x" * 32}, "must be a pf table's name"),
        ("pf", {"anchor": "a" * 70, "table": "x"}, "must be a pf table's name"),
        ("pf", {"anchor": "-a", "table": "x"}, "must be a pf table's name"),
    ],
)
def test_impossible_settings_are_refused(name: str, settings: dict[str, object], rule: str) -> None:
    """A setting that cannot be the tool's argument is refused with its rule."""
    with pytest.raises(ValueError, match=rule):
        make_backend(name, Options(**settings))  # type: ignore[arg-type]
